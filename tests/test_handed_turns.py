"""What frameworks do with a turn: they hand it over, send results back in words, or end it with a tool.

The frameworks themselves are in `tests/frameworks`; here, the tracker's side of them.
"""

from __future__ import annotations

import pytest

from bttrace.evidence import Answer, Asked, Asking, Result, Return
from bttrace.testing import CountedIds
from bttrace.turns import Origin, Outcome, Run, Turns
from bttrace.turns.steps import Step

PROMPT = "add"
FIRST = Asked(offers=True, prompt=PROMPT, prompts=(PROMPT,), is_prompted=True)
RETOLD = Asked(offers=True, prompt="3", prompts=(PROMPT, "3"), is_prompted=True)
MERGED = Asked(offers=True, prompt="add\n3", prompts=("add\n3",), is_prompted=True)


class Loop:
    """A loop as the tracker hears of it, a second between what happens."""

    def __init__(self) -> None:
        self.turns = Turns(CountedIds())
        self.steps: dict[str, Step] = {}
        self._at = 0.0

    def asks(self, key: str, asked: Asked, *asks: str, within: object = None) -> None:
        """A call whose answer asks for `add` by these ids."""
        self._at += 1
        self.turns.begin(key, self._at, asked, Origin(within=within))
        answer = Answer(tuple(Asking(one, "add", {}) for one in asks), content=None if asks else "done")
        self.turns.end(key, self._at, Outcome(answer))
        self._hear()

    def runs(
        self,
        call_id: str,
        returns: Return = "by id",
        delegate: str | None = None,
        error: str | None = None,
    ) -> None:
        """An execution of `add`, from its begin to its end."""
        self._at += 1
        run = Run("tool", "add", {}, call_id, delegate=delegate, returns=returns)
        self.turns.start(call_id, self._at, run, Origin())
        self.turns.stop(call_id, self._at, "3", error)
        self._hear()

    def task(self, key: str) -> None:
        """An agent's run begins."""
        self.turns.start(key, self._at, Run("task", key, {}), Origin())
        self._hear()

    def ends(self, key: str, error: str | None = None) -> None:
        """An agent's run ends."""
        self._at += 1
        self.turns.stop(key, self._at, None, error)
        self._hear()

    def _hear(self) -> None:
        self.steps.update((step.place.span_id, step) for step in self.turns.changes())

    def path(self, name: str) -> list[str]:
        """The names from the root down to the one step of this name."""
        [step] = [one for one in self.steps.values() if one.name == name]
        names = [step.name]
        while step.place.parents:
            step = self.steps[step.place.parents[0]]
            names.insert(0, step.name)
        return names

    @property
    def opened(self) -> list[Step]:
        """The turns."""
        return [step for step in self.steps.values() if step.kind == "turn"]


def _results(*ids: str) -> Asked:
    return Asked(offers=True, brought=tuple(Result(one, "3") for one in ids), prompts=(PROMPT,))


def test_what_comes_after_a_handoff_stands_in_the_task_of_who_took_over() -> None:
    loop = Loop()
    loop.asks("1", FIRST, "a")
    loop.runs("a", delegate="billing")
    loop.asks("2", _results("a"), "b")
    loop.runs("b", delegate="refunds")
    loop.asks("3", _results("b"))
    handed = ["agent turn", "act (iteration 1)", "tool.call (add)", "task:billing"]
    [first, second] = [step for step in loop.steps.values() if step.kind == "tool"]
    assert first.ended is not None
    assert loop.path("reason (iteration 2)") == [*handed, "reason (iteration 2)"]
    assert loop.path("task:refunds") == [*handed, "act (iteration 2)", "tool.call (add)", "task:refunds"]
    assert loop.path("reason (iteration 3)")[-2:] == ["task:refunds", "reason (iteration 3)"]
    [turn] = loop.opened
    tasks = [step for step in loop.steps.values() if step.kind == "task"]
    assert second.place.parents != first.place.parents
    assert [(step.ended, step.output) for step in tasks] == [(turn.ended, "done")] * 2


