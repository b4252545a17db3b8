"""The local sink: a journal of finished spans, for whoever has no account.

Owns the file: `<UTC time>-<pid>.jsonl`, one log row a line, in the journal folder. A line
is written whole and at once, so that a crash leaves at most the last one broken.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from ..contracts import Counts
from ..encode import encoded
from ..guard import say_once
from ..model import Span


class JournalSink:
    """Appends each span to this process's journal, which is made with the first."""

    name = "local"

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder).absolute()
        self._file: int | None = None
        self._refused = False
        self._kept = 0
        self._lost = 0
        self.path: Path | None = None

    def write(self, span: Span, _parent: object | None) -> None:
        """Appends a span."""
        if self._file is None and not self._refused:
            self._open()
        if self._file is None:
            self._lost += 1
            return
        try:
            os.write(self._file, encoded(span.row()) + b"\n")
            self._kept += 1
        except OSError as fault:
            self._lost += 1
            say_once(f"journal {self.path} can't be written ({fault.strerror}); spans are lost until it can.")

    def _open(self) -> None:
        name = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}.jsonl"
        path = self._folder / name
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            self.path = path
        except OSError as fault:
            self._refused = True
            say_once(
                f"journal {path} can't be written ({fault.strerror}); spans are lost. "
                "Set BTTRACE_JOURNAL_DIR to a folder that can."
            )

    def deliver(self) -> float | None:
        """Has nothing to do: every span is in the file already."""
        return None

    def flush(self, _deadline: float) -> bool:
        """Has nothing to do: every span is in the file already."""
        return self._lost == 0

    def counts(self) -> Counts:
        """Gives the spans that are in the file, and those that could not be."""
        return Counts(kept=self._kept, lost=self._lost)

    def after_fork(self) -> None:
        """Lets a child write a journal of its own."""
        self.close()
        self.path = None
        self._kept = self._lost = 0

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
