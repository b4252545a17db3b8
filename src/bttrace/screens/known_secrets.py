"""The very secrets that this process has: its key for Braintrust, and what its environment holds.

Owns which variables are secrets, told by their names, and every form in which a value of one
can stand in a text. Values are remembered, so that one that leaves the environment stays known.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from urllib.parse import quote

_NAMES = ("API_KEY", "APIKEY", "ACCESS_KEY", "TOKEN", "PASSWORD", "PASSWD", "PASSPHRASE")  # how they end
_MAYBE = "_KEY"  # or so, which may be anything's: only a long one with digits is a secret
_LEAST, _LONG = 12, 20  # characters; shorter values stand in ordinary text
_VARIED = 5  # characters; of fewer it is a placeholder
_PLACES = ("/", "./", "../", "~", "\\", "http://", "https://", "file:")
_EMPTY = ("<", "[", "{", "$", "%")
_AGAIN = 1.0  # seconds after which the environment is read again
_MOST = 1_000


class _Known:
    """Names by value, the longest first. A reader always has a whole one."""

    def __init__(self) -> None:
        self.names: Mapping[str, str] = {}
        self._variables = 0
        self._read_at = float("-inf")

    def add(self, name: str, value: str) -> None:
        if not _is_secret(value) or value in self.names or len(self.names) > _MOST:
            return
        forms = (value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1])
        found = {**self.names, **dict.fromkeys((*forms, quote(value, safe="", errors="replace")), name)}
        # One value may be a part of another.
        self.names = dict(sorted(found.items(), key=lambda item: -len(item[0])))

    def read(self) -> None:
        """Reads the environment, if it has changed or was not read for a while."""
        now, variables = time.monotonic(), len(os.environ)
        if variables == self._variables and now - self._read_at < _AGAIN:
            return
        self._variables, self._read_at = variables, now
        for name in list(os.environ):
            value = os.environ.get(name)
            if value is not None and _names_a_secret(name.upper(), value):
                self.add(name, value)


_KNOWN = _Known()


def remember(name: str, value: str | None) -> None:
    """Takes it that a value is a secret of this name, unless it is so short or plain that it can be none."""
    if value is not None:
        _KNOWN.add(name, value)


def known_secrets() -> Mapping[str, str]:
    """Gives the names of all values that are known, the longest first. Never raises."""
    _KNOWN.read()
    return _KNOWN.names


def _names_a_secret(name: str, value: str) -> bool:
    if name.endswith(_NAMES) or "SECRET" in name:
        return True
    return name.endswith(_MAYBE) and len(value) >= _LONG and any(map(str.isdigit, value))


def _is_secret(value: str) -> bool:
    return (
        len(value) >= _LEAST
        and len(set(value)) >= _VARIED
        and not value.isdigit()
        and not (value.isalpha() and len(value) <= _LONG)
        and not value.startswith((*_PLACES, *_EMPTY))
    )
