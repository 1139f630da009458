"""`python -m bertwright`: the same as the command `bertwright`."""

import sys

from bertwright.cli import main

if __name__ == "__main__":
    sys.exit(main())
