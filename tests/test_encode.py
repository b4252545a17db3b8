"""Anything can be encoded: never an exception, never a line of foreign code, never without bound."""

from __future__ import annotations

import dataclasses
import enum
import json
import threading
import time
from collections import OrderedDict, deque, namedtuple
from datetime import date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

import pydantic
import pydantic.v1 as pydantic_v1
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bttrace.model import Attachment
from bttrace.spans.encode import bounded, encoded, plain


def read(value: object) -> Any:
    """What a strict reader makes of an encoded value."""

    def refused(constant: str) -> object:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(encoded(value).decode("utf-8"), parse_constant=refused)


class Explodes:
    """Raises whatever is done with it."""

    def _raise(self, *_: Any) -> Any:
        raise SystemError("boom")

    __getattribute__ = __getattr__ = __repr__ = __str__ = __iter__ = __len__ = __bool__ = __hash__ = (
        __eq__
    ) = _raise
    __class__ = property(_raise)
    __dict__ = property(_raise)


class Bomb(dict):  # type: ignore[type-arg]
    def items(self) -> Any:
        raise SystemError("boom")

    __iter__ = keys = get = __len__ = items  # type: ignore[assignment]


class BombList(list):  # type: ignore[type-arg]
    def __iter__(self) -> Any:
        raise SystemError("boom")

    __len__ = __iter__


class BombText(str):
    __slots__ = ()

    def __str__(self) -> str:
        raise SystemError("boom")

    __repr__ = __len__ = __iter__ = __str__  # type: ignore[assignment]


class BombZone(tzinfo):
    def utcoffset(self, _: Any) -> Any:
        raise SystemError("boom")

    dst = tzname = utcoffset


@dataclasses.dataclass
class Point:
    x: int
    more: Any = None

    @property
    def computed(self) -> int:
        raise SystemError("boom")


@dataclasses.dataclass(slots=True, frozen=True)
class Slotted:
    x: int
    y: Any


class Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    name: str
    _private: str = "hidden"


class OldModel(pydantic_v1.BaseModel):
    name: str


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Client:
    def __init__(self) -> None:
        self.api_key = "sk-secret"


Pair = namedtuple("Pair", "left right")  # noqa: PYI024 - the old kind, too


def _circle() -> Any:
    inner: dict[str, Any] = {}
    inner["self"] = [inner]
    return inner


def _deep(depth: int) -> Any:
    value: Any = "end"
    for _ in range(depth):
        value = [value]
    return value


CASES: dict[str, tuple[Any, Any]] = {
    "not-a-number": ([float("nan"), float("inf"), -float("inf"), 1.5], [None, None, None, 1.5]),
    "a lone surrogate": ({"a\ud800": "b\udfffc \U0001f600"}, {"a\ufffd": "b\ufffdc \U0001f600"}),
    "bytes that are text": (b"caf\xc3\xa9", "café"),
    "bytes": ([b"\xff\x00", bytearray(b"\xfe\xfe\xfe"), memoryview(b"\xff")], ["<2 bytes>", "<3 bytes>", "<1 bytes>"]),
    "a set": ([{1}, frozenset({"a"}), deque([1, 2])], [[1], ["a"], [1, 2]]),
    "names that are not text": ({None: 1, True: 2, 3: 4, 1.5: 5, (1, "a"): 6, Colour.RED: 7}, {"null": 1, "true": 2, "3": 4, "1.5": 5, '[1, "a"]': 6, "red": 7}),
    "dataclasses": ([Point(1, Slotted(2, [3]))], [{"x": 1, "more": {"x": 2, "y": [3]}}]),
    "models": ([Model(name="new", extra=[1]), OldModel(name="old")], [{"name": "new", "extra": [1]}, {"name": "old"}]),  # type: ignore[call-arg]
    "enumerations": ([Colour.RED, Level.HIGH], ["red", 3]),
    "times": (
        [datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc), date(2026, 1, 2), timedelta(hours=1), datetime(2026, 1, 2, tzinfo=BombZone())],
        ["2026-01-02T03:04:05+00:00", "2026-01-02", "1:00:00", "2026-01-02T00:00:00"],
    ),
    "numbers": ([Decimal("1.10"), 2**70, True, 2**63, 1j], ["1.10", str(2**70), True, 2**63, "1j"]),
    "a gigantic number": ([10**5000 > 0, len(str(read(1 << 100_000)))], [True, 25_003]),
    "a long list of numbers": ([1.5] * 99 + [float("nan")], [1.5] * 99 + [None]),
    "ids and paths": ([UUID(int=1), PurePosixPath("/a/b")], ["00000000-0000-0000-0000-000000000001", "/a/b"]),
    "tuples": ([(1, 2), Pair(1, 2), OrderedDict(a=1)], [[1, 2], [1, 2], {"a": 1}]),
    "a circle": (_circle(), {"self": ["... <dict>"]}),
    "subclasses": ([Bomb(a=1), BombList([1]), BombText("x")], [{"a": 1}, [1], "x"]),
    "a lock": ([threading.Lock()], ["<_thread.lock>"]),
    "what explodes": ([Explodes()], [f"<{__name__}.Explodes>"]),
    "a client with its key": ([Client(), Client], [f"<{__name__}.Client>", "<type>"]),
    "a generator": ([(number for number in [1])], ["<generator>"]),
    "an attachment": (Attachment("image/png", b"1234", "a.png"), {"type": "attachment", "content_type": "image/png", "filename": "a.png", "bytes": 4}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_json_has_no_word_for(name: str) -> None:
    value, expected = CASES[name]
    assert read(value) == expected


def test_ten_thousand_levels_end_where_readers_give_up() -> None:
    assert read(_deep(100)) == _deep(100)
    found = read(_deep(10_000))
    depth = 0
    while isinstance(found, list):
        [found], depth = found, depth + 1
    assert (depth, found) == (128, "... <list>")


def test_what_is_shared_without_end_ends() -> None:
    shared: list[Any] = [1]
    for _ in range(60):
        shared = [shared] * 10
    began = time.thread_time()
    assert len(encoded(shared)) < 50_000_000
    assert time.thread_time() - began < 10


def test_a_generator_is_not_used_up() -> None:
    numbers = (number for number in [1])
    encoded({"numbers": numbers})
    assert next(numbers) == 1


def test_the_caller_says_what_stands_for_an_attachment() -> None:
    held = [Attachment("image/png", b"1"), {"a": Attachment("image/png", b"22")}]
    assert encoded(held, lambda attachment: len(attachment.data)) == b'[1,{"a":2}]'


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.binary() | st.decimals() | st.datetimes() | st.uuids()
    | st.text(st.characters(exclude_categories=())) | st.complex_numbers() | st.timedeltas()
    | st.sampled_from([Colour.RED, threading.Lock(), Explodes, Client(), 2**5000, Point(1)]),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.none() | st.integers() | st.text() | st.binary(), inner)
    | st.builds(Point, st.integers(), inner) | st.builds(Slotted, st.integers(), inner),
    max_leaves=30,
)  # fmt: skip


