"""Traces as outlines: the names of spans, each indented under its parent, so that a test can write a whole tree down."""

from typing import Any

Row = dict[str, Any]


def outline(rows: list[Row]) -> list[str]:
    """Gives the names, with two spaces for each level; what stands side by side is in the order of its start."""
    below: dict[str | None, list[Row]] = {}
    known = {row["span_id"] for row in rows}
    for row in rows:
        [parent] = row.get("span_parents") or [None]
        assert parent is None or parent in known, row
        below.setdefault(parent, []).append(row)

    def lines(parent: str | None, depth: int) -> list[str]:
        found = []
        for row in sorted(below.get(parent, []), key=lambda row: row["metrics"]["start"]):
            found += ["  " * depth + row["span_attributes"]["name"], *lines(row["span_id"], depth + 1)]
        return found

    return lines(None, 0)


def named(rows: list[Row], name: str) -> list[Row]:
    """Gives the rows of this name, in the order of their start."""
    found = [row for row in rows if row["span_attributes"]["name"] == name]
    return sorted(found, key=lambda row: row["metrics"]["start"])