def test_a_handoff_that_fails_hands_nothing_over() -> None:
    loop = Loop()
    loop.asks("1", FIRST, "a")
    loop.runs("a", delegate="billing", error="ValueError: no")
    loop.asks("2", _results("a"))
    assert loop.path("reason (iteration 2)") == ["agent turn", "reason (iteration 2)"]
    assert not [step for step in loop.steps.values() if step.kind == "task"]


@pytest.mark.parametrize("told", [RETOLD, MERGED], ids=["after the prompt", "in the prompt"])
def test_results_that_go_back_in_words_go_on_with_the_turn(told: Asked) -> None:
    loop = Loop()
    loop.task("agent")
    loop.asks("1", FIRST, "a", "b", within="agent")
    loop.runs("a", "in words")
    loop.runs("b", "in words", error="ValueError: no")
    loop.asks("2", told, within="agent")
    [turn] = loop.opened
    assert (turn.metadata["turn_status"], turn.metadata["iterations"]) == ("completed", 2)
    [act] = [step for step in loop.steps.values() if step.kind == "act"]
    assert act.output == {"completed": 2, "success_count": 1, "error_count": 1}


def test_a_request_in_words_that_may_be_of_another_turn_opens_its_own() -> None:
    loop = Loop()
    loop.asks("1", FIRST, "a", "b", within="agent")
    loop.runs("a", "in words")
    loop.asks("2", RETOLD, within="agent")  # b has not run
    loop.runs("b", "in words")
    loop.asks("3", RETOLD, within="another")  # elsewhere
    loop.asks("4", FIRST, within="agent")  # the same once more, from its start
    loop.asks("5", Asked(offers=True, prompts=("else", "3")), within="agent")
    assert len(loop.opened) == 5


def test_only_one_request_goes_on_with_each_round() -> None:
    loop = Loop()
    loop.asks("1", FIRST, "a", within="agent")
    loop.runs("a", "in words")
    loop.asks("2", RETOLD, within="agent")
    loop.asks("3", RETOLD, within="agent")
    assert [turn.metadata.get("iterations") for turn in loop.opened] == [2, 1]


def test_a_request_that_offers_no_tools_is_no_part_of_a_turn_in_words() -> None:
    loop = Loop()
    loop.asks("1", FIRST, "a", within="agent")
    loop.runs("a", "in words")
    loop.asks("2", Asked(prompts=(PROMPT, "3")), within="agent")
    assert not [step for step in loop.steps.values() if step.name == "reason (iteration 2)"]


@pytest.mark.parametrize(("error", "status"), [(None, "completed"), ("ValueError: no", "failed")])
def test_a_turn_in_words_is_over_when_the_run_around_it_is(error: str | None, status: str) -> None:
    loop = Loop()
    loop.task("agent")
    loop.asks("1", FIRST, "a", within="agent")
    loop.runs("a", "in words")
    loop.ends("agent", error)
    [turn] = loop.opened
    assert turn.ended is not None
    assert turn.metadata["turn_status"] == status


def test_a_tool_that_ends_the_run_gives_the_turn_its_answer() -> None:
    loop = Loop()
    loop.asks("1", FIRST, "a")
    loop.runs("a", "nowhere")
    [turn] = loop.opened
    assert (turn.output, turn.metadata["turn_status"]) == ("3", "completed")
    [act] = [step for step in loop.steps.values() if step.kind == "act"]
    assert act.output == {"completed": 1, "success_count": 1, "error_count": 0}


def test_one_that_fails_to_end_the_run_is_answered_as_any_other() -> None:
    loop = Loop()
    loop.asks("1", FIRST, "a")
    loop.runs("a", "nowhere", error="ModelRetry: again")
    loop.asks("2", _results("a"))
    [turn] = loop.opened
    assert (turn.output, turn.metadata["iterations"]) == ("done", 2)
