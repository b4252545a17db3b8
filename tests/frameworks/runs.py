"""An agent's run, bare and traced: what came of it, what it asked its provider, and the tree.

It owns the comparison and the outline of a tree. It must not know any framework.
"""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import json
import pickle
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import bttrace
from bttrace.registries.row import Carrier, Failure, Gate, Registry
from bttrace.testing import capture
from tests.loopback.provider import ProviderServer
from tests.loopback.reply import Reply
from tests.outcomes import outcome

TOKENS = 18
"""What every scripted answer of OpenAI counts."""


@dataclass(frozen=True)
class Traced:
    """A run that was traced: what it gave, or what it raised, and its spans."""

    gave: Any
    rows: list[dict[str, Any]]

    @property
    def outline(self) -> list[str]:
        """The tree, a line a span, indented; siblings by their start, tools by their call's id."""
        children: dict[str | None, list[dict[str, Any]]] = {}
        known = {row["span_id"] for row in self.rows}
        for row in self.rows:
            parent = next(iter(row.get("span_parents") or ()), None)
            assert parent is None or parent in known, row
            children.setdefault(parent, []).append(row)
        lines: list[str] = []
        _draw(lines, children, None, 0)
        assert len(lines) == len(self.rows)
        return lines

    def named(self, name: str) -> list[dict[str, Any]]:
        """The spans of a name."""
        return [row for row in self.rows if row["span_attributes"]["name"] == name]


def _draw(
    lines: list[str], children: dict[str | None, list[dict[str, Any]]], parent: str | None, depth: int
) -> None:
    for row in sorted(children.get(parent, ()), key=_order):
        lines.append("  " * depth + _line(row))
        _draw(lines, children, row["span_id"], depth + 1)


def _order(row: dict[str, Any]) -> tuple[Any, ...]:
    call_id = row["metadata"].get("tool_call_id")
    return (call_id is not None, call_id or "", row["metrics"]["start"])


def _line(row: dict[str, Any]) -> str:
    told, name = row["metadata"], row["span_attributes"]["name"]
    if row["span_attributes"]["type"] == "llm":
        return "llm"
    if "tool_name" not in told:
        return name if "turn_status" not in told else f"{name}: {told['turn_status']}"
    words = [name, told.get("tool_call_id"), told["timing"], told.get("status")]
    gave = row["error"].splitlines()[0] if row.get("error") else json.dumps(row.get("output"), default=repr)
    return f"{' '.join(map(str, words))}: {json.dumps(row.get('input'))} -> {gave}"


def traced(
    provider: ProviderServer, replies: Sequence[Reply], run: Callable[[], object], tokens: int = TOKENS
) -> Traced:
    """Runs an agent bare, then traced; what it gave and asked must be the same, and each answer counted once."""
    provider.reply(lambda _: replies[len(provider.requests) - 1])
    bare = outcome(run)
    asked = [request.body for request in provider.requests]
    assert len(asked) == len(replies), (bare, asked)
    provider.requests.clear()
    with capture() as captured:
        hooked = outcome(run)
        rows = captured.rows
    assert hooked == bare
    assert [request.body for request in provider.requests] == asked
    counts = [row["metrics"]["tokens"] for row in rows if "tokens" in row["metrics"]]
    assert counts == [tokens] * len(replies)
    assert all(row["span_attributes"]["type"] == "llm" for row in rows if "tokens" in row["metrics"])
    assert all(_is_within(row) for row in rows)
    return Traced(hooked, rows)


def _is_within(row: dict[str, Any]) -> bool:
    return "end" not in row["metrics"] or row["metrics"]["end"] >= row["metrics"]["start"]


def awaited(
    provider: ProviderServer, replies: Sequence[Reply], run: Callable[[], Coroutine[Any, Any, object]]
) -> Traced:
    """Does the same for an asynchronous run."""
    return traced(provider, replies, lambda: asyncio.run(run()))


def places(registry: Registry) -> list[tuple[Any, str]]:
    """Where the functions of a registry stand in this version of its package."""
    found = []
    rows: tuple[Gate | Failure | Carrier, ...] = (*registry.gates, *registry.failures, *registry.carriers)
    for row in rows:
        if importlib.util.find_spec(row.module) is None:
            continue
        owner: Any = importlib.import_module(row.module)
        if isinstance(row, Gate) and row.owner:
            owner = getattr(owner, row.owner)
        names = (row.name, *(row.older if isinstance(row, Gate) else ()))
        found += [(owner, name) for name in names if name in vars(owner)][:1]
    return found


def looks_alike(registry: Registry) -> None:
    """All functions of a registry are patched, look and pickle as they did, and are put back."""
    here = places(registry)
    bare = [vars(owner)[name] for owner, name in here]
    assert bare
    with capture():
        [seen] = [one for one in bttrace.status().tools if one.sdk == registry.distribution]
        assert seen.missing == ()
        for (owner, name), theirs in zip(here, bare, strict=True):
            ours = getattr(owner, name)
            assert vars(owner)[name] is not theirs
            assert inspect.signature(ours) == inspect.signature(theirs)
            assert inspect.iscoroutinefunction(ours) == inspect.iscoroutinefunction(theirs)
            assert (ours.__name__, ours.__qualname__) == (name, theirs.__qualname__)
            assert ours.__doc__ == theirs.__doc__
            assert pickle.dumps(ours)
    for (owner, name), theirs in zip(here, bare, strict=True):
        assert vars(owner)[name] is theirs
