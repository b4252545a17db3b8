"""Rows as nested names, so that a test can write a whole tree down."""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]
Tree = list[Any]


def nested(rows: list[Row]) -> Tree:
    """Gives each root as its name, or as `[name, *children]` when it has some, all by their start."""
    known = {row["span_id"] for row in rows}
    below: dict[str | None, list[Row]] = {}
    for row in sorted(rows, key=lambda row: row["metrics"]["start"]):
        parents = row.get("span_parents") or []
        assert all(parent in known for parent in parents), row
        below.setdefault(parents[0] if parents else None, []).append(row)

    def told(row: Row) -> Any:
        children = [told(child) for child in below.get(row["span_id"], [])]
        name = row["span_attributes"]["name"]
        return [name, *children] if children else name

    return [told(row) for row in below.get(None, [])]


def named(rows: list[Row], name: str) -> Row:
    """Gives the one row of a name."""
    [row] = [row for row in rows if row["span_attributes"]["name"] == name]
    return row
