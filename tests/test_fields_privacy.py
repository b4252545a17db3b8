"""Privacy: what each way of keeping things in leaves out of a span, and what it lets pass.

`BTTRACE_CAPTURE_CONTENT=false` is OpenRouter's privacy mode; a masking function is what Flue's page asks for.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.fields import Row, generation, step, told

QUIET = {"capture_content": False}


def without(story: str) -> Row:
    return generation(story, **QUIET)


LEFT_OUT: dict[str, Callable[[], Any]] = {
    "messages": lambda: [without(one).get("input") for one in ("chat", "stream", "response", "message")],
    "instructions and system prompts": lambda: [without(one).get("input") for one in ("response", "message")],
    "outputs": lambda: [without(one).get("output") for one in ("chat", "stream", "response", "message")],
    "the prompt of a turn": lambda: step("turn", "agent turn", **QUIET).get("input"),
    "the answer of a turn": lambda: step("turn", "agent turn", **QUIET).get("output"),
    "the preview of an answer": lambda: step("turn", "reason (iteration 2)", **QUIET)["output"].get(
        "text_preview"
    ),
    "tool arguments": lambda: step("turn", "tool.call (weather)", **QUIET).get("input"),
    "tool results": lambda: step("turn", "tool.call (weather)", **QUIET).get("output"),
    "arguments of a workflow": lambda: step("workflow", "workflow:handle", **QUIET).get("input"),
    "results of a workflow": lambda: step("workflow", "workflow:handle", **QUIET).get("output"),
    "the prompt of a delegated task": lambda: step("delegation", "task:expert", **QUIET).get("input"),
    "what a delegated task gave": lambda: step("delegation", "task:expert", **QUIET).get("output"),
    "texts that stop": lambda: without("chat")["metadata"].get("stop"),
    "the format of the answer": lambda: without("chat")["metadata"].get("response_format"),
    "the length of embeddings": lambda: without("embeddings-Embedding").get("output"),
    "attachments": lambda: without("picture").get("input"),
    "the application's frame": lambda: without("chat")["context"].get("caller_filename"),
}


@pytest.mark.parametrize("what", LEFT_OUT)
def test_what_is_left_out(what: str) -> None:
    found = LEFT_OUT[what]()
    assert not any(found) if isinstance(found, list) else found is None


WORDS = (
    "Be brief",
    "Will it rain",
    "Hello from loopback",
    "Oslo",
    "12:00",
    "It is clear",
    "says the expert",
    "Porto",
)


@pytest.mark.parametrize("word", WORDS)
def test_nothing_that_was_said_is_anywhere(word: str) -> None:
    assert word in json.dumps(told(), default=repr)
    assert word not in json.dumps(told(**QUIET), default=repr)


PASSES: dict[str, tuple[Callable[[], Any], Any]] = {
    "tokens": (lambda: without("chat")["metrics"]["tokens"], 140),
    "cost": (lambda: without("openrouter")["metrics"]["estimated_cost"], 0.0125),
    "timing": (lambda: without("stream")["metrics"]["time_to_first_token"], 2.0),
    "duration": (lambda: without("stream")["metrics"]["duration_ms"], 7000.0),
    "model": (lambda: without("chat")["metadata"]["model"], "gpt-4o-mini-2024-07-18"),
    "provider": (lambda: without("openrouter")["metadata"]["provider"], "openrouter"),
    "parameters": (lambda: without("chat")["metadata"]["temperature"], 0.5),
    "names of tools": (lambda: without("chat")["metadata"]["tools"], ["weather"]),
    "user_id": (lambda: without("chat")["metadata"]["user_id"], "u-1"),
    "session_id": (lambda: without("chat")["metadata"]["session_id"], "s-1"),
    "finish_reason": (lambda: without("chat")["metadata"]["finish_reason"], "stop"),
    "the type of an error": (lambda: without("error")["error"], "BadRequestError"),
    "how a turn ended": (lambda: step("failed turn", "agent turn", **QUIET)["output"], {"status": "failed"}),
    "what was asked for, by name": (
        lambda: [one["name"] for one in step("turn", "act", **QUIET)["input"]],
        ["weather", "broken", "clock"],
    ),
    "how many tools failed": (
        lambda: step("turn", "act", **QUIET)["output"],
        {"completed": 3, "success_count": 2, "error_count": 1},
    ),
    "whether a tool failed": (
        lambda: step("turn", "tool.call (broken)", **QUIET)["error"],
        "LookupError",
    ),
    "counts of a compaction": (
        lambda: step("compaction", "compaction", **QUIET)["output"],
        {"tokens_before": 60_200, "tokens_after": 1000},
    ),
}


@pytest.mark.parametrize("what", PASSES)
def test_what_passes(what: str) -> None:
    read, expected = PASSES[what]
    assert read() == expected


@pytest.mark.parametrize(
    "story", ["chat", "stream", "message", "turn", "workflow", "delegation", "compaction"]
)
def test_metrics_and_names_are_the_same_with_and_without(story: str) -> None:
    def kept(rows: list[Row]) -> list[str]:
        return sorted(json.dumps([row["span_attributes"], row["created"], row["metrics"]]) for row in rows)

    assert kept(told()[story]) == kept(told(**QUIET)[story])
    assert len({row["root_span_id"] for row in told(**QUIET)[story]}) == 1


# A mask, and secrets.

MASK = {"mask": "tests.stages:without_rain"}
MASKED: dict[str, Callable[[], Any]] = {
    "input": lambda: generation("chat", **MASK)["input"][1]["content"],
    "output": lambda: step("delegation", "task:expert", **MASK)["output"],
    "the input of a turn": lambda: step("turn", "agent turn", **MASK)["input"],
    "metadata": lambda: generation("message", **MASK)["metadata"]["user_id"],
    "error": lambda: (
        generation("failed turn", **MASK) and step("turn", "tool.call (broken)", **MASK)["error"]
    ),
}


@pytest.mark.parametrize("field", MASKED)
def test_a_field_that_a_mask_sees(field: str) -> None:
    assert "#" in MASKED[field]()


def test_no_metric_is_masked() -> None:
    assert generation("chat", **MASK)["metrics"] == generation("chat")["metrics"]


def test_a_secret_is_replaced_by_its_kind() -> None:
    text = json.dumps(told()["error"], default=repr)
    assert "[secret: openai key]" in text
    assert "A1b2A1b2" not in text