@given(ANYTHING)
def test_anything_becomes_one_line_of_strict_json(value: Any) -> None:
    assert b"\n" not in encoded(value)
    read(value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)  # fmt: skip


@given(JSON)
def test_what_is_json_already_stays_as_it_is(value: Any) -> None:
    assert read(value) == value


@given(
    st.dictionaries(st.sampled_from(["input", "output", "metadata", "error"]), ANYTHING),
    st.integers(300, 3000),
)
def test_a_row_is_cut_to_its_limit(fields: dict[str, Any], limit: int) -> None:
    row: Any = plain({"id": "row-1", "metrics": {"tokens": 3}, **fields})
    line = bounded(row, limit)
    assert len(line) <= limit
    told = json.loads(line)
    assert (told["id"], told["metrics"]) == ("row-1", {"tokens": 3})
    whole = encoded(row)
    if len(whole) <= limit:
        assert line == whole
    else:
        assert "bytes_cut" in told["metadata"]


def test_a_long_text_is_cut_and_says_how_much_is_missing() -> None:
    row: dict[str, Any] = {
        "id": "r",
        "input": [{"role": "user", "content": "x" * 20_000_000}],
        "metadata": {"model": "m"},
        "output": ["fine"],
    }
    line = bounded(row, 5 * 2**20)
    assert len(line) <= 5 * 2**20
    told = json.loads(line)
    kept = 5 * 2**20 // 4
    assert told["input"][0]["content"] == "x" * kept + f"... ({20_000_000 - kept:,} characters cut)"
    assert told["output"] == ["fine"]
    assert told["metadata"]["model"] == "m"
    assert 20_000_000 - kept - 100 < told["metadata"]["bytes_cut"] <= 20_000_000 - kept


def test_a_row_of_too_much_that_is_small_keeps_its_beginning() -> None:
    row: dict[str, Any] = {"id": "r", "input": [{"n": number} for number in range(100_000)]}
    told = json.loads(bounded(row, 100_000))
    assert told["input"][:2] == [{"n": 0}, {"n": 1}]
    assert told["input"][-1].endswith(" more")


def test_an_attachment_is_referred_to_once_however_often_a_row_is_cut() -> None:
    seen: list[Attachment] = []

    def reference(attachment: Attachment) -> str:
        seen.append(attachment)
        return "here"

    picture = Attachment("image/png", b"1")
    told = json.loads(bounded({"input": [picture, "x" * 10_000], "output": picture}, 1_000, reference))
    assert (told["input"][0], told["output"]) == ("here", "here")
    assert seen == [picture]
