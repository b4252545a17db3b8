"""Traces as trees of text."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from bttrace.journal import printed, rows
from bttrace.model import Attachment
from bttrace.spans.tree import Ink, drawn, merged, traces
from tests.doors import LOCAL, hooked
from tests.loopback import replies
from tests.loopback.provider import ProviderServer


def test_a_tree_shows_the_first_attachments_and_how_many_more() -> None:
    held = [Attachment("image/png", bytes(size)) for size in (999, 1_500, 2_345_678, 4, 5)]
    [trace] = traces([{**_row("s", None, 1), "input": [{"a": held[:2]}], "output": held[2:]}])
    assert list(drawn(trace, Ink(colours=False))) == [
        "s  1.50 s  image/png 999 B  image/png 1.5 KB  image/png 2.35 MB  and 2 more attachments"
    ]


def _row(span: str, parent: str | None, start: float, **more: object) -> dict[str, object]:
    return {
        "span_id": span, "root_span_id": "r", "span_parents": [parent] if parent else None,
        "span_attributes": {"name": span}, "metrics": {"start": start, "end": start + 1.5}, **more,
    }  # fmt: skip


def test_a_tree_is_drawn_by_parents_and_starts() -> None:
    found = [
        _row("c", "b", 3),
        _row("a", None, 1),
        _row("d", "a", 4, error="E: bad\nmore"),
        _row("b", "a", 2),
    ]
    [trace] = traces(found)
    assert list(drawn(trace, Ink(colours=False))) == [
        "a  1.50 s",
        "├─ b  1.50 s",
        "│  └─ c  1.50 s",
        "└─ d  1.50 s",
        "      E: bad",
    ]


def test_a_tree_in_colours_shows_errors_in_red_and_no_foreign_escapes() -> None:
    [trace] = traces([_row("\x1b[2Jname", None, 1, error="\x1b[31mbad")])
    text = "\n".join(drawn(trace, Ink(colours=True)))
    assert "\x1b[31m\ufffd[31mbad\x1b[0m" in text
    assert "\x1b[2J" not in text


def test_a_span_without_its_parent_stands_as_a_root() -> None:
    [trace] = traces([_row("b", "gone", 2)])
    assert list(drawn(trace, Ink(colours=False))) == ["b  1.50 s"]


def test_a_tree_tells_only_the_counts_that_are_known() -> None:
    row: dict[str, object] = {
        "span_id": "a",
        "span_attributes": {"name": "n"},
        "metrics": {"start": 1, "end": 2, "prompt_tokens": 4},
    }
    [line] = printed([row], io.StringIO())
    assert line.split("  ")[2:] == ["4 in"]


def test_spans_that_are_each_others_parents_are_drawn_once() -> None:
    [trace] = traces([_row("a", "b", 1), _row("b", "a", 2)])
    assert list(drawn(trace, Ink(colours=False))) == ["a  1.50 s", "└─ b  1.50 s"]


def test_only_the_last_traces_are_printed_when_there_are_many() -> None:
    many = [{**_row("s", None, start), "root_span_id": str(start)} for start in range(30)]
    lines = list(printed(many, sys.stderr, most=20))
    assert lines[0] == "... 10 earlier traces are not shown"
    assert len(lines) == 21


def test_a_tree_shows_what_is_open_how_turns_and_tools_ended_and_what_a_turn_used() -> None:
    usage = {
        "prompt_tokens": 1200,
        "prompt_cached_tokens": 200,
        "completion_tokens": 30,
        "estimated_cost": 0.5,
    }
    turn = {"turn_status": "failed", "usage": usage}
    found = [
        _row("turn", None, 1, metadata=turn),
        _row("act", "turn", 2, metrics={"start": 2}),
        _row("fine", "act", 3, metadata={"status": "success", "timing": "observed"}),
        _row("raised", "act", 4, metadata={"status": "error", "timing": "observed"}, error="E: bad"),
        _row("told", "act", 5, metadata={"status": "error", "timing": "inferred"}),
        _row("left", "act", 6, metadata={"status": "abandoned", "timing": "observed"}),
    ]
    [trace] = traces(found)
    assert list(drawn(trace, Ink(colours=False))) == [
        "turn  1.50 s  1,200 (200 cached) in, 30 out  $0.5000  failed",
        "└─ act  still open",
        "   ├─ fine  1.50 s",
        "   ├─ raised  1.50 s",
        "   │     E: bad",
        "   ├─ told  1.50 s  error  inferred",
        "   └─ left  1.50 s  abandoned",
    ]


def test_of_rows_that_merge_the_last_counts_in_the_place_of_the_first() -> None:
    first = {**_row("a", "b", 1), "id": "i", "output": {"status": "failed"}}
    last = {**_row("a", None, 2), "id": "i", "_is_merge": True, "metadata": {}}
    [row, other] = merged([first, _row("other", None, 3), last])
    told = {name: value for name, value in last.items() if name != "_is_merge"}
    assert row == {**told, "span_parents": ["b"]}
    assert other == _row("other", None, 3)


LOOP = """
import openai
client = openai.OpenAI()
messages = [{"role": "user", "content": "weather?"}]
tools = [{"type": "function", "function": {"name": "search"}}]
for _ in range(2):
    said = client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=tools).choices[0].message
    messages.append(said)
    messages += [{"role": "tool", "tool_call_id": call.id, "content": "sunny"} for call in said.tool_calls or ()]
"""


def test_run_prints_the_tree_of_a_turn(provider: ProviderServer, tmp_path: Path) -> None:
    provider.reply(replies.chat(tool_calls=[("c1", "search", "{}")]), replies.chat("done"))
    done = hooked(LOOP, LOCAL, provider.env(), cwd=tmp_path)
    lines = [re.sub(r"[\d.]+ m?s", "T", line) for line in done.err.splitlines() if line]
    call = "llm.generation (gpt-4o-mini-2024-07-18)  T  11 (3 cached) in, 7 out"
    assert lines[:7] == [
        "agent turn  T  22 (6 cached) in, 14 out",
        "├─ reason (iteration 1)  T",
        f"│  └─ {call}",
        "├─ act (iteration 1)  T",
        "│  └─ tool.call (search)  T  inferred",
        "└─ reason (iteration 2)  T",
        f"   └─ {call}",
    ]
    [journal] = (tmp_path / ".bttrace").glob("*.jsonl")
    assert len(rows(journal)[0]) == 7
