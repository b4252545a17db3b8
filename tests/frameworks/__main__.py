"""The command: `python -m tests.frameworks`, every framework; `--quick`, one; `--only ROW ...`.

Works as the matrix does, in environments that are kept beside its own.
"""

from __future__ import annotations

import sys

from tests.frameworks.table import ROWS
from tests.matrix.__main__ import main

if __name__ == "__main__":
    sys.exit(main(table=ROWS, prog="tests.frameworks"))
