"""Reading values that are not ours, wherever they stand. PURE.

A *path* names a place in JSON-like data, with dots: `usage.prompt_tokens_details.cached_tokens`.
Data are mappings (parsed JSON) or the SDKs' own model objects; both are read alike, so
that a stream's chunks need no conversion. What is absent, or of the wrong type, is `None`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache


def field(value: object, name: str) -> object:
    """Gives one field of a mapping or a model object; `None` when it has none of that name.

    A model's fields are read where pydantic (1.10 and 2.x, `main.py`) keeps them: `getattr` for
    one that is absent costs ten times as much, because its `__getattr__` raises.
    """
    if isinstance(value, dict):
        return value.get(name)
    own = getattr(value, "__dict__", None)
    if own is None:
        return None
    if name in own:
        found: object = own[name]
        return found
    extra = getattr(value, "__pydantic_extra__", None)
    return extra.get(name) if extra else None


def own(value: object) -> dict[str, object]:
    """Gives the fields that a mapping has or a model object declares, for a quick look."""
    found: object = getattr(value, "__dict__", value)
    return found if isinstance(found, dict) else {}


def at(value: object, path: str) -> object:
    """Gives what stands at a path."""
    for name in _steps(path):
        value = value.get(name) if type(value) is dict else field(value, name)  # nearly all are
        if value is None:
            return None
    return value


@cache
def _steps(path: str) -> tuple[str, ...]:
    """Gives a path's names; there are as many paths as the providers' rows have."""
    return tuple(path.split("."))


def members(value: object) -> dict[str, object]:
    """Gives the fields that were sent, by name, of a mapping or a model object.

    A pydantic model keeps what its class does not declare in `__pydantic_extra__`
    (pydantic 2.x, `main.py`), and fills what was not sent with defaults.
    """
    if isinstance(value, dict):
        return value
    own = getattr(value, "__dict__", None)
    if own is None:
        return {}
    sent = getattr(value, "__pydantic_fields_set__", None)
    found = own if sent is None else {name: own[name] for name in own if name in sent}
    extra = getattr(value, "__pydantic_extra__", None)
    return {**found, **extra} if extra else found


def items(value: object) -> Sequence[object]:
    """Gives the items of a list or tuple; nothing for anything else."""
    return value if isinstance(value, (list, tuple)) else ()


def position(value: object) -> int:
    """Gives an index that is one; the first, 0, for anything else."""
    return value if type(value) is int else 0


def text(value: object) -> str | None:
    """Gives a string that is one."""
    return value if isinstance(value, str) else None


def number(value: object) -> float | int | None:
    """Gives a finite number that is one; a bool is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if value == value and abs(value) != float("inf") else None  # noqa: PLR0124 - NaN


def objects(value: object) -> Iterator[dict[str, object]]:
    """Yields the JSON objects of a list, passing over whatever else it holds."""
    for item in items(value):
        if isinstance(item, dict):
            yield item


def json_object(value: object) -> dict[str, object]:
    """Gives a JSON object that is one; an empty one otherwise."""
    return value if isinstance(value, dict) else {}


def plain(value: object) -> object:
    """Gives JSON-like data for a value that may hold model objects, without mutating it."""
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")  # the form in which a provider sends it
    found = members(value)
    if not found:
        return str(value)
    declared = getattr(type(value), "model_fields", None) or {}
    return {getattr(declared.get(name), "alias", None) or name: plain(item) for name, item in found.items()}
