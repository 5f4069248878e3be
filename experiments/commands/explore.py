"""`explore`: the trajectory explorer as a page."""

from experiments.commands import options, session
from experiments.explorer import server


def run(options: options.Explore) -> int:
    """Serves until Ctrl-C."""
    console = session.console()

    def ready(address: str) -> None:
        console.print(f"The explorer is at {address} until Ctrl-C.", soft_wrap=True)

    server.serve(options.host, options.port, options.browser, ready)
    return 0
