"""`biobank` and `python -m biobank`."""

import sys

from biobank.cli import run


def main() -> None:
    """Run the command line and exit with its code."""
    sys.exit(run())


if __name__ == "__main__":
    main()
