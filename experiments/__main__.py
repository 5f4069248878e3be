"""The command line: `python -m experiments --help`."""

import sys

from experiments.commands.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
