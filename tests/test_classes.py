"""Classes made here behave as those that the standard module makes, from the first object on."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from dataclasses import FrozenInstanceError, field, replace

import pytest

from bttrace.classes import dataclass


@dataclass(frozen=True, slots=True)
class Frozen:
    """Has every kind of field."""

    needed: int
    made: list[int] = field(default_factory=list)
    hidden: bytes = field(default=b"", repr=False)
    given: str = "given"

    def doubled(self) -> int:
        return self.needed * 2


@dataclass(slots=True)
class Open:
    """Can be changed."""

    first: int
    second: int = 2


@dataclass(slots=True, eq=False, repr=False)
class Plain:
    """Is compared by what it is."""

    first: int


@dataclass(frozen=True, slots=True)
class Asked:
    """Is looked at before one is made."""

    made: list[int] = field(default_factory=list)


def test_fields_have_their_defaults() -> None:
    one, other = Frozen(1), Frozen(1)
    assert (one.needed, one.made, one.hidden, one.given) == (1, [], b"", "given")
    assert one.made is not other.made
    assert Frozen(1, [2], b"3", given="4") == Frozen(needed=1, made=[2], hidden=b"3", given="4")
    assert one.doubled() == 2


def test_what_is_frozen_is_not_changed() -> None:
    one = Frozen(1)
    with pytest.raises(FrozenInstanceError):
        one.needed = 2  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        del one.needed
    opened = Open(1)
    opened.first = 5
    assert opened == Open(5)


def test_they_are_compared_by_their_fields() -> None:
    others: list[object] = [Frozen(2), 1, Asked()]
    assert Frozen(1) == Frozen(1)
    assert all(Frozen(1) != other for other in others)
    assert hash(Frozen(1, made=())) == hash(Frozen(1, made=()))  # type: ignore[arg-type] # a list has none
    assert Plain(1) != Plain(1)
    with pytest.raises(TypeError, match="unhashable"):
        hash(Open(1))


def test_they_show_their_fields() -> None:
    assert repr(Frozen(1)) == "Frozen(needed=1, made=[], given='given')"
    assert repr(Plain(1)).startswith("<")


def test_they_have_slots() -> None:
    assert not hasattr(Open(1), "__dict__")
    with pytest.raises(AttributeError):
        Open(1).third = 3  # type: ignore[attr-defined]


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(TypeError, match="needed"):
        Frozen()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="fourth"):
        Frozen(1, fourth=4)  # type: ignore[call-arg]


@pytest.mark.parametrize("one", [Frozen(1, [2]), Open(3, 4)], ids=type)
def test_they_are_copied(one: Frozen | Open) -> None:
    assert copy.copy(one) == one
    assert copy.deepcopy(one) == one
    assert pickle.loads(pickle.dumps(one)) == one  # noqa: S301 - of our own


def test_the_standard_module_knows_them() -> None:
    assert dataclasses.is_dataclass(Asked)
    assert [one.default_factory for one in dataclasses.fields(Asked)] == [list]
    assert Asked() == Asked([])
    assert replace(Frozen(1), needed=2) == Frozen(2)
    assert dataclasses.asdict(Open(1)) == {"first": 1, "second": 2}


def test_they_are_matched() -> None:
    match Frozen(1, [2]):
        case Frozen(needed, made):
            assert (needed, made) == (1, [2])
        case _:
            pytest.fail("it does not match")
