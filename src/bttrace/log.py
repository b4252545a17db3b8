"""The `bttrace` logger: what this project has to say, on stderr.

Owns the one handler. Imported only when there is something to say, because `logging`
costs a start-up 15 ms. Called by the one thread whose turn it is to speak.
"""

from __future__ import annotations

import logging

from .screens.known_secrets import known_secrets
from .screens.secret_shapes import replaced
from .speech import write

LEVELS = ("debug", "info", "warning", "error", "critical")
LOGGER = logging.getLogger("bttrace")


class _Stderr(logging.Handler):
    """Writes to whatever `sys.stderr` is at that moment, or nowhere when it is gone."""

    def emit(self, record: logging.LogRecord) -> None:
        write(f"bttrace: {record.getMessage()}\n")


def _connect() -> None:
    if not LOGGER.handlers:
        LOGGER.addHandler(_Stderr())
        LOGGER.propagate = False


def clean(message: str) -> str:
    """Gives a line without the secrets in it."""
    return replaced(message, known_secrets())


def say(level: str, message: str) -> None:
    """Logs one line at a level of `LEVELS`."""
    _connect()
    LOGGER.log(getattr(logging, level.upper()), "%s", message)


def choose_level(level: str) -> None:
    """Shows lines of this level and above; until then, and with `notset`, warnings and above."""
    _connect()
    LOGGER.setLevel(level.upper())
