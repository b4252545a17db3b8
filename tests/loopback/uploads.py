"""Signed addresses of a loopback Braintrust: attachments, and log payloads too large for one request."""

import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Attachment:
    """One attachment; `data` is None until it was put to its address, `status` until the client has reported it."""

    filename: str
    content_type: str
    data: bytes | None = None
    status: dict[str, object] | None = None


@dataclass(slots=True)
class Uploads:
    """Attachments and overflow payloads by key, and the addresses given out for them, each good for repeated puts."""

    attachments: dict[str, Attachment] = field(default_factory=dict)
    overflows: dict[str, bytes | None] = field(default_factory=dict)
    _tokens: dict[str, tuple[str, str]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def attachment_path(self, key: str, filename: str, content_type: str) -> str:
        """The path to put an attachment to."""
        with self._lock:
            self.attachments[key] = Attachment(filename, content_type)
            return self._path(key, content_type)

    def overflow_path(self, content_type: str) -> tuple[str, str]:
        """The key of a payload to come, and the path to put it to."""
        with self._lock:
            key = f"logs3/{uuid.uuid4()}"
            self.overflows[key] = None
            return key, self._path(key, content_type)

    def put(self, path: str, content_type: str | None, data: bytes) -> bool:
        """Keeps what was put; False if the path was not given out, or not for that content type."""
        with self._lock:
            key, expected = self._tokens.get(path, ("", ""))
            if content_type != expected:
                return False
            if key in self.overflows:
                self.overflows[key] = data
            else:
                self.attachments[key].data = data
            return True

    def _path(self, key: str, content_type: str) -> str:
        path = f"/signed/{uuid.uuid4()}"
        self._tokens[path] = (key, content_type)
        return path


def references(value: object) -> Iterator[dict[str, Any]]:
    """Every reference to an attachment that is in a row."""
    if isinstance(value, dict) and value.get("type") == "braintrust_attachment":
        yield value
    elif isinstance(value, (dict, list)):
        for held in value.values() if isinstance(value, dict) else value:
            yield from references(held)
