"""JSON of what was parsed from JSON is made without a copy; it is that of the copy, or there is none."""

from __future__ import annotations

import json
from collections import OrderedDict
from enum import Enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bttrace.model import Attachment
from bttrace.screens.secret_shapes import suspected
from bttrace.spans.encode import Leaves, line, plain, plain_text
from tests.test_secret_shapes import PIECES

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["\ud800", "\x1b", "é"])
)
OTHERS = st.binary() | st.dates() | st.decimals() | st.complex_numbers()
NAMES = st.text() | st.integers() | st.none()
VALUES = st.recursive(
    SCALARS | OTHERS,
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(NAMES, inner),
    max_leaves=20,
)
TEXTS = st.recursive(
    PIECES.map("".join), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
)


class Colour(str, Enum):
    RED = "red"


class Loud(dict[str, object]):
    def items(self) -> Any:
        raise AssertionError("code of the application's was run")


def nested(levels: int) -> object:
    value: object = "deep"
    for level in range(levels):
        value = [value] if level % 2 else {"in": value}
    return value


def ring() -> object:
    value: list[object] = []
    value.append(value)
    return value


@given(VALUES)
def test_it_is_the_json_of_the_copy(value: object) -> None:
    text = plain_text(value)
    assert text is None or json.loads(text) == json.loads(line(plain(value)))


@given(st.recursive(st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text('aé\n"\\'), st.lists))
def test_what_was_parsed_has_one(value: object) -> None:
    assert plain_text(value) is not None


@pytest.mark.parametrize(
    "value",
    [
        Attachment("image/png", b"1"),
        {"a": Colour.RED},
        [Loud(a=1)],
        OrderedDict(a=1),
        [10**30],
        [-(2**63) - 1],
        float("nan"),
        b"bytes",
        {1, 2},
        {(1, 2): 3},
        "\ud800",
        ring(),
        nested(130),
        nested(2000),
        nested(100_000),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_the_copy_changes_has_none(value: object) -> None:
    assert plain_text(value) is None


def test_much_is_not_deep() -> None:
    value = {"messages": [{"content": [{"type": "text", "text": "hi"}]}] * 100, "deep": nested(120)}
    assert json.loads(plain_text(value) or "") == value


@given(TEXTS)
def test_what_is_suspected_of_texts_is_suspected_of_their_json(value: object) -> None:
    leaves = Leaves()
    plain(value, leaves)
    text = plain_text(value)
    assert text is not None
    if suspected("\n".join(leaves.texts)):
        assert suspected(text)


@pytest.mark.parametrize("levels", range(4))
def test_json_in_json_hides_no_password(levels: int) -> None:
    text = json.dumps({"password": "Tr0ub4dor-and-3-more"})
    for _ in range(levels):
        text = json.dumps({"arguments": text})
    assert suspected(text) == suspected(f"{json.dumps([text])}")
