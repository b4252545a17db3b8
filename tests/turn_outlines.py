"""Reading the rows of turns: as an outline, by name, and whether they lie within each other."""

from __future__ import annotations

from typing import Any

from tests.loops import CALLS

Row = dict[str, Any]


def outline(rows: list[Row]) -> list[str]:
    """Gives the name of every row, beneath those of its parents, in the order of their start."""
    spans = {row["span_id"]: row for row in rows}

    def line(row: Row) -> str:
        parents = row.get("span_parents", ())
        name = str(row["span_attributes"]["name"])
        return " / ".join([*(line(spans[parent]) for parent in parents), name])

    order = {"task": 0, "llm": 1, "tool": 2}
    ranked = sorted(rows, key=lambda row: (row["metrics"]["start"], order[row["span_attributes"]["type"]]))
    return [line(row) for row in ranked]


def tree(model_name: str, *, rounds: int = 2) -> list[str]:
    """Gives the outline of a turn in which the model asked so often for its tools."""
    found = ["agent turn"]
    for number in range(1, rounds + 2):
        found.append(f"agent turn / reason (iteration {number})")
        found.append(f"agent turn / reason (iteration {number}) / llm.generation ({model_name})")
        if number <= rounds:
            act = f"agent turn / act (iteration {number})"
            found += [act, *(f"{act} / tool.call ({name})" for name, _, _ in CALLS)]
    return found


def of(rows: list[Row], name: str) -> list[Row]:
    return [row for row in rows if row["span_attributes"]["name"] == name]


def nested(rows: list[Row]) -> None:
    """Every span has ended, and lies within its parent's time, and in its trace."""
    spans = {row["span_id"]: row for row in rows}
    assert len(spans) == len(rows)
    for row in rows:
        assert row["metrics"]["start"] <= row["metrics"]["end"], row
        for parent in row.get("span_parents", ()):
            above = spans[parent]
            assert above["root_span_id"] == row["root_span_id"]
            assert above["metrics"]["start"] <= row["metrics"]["start"], (above, row)
            assert row["metrics"]["end"] <= above["metrics"]["end"], (above, row)
