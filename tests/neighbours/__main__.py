"""The command: `python -m tests.neighbours`. Works as the matrix does, in an environment that is kept beside its own."""

from __future__ import annotations

import sys

from tests.matrix.__main__ import main
from tests.neighbours.table import ROWS

if __name__ == "__main__":
    sys.exit(main(table=ROWS, prog="tests.neighbours"))
