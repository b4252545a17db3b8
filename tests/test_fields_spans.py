"""Each row of the table of spans: type, names, input and output, as they come out of real calls and loops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from bttrace.model import Attachment
from tests.fields import Row, generation, step, told
from tests.openai_cases import CASES
from tests.stages import COMPACT, PNG, SYSTEM, USER

CHAT, MESSAGE = "llm.generation (gpt-4o-mini-2024-07-18)", "llm.generation (claude-haiku-4-5-20251001)"


@dataclass(frozen=True)
class Kind:
    """A row of the table: the story that shows it, what it is called, and what else its span says."""

    story: str
    name: str
    type: str
    input: Any
    output: Any


ASKED = [{"id": f"call_{name}", "name": name} for name in ("weather", "broken", "clock")]
SPANS = {
    "agent turn": Kind("turn", "agent turn", "task", "Will it rain?", "It is clear."),
    "agent turn, failed": Kind("failed turn", "agent turn", "task", "Will it rain?", {"status": "failed"}),
    "agent turn, cancelled": Kind("cancelled turn", "agent turn", "task", "hi", {"status": "cancelled"}),
    "agent turn, abandoned": Kind(
        "abandoned turn", "agent turn", "task", "Will it rain?", {"status": "abandoned"}
    ),
    "reason": Kind(
        "turn",
        "reason (iteration 1)",
        "task",
        None,
        {"has_tool_calls": True, "tool_call_count": 3, "text_preview": None},
    ),
    "reason, the last": Kind(
        "turn",
        "reason (iteration 2)",
        "task",
        None,
        {"has_tool_calls": False, "tool_call_count": 0, "text_preview": "It is clear."},
    ),
    "act": Kind(
        "turn",
        "act (iteration 1)",
        "task",
        ASKED,
        {"completed": 3, "success_count": 2, "error_count": 1},
    ),
    "tool": Kind("turn", "tool.call (weather)", "tool", {"city": "Oslo"}, {"sky": "clear in Oslo"}),
    "tool, inferred": Kind("turn", "tool.call (clock)", "tool", {"city": "Oslo"}, "12:00"),
    "workflow": Kind(
        "workflow", "workflow:handle", "task", {"client": "<openai.OpenAI>", "said": "Porto"}, "Go."
    ),
    "delegated task": Kind("delegation", "task:expert", "task", "What of Oslo?", "Rain, says the expert."),
    "task by name": Kind(
        "workflow", "task:research", "task", {"client": "<openai.OpenAI>", "topic": "Porto"}, "Sunny."
    ),
    "compaction": Kind(
        "compaction", "compaction", "task", COMPACT, {"tokens_before": 60_200, "tokens_after": 1000}
    ),
}


@pytest.mark.parametrize("span_names", ["turn", "braintrust"])
@pytest.mark.parametrize("kind", SPANS)
def test_a_step(kind: str, span_names: str) -> None:
    """Steps are called the same under both settings."""
    expected = SPANS[kind]
    found = step(expected.story, expected.name, span_names=span_names)
    assert found["span_attributes"] == {"name": expected.name, "type": expected.type}
    assert found.get("input") == expected.input
    assert found.get("output") == expected.output


def test_where_the_steps_of_a_turn_stand() -> None:
    rows = {row["span_id"]: row for row in told()["turn"]}
    above = {
        row["span_attributes"]["name"]: [
            rows[parent]["span_attributes"]["name"] for parent in row.get("span_parents", [])
        ]
        for row in rows.values()
    }
    assert above == {
        "agent turn": [],
        "reason (iteration 1)": ["agent turn"],
        "act (iteration 1)": ["agent turn"],
        "reason (iteration 2)": ["agent turn"],
        **{f"tool.call ({name})": ["act (iteration 1)"] for name in ("weather", "broken", "clock")},
        CHAT: ["reason (iteration 2)"],
    }
    assert len({row["root_span_id"] for row in rows.values()}) == 1


# Generations: what they are called under either setting.

GENERATIONS = {
    "chat": ("chat", CHAT, "Chat Completion"),
    "streamed chat": ("stream", CHAT, "Chat Completion"),
    "messages": ("message", MESSAGE, "anthropic.messages.create"),
    "streamed messages": ("streamed message", MESSAGE, "anthropic.messages.stream"),
    "responses": ("response", "llm.generation (gpt-5-mini-2025-08-07)", "openai.responses.create"),
    "failed, by the model asked": ("error", "llm.generation (gpt-4o-mini)", "Chat Completion"),
    "openrouter": ("openrouter", CHAT, "Chat Completion"),
    **{repr(case): (repr(case), case.name, case.named) for case in CASES},
}


@pytest.mark.parametrize("span_names", ["turn", "braintrust"])
@pytest.mark.parametrize("call", GENERATIONS)
def test_the_name_of_a_generation(call: str, span_names: str) -> None:
    story, name, named = GENERATIONS[call]
    expected = name if span_names == "turn" else named
    *_, row = (
        row for row in told(span_names=span_names)[story] if row["span_attributes"]["name"] == expected
    )
    # Counting tokens makes none: that is no generation, and must not be summed as one.
    assert row["span_attributes"]["type"] == ("task" if "input_tokens" in call else "llm")


def test_the_names_that_braintrust_has_for_the_rows_of_the_table() -> None:
    named = {case.named for case in CASES}
    assert named > {
        "Embedding",
        "Moderation",
        "Image Generation",
        "Speech",
        "Transcription",
        "Translation",
        "Completion",
    }


# Input and output of generations.


def _choices(row: Row) -> Any:
    return [
        (choice["index"], choice["message"]["content"], choice["finish_reason"]) for choice in row["output"]
    ]


def test_openai_chat() -> None:
    for story in ("chat", "stream", "openrouter"):
        row = generation(story)
        assert row["input"] == [SYSTEM, USER]
        assert _choices(row) == [(0, "Hello from loopback.", "stop")]


def test_responses_have_their_instructions_in_front() -> None:
    row = generation("response")
    assert row["input"] == [SYSTEM, USER]
    [item] = row["output"]
    assert (item["type"], item["content"][0]["text"]) == ("message", "Hello from loopback.")


def test_anthropic_has_its_system_prompt_behind() -> None:
    row = generation("message")
    assert row["input"] == [{"role": "user", "content": "hi"}, SYSTEM]
    said = [{"type": "text", "text": "Hello from loopback."}]
    for story in ("message", "streamed message"):
        assert generation(story)["output"] == {
            "role": "assistant",
            "content": said,
            "stop_reason": "end_turn",
        }


def test_embeddings_without_their_vectors() -> None:
    row = generation("embeddings-Embedding")
    assert row["input"] == ["a", "b"]
    assert row["output"] == {"embedding_length": 3, "count": 2}


def test_binary_data_is_an_attachment() -> None:
    [asked] = generation("picture")["input"]
    [part] = asked["content"]
    assert part["image_url"]["url"] == Attachment("image/png", PNG, "attachment.png")
    assert isinstance(generation("audio.speech-Speech")["output"], Attachment)
    assert isinstance(generation("audio.transcriptions-Transcription")["input"]["file"], Attachment)


def test_the_tool_s_arguments_are_the_raw_text_if_they_do_not_parse() -> None:
    row = step("turn of a mumbling model", "tool.call (weather)")
    assert row["input"] == '{"city": "Os'
    assert row["metadata"]["timing"] == "inferred"
