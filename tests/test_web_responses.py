"""Twenty streaming web responses at once: each request has exactly its own tree, whatever thread or task its parts run in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.keys import completion_tokens, key_in, marked
from tests.chaos.model import answer
from tests.doors import PYTHON, ROOT, RUN, environment, finished, journal_rows
from tests.loopback.provider import ProviderServer
from tests.nested import nested

COUNT = 20
WORKFLOWS = {"asynchronous": "respond", "threads": "answer"}


def below(rows: list[dict[str, Any]], root: dict[str, Any]) -> list[dict[str, Any]]:
    return [row for row in rows if row["root_span_id"] == root["root_span_id"]]


def keys(rows: list[dict[str, Any]], kind: str) -> list[str | None]:
    """What the spans of a type were about, in the order of their starts."""
    of = [row for row in rows if row["span_attributes"]["type"] == kind]
    return [key_in(json.dumps(row["input"])) for row in sorted(of, key=lambda row: row["metrics"]["start"])]


@pytest.mark.parametrize("mode", WORKFLOWS)
def test_each_request_has_its_own_tree(mode: str, provider: ProviderServer, tmp_path: Path) -> None:
    provider.reply(answer)
    code = f"from tests import web_app; web_app.main({mode!r}, {COUNT})"
    bare = finished([PYTHON, "-c", code], environment(provider.env()), ROOT)
    ours = {
        "BTTRACE_EXPORTER": "local",
        "BTTRACE_JOURNAL_DIR": str(tmp_path),
        "BTTRACE_WORKFLOWS": f"tests.web_app:{WORKFLOWS[mode]}",
    }
    hooked = finished([*RUN, "-c", code], environment({**provider.env(), **ours}), ROOT)

    assert (hooked.code, hooked.out) == (bare.code, bare.out)
    said = [f"You said {marked(f'r{number}.2')}." for number in range(COUNT)]
    assert [text[-len(expected) :] for text, expected in zip(hooked.json, said, strict=True)] == said
    rows = journal_rows(tmp_path)
    roots = [row for row in rows if not row.get("span_parents")]
    assert [row["span_attributes"]["name"] for row in roots] == [f"workflow:{WORKFLOWS[mode]}"] * COUNT
    generation, tool = "llm.generation (gpt-4o-mini-2024-07-18)", "tool.call (look_up)"
    turn: list[Any] = [
        "agent turn",
        ["reason (iteration 1)", generation],
        ["act (iteration 1)", tool],
        ["reason (iteration 2)", generation],
        ["act (iteration 2)", tool],
        ["reason (iteration 3)", generation],
    ]
    seen = set()
    for root in roots:
        tree = below(rows, root)
        assert nested(tree) == [[root["span_attributes"]["name"], turn, generation]]
        key = root["input"]["key"]
        seen.add(key)
        assert keys(tree, "llm") == [key, f"{key}.1", f"{key}.2", f"{key}-after"]
        assert keys(tree, "tool") == [f"{key}.1", f"{key}.2"]
        counted = {
            row["metrics"]["completion_tokens"] for row in tree if row["span_attributes"]["type"] == "llm"
        }
        assert counted == {completion_tokens(str(name)) for name in keys(tree, "llm")}
    assert len(seen) == COUNT
    assert len(rows) == COUNT * 13
