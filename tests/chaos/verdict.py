"""Compares what processes say that they finished with what is at Braintrust: the faults, in words, and the numbers.

A span is due if it ended in a process that ended well, or more than `GRACE` before its process was killed, and as much longer as the
process had to wait for a processor meanwhile. What is not due may be there or not, but not twice.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from tests.chaos.keys import completion_tokens, key_in
from tests.chaos.ledger import Kind, Life
from tests.chaos.storm import Outcome
from tests.loopback.rows import Row

GRACE = 0.2
"""Seconds that a span may take to be safe from a kill."""
_MOST = 40  # faults that are told
_STEPS = ("reason (", "act (")
Named = tuple[Kind, str]


def faults(outcome: Outcome) -> list[str]:
    """Everything that is wrong, a line each; none if every finished span arrived once."""
    due, early = _due(outcome)
    found = [*outcome.faults, *early]
    rows: dict[Named, list[Row]] = defaultdict(list)
    for row in outcome.rows:
        name = _name(row)
        if name is not None:
            rows[name].append(row)
    found += [f"{_told(name)} is lost; it ended {due[name]}" for name in due if not rows.get(name)]
    found += [f"{_told(name)} is there {len(of)} times" for name, of in rows.items() if len(of) > 1]
    for name in due:
        found += [
            f"{_told(name)} is not whole: {lack}" for row in rows.get(name, ()) for lack in _lacks(name, row)
        ]
    found += _of_places(outcome.rows)
    found += _of_order(outcome.events)
    found += [f"row {clash} came more than once in one request" for clash in outcome.clashes]
    found += [f"{path} is left in the spool" for path in outcome.spooled]
    found += [f"was said: {line}" for line in outcome.said if not line.startswith("bttrace: ")]
    if len(found) > _MOST:
        found[_MOST:] = [f"and {len(found) - _MOST} more"]
    return found


def numbers(outcome: Outcome) -> str:
    """What happened, for people."""
    due, _ = _due(outcome)
    ends = Counter[str](life.left or "killed" for life in outcome.lives)
    deliveries = Counter(event["id"] for event in outcome.events)
    again = sum(count - 1 for count in deliveries.values())
    lines = (
        f"{len(outcome.lives)} processes: {_counted(ends)}; workers: {_counted(outcome.ends)}",
        f"{sum(len(life.ended) for life in outcome.lives)} spans ended, {len(due)} of them due",
        f"{_starvation(outcome):.0%} of the time processes waited for a processor",
        f"{len(outcome.rows)} rows, {again} events beyond the first of a row",
        f"flaps: {_counted(outcome.flaps)}",
        *(f"said {count} times: {line}" for line, count in Counter(outcome.said).most_common(12)),
    )
    return "\n".join(lines)


def _starvation(outcome: Outcome) -> float:
    beats = [life.beats for life in outcome.lives if life.beats]
    lasted = sum(of[-1][0] - of[0][0] for of in beats)
    return sum(of[-1][1] - of[0][1] for of in beats) / lasted if lasted else 0.0


def _due(outcome: Outcome) -> tuple[dict[Named, str], list[str]]:
    """What must be there, with what is known of when it ended; and processes that just stopped."""
    due: dict[Named, str] = {}
    stopped = []
    for life in outcome.lives:
        death = _death(life, outcome)
        if death is None and life.left != "exit":
            stopped.append(f"process {life.pid}, a child of {life.parent}, ended and nobody knows why")
            continue
        for name, ended in life.ended.items():
            if death is None:
                due[name] = f"in process {life.pid}, which ended well"
            elif ended + GRACE < death and ended + GRACE + life.waited(ended, death) < death:
                age = f"{ended - life.began:.1f} s after process {life.pid} had begun"
                due[name] = f"{age}, and {death - ended:.3f} s before it was killed"
    return due, stopped


def _death(life: Life, outcome: Outcome) -> float | None:
    """When a process was killed; None if it ended well."""
    if life.pid in outcome.killed:
        return outcome.killed[life.pid]
    return None if life.left in ("exit", None) else life.left_at


def _name(row: Row) -> Named | None:
    """What a row is of; None for the steps of a turn."""
    attributes = row["span_attributes"]
    key = key_in(json.dumps(row.get("input")))
    if key is None:
        return None
    if attributes["type"] == "task":
        return ("turn", key) if attributes["name"] == "agent turn" else None
    return attributes["type"], key


def _lacks(name: Named, row: Row) -> Iterator[str]:
    kind, key = name
    metrics: dict[str, Any] = row.get("metrics") or {}
    if "end" not in metrics:
        yield "it has no end"
    if row.get("error"):
        yield f"its error is {row['error']}"
    if kind == "llm":
        if metrics.get("completion_tokens") != completion_tokens(key):
            yield f"{metrics.get('completion_tokens')} tokens instead of {completion_tokens(key)}"
        if key not in json.dumps(row.get("output")):
            yield f"its output is {row.get('output')}"
    if kind == "turn" and (row.get("metadata") or {}).get("turn_status") in ("abandoned", "failed"):
        yield f"it is {row['metadata']['turn_status']}"


def _of_places(rows: list[Row]) -> Iterator[str]:
    """Tells of parents and roots that are not there, and of steps that are there twice."""
    spans = {row["span_id"] for row in rows}
    steps = Counter[tuple[str, str]]()
    for row in rows:
        what = f"{row['span_attributes']['name']} ({row['id']})"
        parents = row.get("span_parents") or []
        if (
            missing := {*parents, *([row["root_span_id"]] if not parents else [])}
            - spans
            - {row["root_span_id"]}
        ):
            yield f"{what} has parents that are not there: {missing}"
        if row["span_attributes"]["name"].startswith(_STEPS):
            steps[str(parents), row["span_attributes"]["name"]] += 1
    yield from (
        f"{name} is there {count} times below {above}" for (above, name), count in steps.items() if count > 1
    )
    yield from (
        f"span {span} has {count} rows"
        for span, count in Counter(row["span_id"] for row in rows).items()
        if count > 1
    )


def _of_order(events: list[Row]) -> Iterator[str]:
    """Tells of rows that came ended, and were left open: what a killed process left may come again, in order."""
    ended: set[str] = set()
    last: dict[str, bool] = {}
    for event in events:
        last[event["id"]] = has_ended = "end" in (event.get("metrics") or {})
        if has_ended:
            ended.add(event["id"])
    yield from (f"row {name} came ended, and then open" for name in ended if not last[name])


def _told(name: Named) -> str:
    return f"{name[0]} {name[1]}"


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common()) or "none"
