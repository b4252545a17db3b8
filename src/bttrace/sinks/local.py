"""The local sink: a journal of finished spans, for whoever has no account.

Owns the file: `<UTC time>-<pid>.jsonl`, one log row a line, in the journal folder. A line
is written whole and at once, so that a crash leaves at most the last one broken. Beside it,
in `attachments/`, are the files that rows refer to, each named by the digest of its bytes,
so that what many rows hold is kept once.
"""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

from ..contracts import Counts
from ..guard import say_once
from ..model import Attachment, Json, Span
from ..spans.content_types import extension
from ..spans.encode import described, line

_ATTACHMENTS = "attachments"


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

    def prepare(self) -> None:
        """Has nothing to do: a journal is made with the first span."""

    def write(self, span: Span, _parent: object | None) -> None:
        """Appends a span."""
        if self._file is None and not self._refused:
            self._open()
        if self._file is None:
            self._lost += 1
            return
        try:
            os.write(self._file, line(span.priced_row(), self._reference) + b"\n")
            self._kept += not span.merges
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

    def _reference(self, attachment: Attachment) -> Json:
        """Keeps an attachment; gives what stands for it in a row: what it is, and its file in the folder."""
        told = {**described(attachment), "type": "local_attachment"}
        digest = hashlib.sha256(attachment.data).hexdigest()
        path = self._folder / _ATTACHMENTS / f"{digest}.{extension(attachment.content_type)}"
        try:
            if not path.exists():
                _keep(path, attachment.data)
        except OSError as fault:
            say_once(
                f"attachment {path} can't be written ({fault.strerror}); the journal only says what it was."
            )
            return told
        return {**told, "path": path.relative_to(self._folder).as_posix()}

    def deliver(self) -> None:
        """Has nothing to do: every span is in the file already."""

    def flush(self, _deadline: float, *, is_last: bool) -> bool:  # noqa: ARG002 - as sinks are called
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


def _keep(path: Path, data: bytes) -> None:
    """Writes a file so that it is there whole or not at all, whatever other processes write."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    finally:
        os.close(descriptor)
    part.replace(path)
