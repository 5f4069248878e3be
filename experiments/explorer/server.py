"""Serves the explorer to this machine, or to whom it is told to."""

import contextlib
import errno
import ipaddress
import socket
import webbrowser
from collections.abc import Callable

from experiments.errors import ConfigError

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


def origins(host: str, port: int) -> list[str]:
    """The addresses of the page, from which alone a page may talk to the server.

    Any other site that the user's browser has open is refused.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        names: tuple[str, ...] = LOOPBACK if host == "localhost" else (host,)
    else:
        written = f"[{host}]" if address.version == 6 else host
        names = (written,)
        if address.is_loopback:
            names = ("localhost", written)
        elif address.is_unspecified:  # all networks of this machine
            own = socket.gethostname()
            names = (*LOOPBACK, own)
            with contextlib.suppress(OSError):
                names += tuple(socket.gethostbyname_ex(own)[2])
    return [f"{name}:{port}" for name in dict.fromkeys(names)]


def serve(host: str, port: int, browser: bool, ready: Callable[[str], None]) -> None:
    """Serves until it is interrupted; `ready` is told the address of the page.

    Raises:
      ConfigError: host or port cannot be listened at.
    """
    if not 1 <= port <= 65535:
        raise ConfigError(f"port must lie between 1 and 65535, got {port}.")
    _check_free(host, port)  # before JAX and Panel are loaded
    import panel as pn
    from bokeh.settings import settings

    from experiments.explorer import page

    settings.resources = "server"  # all of it from here, nothing from the internet
    pn.extension()
    page.at("")  # compiles what a first view needs

    def show():
        location = pn.state.location
        explorer = page.at(location.search if location is not None else "")

        def prefer() -> None:
            browser = pn.state.browser_info
            if browser is not None and browser.dark_mode:
                explorer.page.dark_theme = True

        # Not before all is there: what comes later would turn the page back to light.
        pn.state.onload(prefer)
        return explorer.page

    server = pn.io.server.get_server(
        show,
        port=port,
        address=host,
        websocket_origin=origins(host, port),
        title=page.TITLE,
    )
    server.start()
    address = f"http://{origins(host, port)[0]}/"
    ready(address)
    if browser:
        webbrowser.open(address)
    try:
        server.io_loop.start()
    except KeyboardInterrupt:
        pass
    finally:
        server.stop()


def _check_free(host: str, port: int) -> None:
    try:
        # All of a name's addresses, as the server will listen at each.
        for family, _, _, _, place in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            socket.create_server(place[:2], family=family).close()
    except (OSError, UnicodeError) as error:
        number = getattr(error, "errno", None)
        said = f"host must be a name or an address of this machine, got {host!r}."
        if number == errno.EADDRINUSE:
            said = f"port {port} is in use, so another --port is needed."
        elif number == errno.EACCES:
            said = f"port {port} must be one that you may listen at, as 1024 or above."
        raise ConfigError(said) from error
