"""Rows as bytes of JSON. PURE."""

from __future__ import annotations

import json

from .values import number, plain


def encoded(row: object) -> bytes:
    """Gives a value as one line of JSON, in ASCII.

    What JSON has no word for becomes text; not-a-number and the infinities become null,
    because Braintrust's API, like most, refuses them.
    """
    try:
        return json.dumps(row, allow_nan=False, default=plain, separators=(",", ":")).encode("ascii")
    except ValueError:
        return json.dumps(_finite(plain(row)), default=str, separators=(",", ":")).encode("ascii")


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return number(value) if isinstance(value, float) else value
