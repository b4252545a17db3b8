"""The command: `python -m tests.quick`, the environments that `make test` makes: quick rows of the matrix and of the frameworks."""

from __future__ import annotations

import os
import sys

from tests.frameworks.table import ROWS as FRAMEWORKS
from tests.matrix.__main__ import main
from tests.matrix.table import ROWS

if __name__ == "__main__":
    # One more than there are processors, because each waits for the registry first.
    jobs = str(min((os.cpu_count() or 1) + 1, 4))
    sys.exit(main(["--quick", "--jobs", jobs], (*ROWS, *FRAMEWORKS), "tests.quick"))
