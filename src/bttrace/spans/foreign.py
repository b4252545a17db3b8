"""Reading objects of other people's classes without running a line of their code. PURE.

A `__repr__` may raise, wait for a lock, ask a server or give a gigabyte, and an attribute
may be computed; so what is read is only what Python itself keeps: the type's name, the
values of plain types, and the fields of records.

*Record*: an instance of a dataclass, of an attrs class, or of a pydantic model (1.10 and
2.x), whose fields are its data. Any other object may hold anything, a client with its key
for one, so that only its type is told.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from pathlib import PosixPath, PurePosixPath, PureWindowsPath, WindowsPath
from types import GetSetDescriptorType, MappingProxyType, MemberDescriptorType
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

_Namespace = MappingProxyType[str, object]

_MRO = type.__dict__["__mro__"]
_NAMESPACE = type.__dict__["__dict__"]
_RECORDS = (
    "__dataclass_fields__",
    "__attrs_attrs__",
    "__pydantic_fields_set__",  # pydantic 2.x, main.py
    "__fields__",  # pydantic 1.10, main.py
)
_EXTRA = "__pydantic_extra__"
_ZONES = (type(None), timezone, ZoneInfo)  # those whose code is Python's own
_HUGE = 4096  # bits; Python refuses to write out more than 4,300 digits, and takes long before that


def type_name(value: object) -> str:
    """Gives the name of a value's type, with its module, in angle brackets."""
    return f"<{type.__repr__(type(value)).partition(' ')[2].strip(chr(39) + '>')}>"


def scalar(value: object) -> str | int | float | None:
    """Gives text for a value that is one thing, and a number for one that is one; else `None`."""
    kind = type(value)
    for base, read in _SCALARS:
        if issubclass(kind, base):
            return read(value)
    return str(value) if kind in _PYTHONS else None


def _whole(value: Any) -> int | str:
    number = int.__add__(value, 0)
    if -(2**63) <= number < 2**64:
        return number
    return str(number) if number.bit_length() <= _HUGE else hex(number)


def _bytes(value: Any) -> str:
    """Gives bytes as the text that they are, or else how many there are."""
    data = bytes.__getitem__(value, slice(None))
    try:
        return data.decode()
    except UnicodeDecodeError:
        return f"<{len(data):,} bytes>"


def _view(value: Any) -> str:
    try:
        return _bytes(value.tobytes())
    except ValueError:
        return "<released memory>"


def _moment(value: Any) -> str:
    zone = datetime.tzinfo.__get__(value)
    moment = datetime(*(part.__get__(value) for part in _MOMENT))  # noqa: DTZ001 - its zone follows
    return moment.replace(tzinfo=zone if type(zone) in _ZONES else None).isoformat()


def _hour(value: Any) -> str:
    zone = time.tzinfo.__get__(value)
    hour = time(*(part.__get__(value) for part in _HOUR))
    return hour.replace(tzinfo=zone if type(zone) in _ZONES else None).isoformat()


_HOUR: tuple[Any, ...] = (time.hour, time.minute, time.second, time.microsecond)
_DAY: tuple[Any, ...] = (datetime.year, datetime.month, datetime.day)
_MOMENT = (*_DAY, datetime.hour, datetime.minute, datetime.second, datetime.microsecond)
# The methods are those of Python's own type, so that a subclass has no say.
_SCALARS: tuple[tuple[type, Callable[[Any], str | int | float]], ...] = (
    (str, lambda value: str.__getitem__(value, slice(None))),
    (int, _whole),
    (float, lambda value: float.__add__(value, 0.0)),
    (bytes, _bytes),
    (bytearray, lambda value: _bytes(bytes(memoryview(value)))),
    (memoryview, _view),
    (datetime, _moment),
    (date, date.isoformat),
    (time, _hour),
    (timedelta, timedelta.__str__),
    (Decimal, Decimal.__str__),
    (complex, complex.__repr__),
)
_PYTHONS = frozenset(
    {UUID, PosixPath, PurePosixPath, PureWindowsPath, WindowsPath}
)  # written in Python, so that only the very type is known to be harmless


def fields(value: object) -> list[tuple[object, object]] | None:
    """Gives the items of a mapping or a record; `None` when it is neither."""
    kind = type(value)
    if issubclass(kind, dict):
        return list(dict.items(value))  # type: ignore[arg-type]
    namespaces = [_NAMESPACE.__get__(cls) for cls in _MRO.__get__(kind)]
    if not any(mark in namespace for namespace in namespaces for mark in _RECORDS):
        return None
    found: dict[object, object] = {}
    for namespace in reversed(namespaces):
        for name, member in namespace.items():
            if type(member) is MemberDescriptorType and not name.startswith("_"):
                _read(member, value, name, found)
    found.update(_own(value, namespaces))
    extra = _slot(value, _EXTRA, namespaces)
    if type(extra) is dict:
        found.update(extra)
    return list(found.items())


def elements(value: object) -> list[object] | None:
    """Gives the elements of a list, tuple, set or deque; `None` when it is none of them."""
    kind = type(value)
    for sequence in (list, tuple, set, frozenset, deque):
        if issubclass(kind, sequence):
            return list(sequence.__iter__(value))  # type: ignore[arg-type]
    return None


def member(value: object) -> object:
    """Gives the value of an enumeration's member; the same object for anything else."""
    if not issubclass(type(value), Enum):
        return value
    namespaces = [_NAMESPACE.__get__(cls) for cls in _MRO.__get__(type(value))]
    return _own(value, namespaces).get("_value_")


def _own(value: object, namespaces: list[_Namespace]) -> dict[object, object]:
    """Gives an instance's own attributes, where Python keeps them."""
    own = _slot(value, "__dict__", namespaces)
    return dict(own) if type(own) is dict else {}


def _slot(value: object, name: str, namespaces: list[_Namespace]) -> object:
    """Gives what stands in a slot; `None` when there is no such slot, or code in its place."""
    found: dict[object, object] = {}
    _read(next((namespace[name] for namespace in namespaces if name in namespace), None), value, name, found)
    return found.get(name)


def _read(descriptor: object, value: object, name: str, found: dict[object, object]) -> None:
    """Adds what stands in a slot, unless it is empty, or no slot."""
    if isinstance(descriptor, (GetSetDescriptorType, MemberDescriptorType)):
        try:
            found[name] = descriptor.__get__(value)
        except AttributeError:
            return
