"""The way in where another tool's sitecustomize hides ours and does not import it.

OpenTelemetry's is such a one, and puts its folder first on the `PYTHONPATH` of children too
(opentelemetry-instrumentation 0.66b2, `auto_instrumentation/`); but it calls the entry points that
packages name for it, as ours does.
"""

from __future__ import annotations

import sys

from . import enable
from .path import folder


def start() -> None:
    """Starts bttrace if its folder is on the path, as it is where its own sitecustomize did not run."""
    if folder() in sys.path:
        enable()
