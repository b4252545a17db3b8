"""`python -m bttrace.path`: where the folder is that goes on `PYTHONPATH`."""

from __future__ import annotations

import os
import sys


def folder() -> str:
    """Gives the `sitecustomize` folder: inside the installed package, or in a source tree beside `src`."""
    package = os.path.dirname(os.path.abspath(__file__))
    installed = os.path.join(package, "sitecustomize")
    source = os.path.join(os.path.dirname(os.path.dirname(package)), "sitecustomize")
    return installed if os.path.isdir(installed) else source


def main() -> int:
    """Prints the folder."""
    sys.stdout.write(f"{folder()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
