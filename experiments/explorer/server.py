"""Serves the explorer to this machine, or to whom it is told to."""

import errno
import gc
import ipaddress
import re
import socket
import urllib.parse
import webbrowser
from collections.abc import Callable

from experiments.errors import ConfigError

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
NUMBERS = (r"[0-9.]+", r"\[[0-9a-f:.]+\]")  # no site can have one point elsewhere
# How long what a page shows is kept when nobody looks any more, or never did, and how
# often that is seen to; in milliseconds.
KEPT, SEEN_TO = 15_000, 5_000


def url(host: str, port: int) -> str:
    """The address of the page where this host is listened at."""
    name = {"127.0.0.1": "localhost", "0.0.0.0": "localhost", "[::]": "[::1]"}
    written = _written(host)
    return f"http://{name.get(written, written)}:{port}/"


def known(host: str, name: str = "") -> str:
    """A pattern of what the server may be called by a browser, without the port.

    A site can let its own name point at this machine, and is then, to the browser, the
    site that the server belongs to.
    """
    own = {*LOOPBACK, _written(host), name.lower()} - {""}
    number = _number(host)
    everywhere = number is not None and number.is_unspecified
    if everywhere:
        own |= {socket.gethostname().lower(), socket.getfqdn().lower()}
    numbers = NUMBERS if everywhere or (number is None and host != "localhost") else ()
    return "|".join((*map(re.escape, sorted(own)), *numbers))


def serve(
    host: str, port: int, browser: bool, ready: Callable[[str], None], name: str = ""
) -> None:
    """Serves until it is interrupted; `ready` is told the address of the page.

    Args:
      host: where to listen.
      port: of that.
      browser: open the page.
      ready: is called once the page can be opened.
      name: by which a proxy, too, asks for the page.

    Raises:
      ConfigError: host or port cannot be listened at, or the name is none.
    """
    if not 1 <= port <= 65535:
        raise ConfigError(f"port must lie between 1 and 65535, got {port}.")
    if not re.fullmatch(r"[\w.-]*", name):
        raise ConfigError(f"name must be that of a host alone, got {name!r}.")
    _check_free(host, port)  # before JAX and Panel are loaded
    import panel as pn
    from bokeh.settings import settings
    from tornado.web import ErrorHandler

    from experiments.explorer import page

    settings.resources = "server"  # all of it from here, nothing from the internet
    pn.extension()
    page.at("")  # compiles what a first view needs

    def show():
        # Panel's own location knows no hosts of IPv6.
        explorer = page.at(urllib.parse.urlencode(pn.state.session_args, doseq=True))

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
        title=page.TITLE,
        location=False,
        unused_session_lifetime_milliseconds=KEPT,
        check_unused_sessions_milliseconds=SEEN_TO,
        # Finds, too, those that left before they were greeted.
        keep_alive_milliseconds=SEEN_TO,
    )
    # Tornado compares the origin of a page with the host, but not the host.
    server._tornado.add_handlers(
        f"(?!(?:{known(host, name)})$).*$",
        [(".*", ErrorHandler, {"status_code": 403})],
    )
    server.start()
    ready(url(host, port))
    if browser:
        webbrowser.open(url(host, port))
    try:
        server.io_loop.start()
    except KeyboardInterrupt:
        pass
    finally:
        # What the sessions have left is not sorted out once more before the end.
        gc.freeze()
        server.stop()


def _check_free(host: str, port: int) -> None:
    try:
        if not host:
            raise OSError
        # All of a name's addresses, as the server will listen at each.
        for family, _, _, _, place in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            try:
                socket.create_server(place[:2], family=family).close()
            except OSError as error:
                # What Tornado, too, does without where there is no IPv6.
                missing = error.errno == errno.EADDRNOTAVAIL and place[0] == "::1"
                if not (missing and host == "localhost"):
                    raise
    except (OSError, UnicodeError) as error:
        said = f"host must be a name or an address of this machine, got {host!r}."
        number = getattr(error, "errno", None)
        if number == errno.EADDRINUSE:
            said = f"port {port} is in use, so another --port is needed."
        elif number == errno.EACCES:
            said = f"port {port} must be one that you may listen at, as 1024 or above."
        raise ConfigError(said) from error


def _number(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _written(host: str) -> str:
    """The host as it stands in an address."""
    number = _number(host)
    if number is None:
        return host.lower()
    return f"[{number}]" if number.version == 6 else str(number)
