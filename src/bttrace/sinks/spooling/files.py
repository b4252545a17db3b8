"""Attachments as files of the spool: how rows refer to one, in a line of JSON, then its bytes."""

from __future__ import annotations

import json
import os
from pathlib import Path

from ...model import Json
from ...spans.encode import encoded

ATTACHMENT = ".attachment"
PART = ".part"


def keep_attachment(folder: Path, reference: Json, data: bytes) -> Path:
    """Writes one, so that it is there whole or not at all; raises `OSError`."""
    path = folder / f"{reference['key']}{ATTACHMENT}"
    part = path.with_suffix(PART)
    try:
        with open(part, "wb", opener=_private) as file:
            file.write(encoded(reference) + b"\n")
            file.write(data)
        part.rename(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    return path


def kept_attachment(path: Path) -> tuple[Json, bytes]:
    """Reads one; raises `OSError` and, where it is damaged, `ValueError`."""
    line, _, data = path.read_bytes().partition(b"\n")
    reference = json.loads(line)
    if not isinstance(reference, dict) or not all(
        isinstance(reference.get(name), str) for name in ("key", "filename", "content_type")
    ):
        raise ValueError("it does not say what it is")
    return reference, data


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
