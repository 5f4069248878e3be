"""`explore`: the trajectory explorer as a page."""

import dataclasses

from experiments.commands.train import terminal


@dataclasses.dataclass(frozen=True, kw_only=True)
class Explore:
    """Opens the trajectory explorer: optimizers on surfaces, in the browser.

    Example: python -m experiments explore

    Attributes:
      port: where the page is served.
      host: who can see it: this machine alone, or another name or address of it to
        listen at, as 0.0.0.0 (or :: with IPv6) for everyone who reaches this machine.
      name: under which a proxy in front shows the page, as explorer.example; under any
        but this, the host and those of this machine the page is refused.
      browser: open the page.
    """

    port: int = 5006
    host: str = "127.0.0.1"
    name: str = ""
    browser: bool = True


def run(options: Explore) -> int:
    """Serves until Ctrl-C."""
    from experiments.explorer import server

    console = terminal()

    def ready(address: str) -> None:
        console.print(f"The explorer is at {address} until Ctrl-C.", soft_wrap=True)

    server.serve(options.host, options.port, options.browser, ready, options.name)
    return 0
