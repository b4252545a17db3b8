"""What is remembered of turns stays bounded, in number and in memory, whatever never ends."""

from __future__ import annotations

import gc
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from bttrace.evidence import Answer, Asked, Asking, Result
from bttrace.surroundings.trace_keys import Trace
from bttrace.testing import CountedIds
from bttrace.turns import Origin, Outcome, Run, Turns
from bttrace.turns.steps import Step

MANY = 10_000


class Written:
    """Writes steps as a sink's side does, and keeps how each stands; none of their content."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.open: set[str] = set()
        self.statuses: Counter[object] = Counter()

    def take(self) -> None:
        for step in self.turns.changes():
            if step.ended is None:
                self.open.add(step.place.span_id)
                step.is_sent = True
            else:
                self.open.discard(step.place.span_id)
                self._count(step)
                step.sent()

    def _count(self, step: Step) -> None:
        if step.kind == "turn":
            self.statuses[step.metadata["turn_status"]] += 1


def asked(number: int, size: int = 10) -> Asked:
    prompt = f"{number} {'x' * size}"
    return Asked(offers=True, prompt=prompt, prompts=(prompt,), is_prompted=True)


def open_turn(turns: Turns, number: int, size: int = 10) -> None:
    """A turn that asks for a tool, of which nothing comes any more."""
    asks = (Asking(f"call-{number}", "search", {"q": f"{number} {'y' * size}"}),)
    turns.begin(number, float(number), asked(number, size), Origin())
    turns.end(number, number + 0.5, Outcome(Answer(asks, f"resp-{number}")))


def kept(grow: Callable[[int], None], first: int, more: int) -> tuple[int, int]:
    """Gives the number of objects that are there after `first` steps, and after `more` others."""
    found = []
    for numbers in (range(first), range(first, first + more)):
        for number in numbers:
            grow(number)
        gc.collect()
        found.append(len(gc.get_objects()))
    return found[0], found[1]


def held(grow: Callable[[int], None], first: int, more: int) -> tuple[int, int]:
    """Gives the bytes that are held after `first` steps, and after `more` others."""
    tracemalloc.start()
    try:
        for number in range(first):
            grow(number)
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        for number in range(first, first + more):
            grow(number)
        gc.collect()
        return before, tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


@pytest.fixture
def written() -> Iterator[Written]:
    written = Written(Turns(CountedIds()))
    yield written
    written.turns.abandon()
    written.take()
    assert not written.open, "something was left open"


def test_turns_that_never_end_are_given_up_oldest_first(written: Written) -> None:
    def grow(number: int) -> None:
        open_turn(written.turns, number)
        written.take()

    before, after = kept(grow, 2000, MANY - 2000)
    assert written.statuses == {"abandoned": MANY - 1000}
    assert after < before + 5000


def test_turns_that_hold_much_are_given_up_sooner(written: Written) -> None:
    def grow(number: int) -> None:
        open_turn(written.turns, number, 200_000)
        written.take()

    before, after = held(grow, 400, 600)
    assert after < before * 1.2
    assert after < 80 * 2**20


def test_a_turn_given_up_while_a_call_is_at_work_takes_its_end(written: Written) -> None:
    turns = written.turns
    turns.begin("slow", 0.0, asked(-1), Origin())
    for number in range(1, 1500):
        open_turn(turns, number)
    written.take()
    given_up = written.statuses["abandoned"]
    turns.end("slow", 2000.0, Outcome(Answer((Asking("late", "search", {}),), "resp-slow")))
    written.take()
    assert written.statuses["abandoned"] == given_up + 1
    follow = Asked(offers=True, brought=(Result("late", "?"),))
    assert not turns.knows(follow), "nothing leads to a turn that was given up"


def test_completed_turns_hold_no_content(written: Written) -> None:
    size = 50_000

    def grow(number: int) -> None:
        turns = written.turns
        at = float(number)
        turns.begin((number, 1), at, asked(number), Origin())
        asks = (Asking(f"call-{number}", "search", {"q": number}),)
        turns.end((number, 1), at + 0.1, Outcome(Answer(asks, f"a-{number}")))
        run = Run("tool", "search", {"q": number})
        turns.start(("run", number), at + 0.2, run, Origin())
        turns.stop(("run", number), at + 0.3, f"{number}" * size, None)
        result = Result(f"call-{number}", f"{number}" * size, echo=asks[0])
        brought = Asked(offers=True, brought=(result,), prompts=asked(number).prompts)
        turns.begin((number, 2), at + 0.4, brought, Origin())
        turns.end((number, 2), at + 0.5, Outcome(Answer((), f"b-{number}", None, f"{number}" * size)))
        written.take()

    _, after = held(grow, 10, 990)
    assert written.statuses == {"completed": 1000}
    assert after < 20 * 2**20


def test_executions_that_never_end_are_given_up(written: Written) -> None:
    def grow(number: int) -> None:
        written.turns.start(number, float(number), Run("tool", "search", {"q": number}), Origin())
        written.take()

    before, after = kept(grow, 13_000, 2000)
    assert len(written.open) == MANY
    assert after < before + 2000


def test_calls_that_never_end_are_given_up(written: Written) -> None:
    def grow(number: int) -> None:
        written.turns.begin(number, float(number), asked(number), Origin())
        written.take()

    before, after = kept(grow, 11_000, 2000)
    assert not written.turns.is_running(0)
    assert after < before + 5000


def test_one_turn_without_end_takes_time_in_proportion(written: Written) -> None:
    """Each iteration costs the same, however many there were."""
    turns = written.turns
    turns.begin(0, 0.0, asked(0), Origin())
    for number in range(5000):
        asks = (Asking(f"call-{number}", "search", {"q": number}),)
        turns.end(number, number + 0.5, Outcome(Answer(asks, f"resp-{number}")))
        brought = (Result(f"call-{number}", "found"),)
        follow = Asked(offers=True, brought=brought, continues=f"resp-{number}")
        turns.begin(number + 1, number + 1.0, follow, Origin())
        written.take()
    assert written.statuses == {}
    turns.end(5000, 5001.0, Outcome(Answer((), "last", "done", "done")))
    written.take()
    assert written.statuses == {"completed": 1}


def test_named_traces_that_never_end() -> None:
    """Their roots and spans end when they are forgotten, or at the latest when nothing more will be heard."""
    turns = Turns(CountedIds())
    written = Written(turns)
    for number in range(MANY):
        origin = Origin(trace=Trace(f"trace {number}", span_name="Step"))
        turns.begin(number, float(number), asked(number), origin)
        if number % 2:
            turns.end(number, float(number), Outcome(Answer(text="done")))
        written.take()
    assert len(turns.shared()) == 2000
    assert len(turns._traces._within) == 1000
    turns.abandon()
    written.take()
    assert written.open == set()
