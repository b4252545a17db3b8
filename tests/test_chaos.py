"""The short form of the chaos: calls for some seconds while Braintrust flaps, and processes are killed and forked."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from pathlib import Path

from tests.chaos.storm import Outcome, Plan, storm
from tests.chaos.verdict import faults, numbers
from tests.loopback.rows import Row

SECONDS = 8.0


def _generation(outcome: Outcome) -> Row:
    """The row of a call that must be there, whichever else is."""
    ended = {
        key for life in outcome.lives if life.left == "exit" for kind, key in life.ended if kind == "llm"
    }
    asked = [row for row in outcome.rows if row["span_attributes"]["type"] == "llm"]
    return next(row for row in asked if any(f"[[{key}]]" in str(row["output"]) for key in ended))


def _loses(outcome: Outcome) -> str:
    outcome.rows.remove(_generation(outcome))
    return "is lost; it ended in process"


def _doubles(outcome: Outcome) -> str:
    row = _generation(outcome)
    outcome.rows.append({**row, "id": "other", "span_id": "other"})
    return "is there 2 times"


def _counts_wrong(outcome: Outcome) -> str:
    _generation(outcome)["metrics"]["completion_tokens"] = 0
    return "0 tokens instead of"


def _leaves_open(outcome: Outcome) -> str:
    del _generation(outcome)["metrics"]["end"]
    return "is not whole: it has no end"


def _mixes_up(outcome: Outcome) -> str:
    _generation(outcome)["output"] = "of another call"
    return "its output is of another call"


def _orphans(outcome: Outcome) -> str:
    _generation(outcome)["span_parents"] = ["nobody"]
    return "has parents that are not there: {'nobody'}"


def _goes_back(outcome: Outcome) -> str:
    outcome.events.append({"id": _generation(outcome)["id"], "metrics": {"start": 1.0}})
    return "came ended, and then open"


def _forgets(outcome: Outcome) -> str:
    outcome.spooled.append("left.jsonl")
    return "left.jsonl is left in the spool"


def _complains(outcome: Outcome) -> str:
    outcome.said.append("Traceback (most recent call last):")
    return "was said: Traceback"


WRONG: tuple[Callable[[Outcome], str], ...] = (
    *(_loses, _doubles, _counts_wrong, _leaves_open, _mixes_up, _orphans, _goes_back, _forgets, _complains),
)


def test_every_finished_span_arrives_once_whatever_goes_wrong(tmp_path: Path) -> None:
    plan = Plan(SECONDS, workers=2, seed=random.randrange(10_000))
    outcome = storm(plan, tmp_path)
    assert faults(outcome) == [], f"{plan}\n{numbers(outcome)}"
    assert sum(outcome.flaps.values()) > 2
    assert len(outcome.rows) > 50
    for does_wrong in WRONG:  # the verdict can tell
        worse = copy.deepcopy(outcome)
        expected = does_wrong(worse)
        assert any(expected in fault for fault in faults(worse)), does_wrong
