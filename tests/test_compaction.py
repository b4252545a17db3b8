"""Compactions of a context: a span within the generation in which the provider made one, or above a call that is one."""

from typing import Any

import anthropic
import openai
import pytest

from bttrace.testing import capture
from tests.apis import BEGUN, BETA, MESSAGES, RESPONSES, traced
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import content, content_stream, response
from tests.loopback.reply import whole
from tests.outlines import Row, named, outline
from tests.test_anthropic_blocks import said, used

SUMMARY: dict[str, Any] = {"type": "compaction", "content": "So far, so good.", "encrypted_content": None}
COMPACT = {"type": "compact_20260112", "trigger": {"type": "input_tokens", "value": 50_000}}
CLEAR = {"type": "clear_tool_uses_20250919", "trigger": {"type": "tool_uses", "value": 3}}
FORGET = {"type": "clear_thinking_20251015", "keep": "all"}
CLEARED = {"type": "clear_tool_uses_20250919", "cleared_tool_uses": 5, "cleared_input_tokens": 4000}
FORGOTTEN = {"type": "clear_thinking_20251015", "cleared_thinking_turns": 2, "cleared_input_tokens": 500}
GENERATION = "llm.generation (claude-haiku-4-5-20251001)"
OPENAI_GENERATION = "llm.generation (gpt-5-mini-2025-08-07)"
WEATHER = {"name": "weather", "input_schema": {"type": "object"}}
FUNCTION = {"type": "function", "name": "weather", "parameters": {"type": "object"}}
CALL = ("call_1", "weather", '{"city": "Oslo"}')
COMPACTION_ITEM: dict[str, Any] = {"id": "cmp_1", "type": "compaction", "encrypted_content": "c2VjcmV0"}
COMPACTED = whole(
    {
        "id": "resp_compacted",
        "object": "response.compaction",
        "created_at": 1767225600,
        "output": [COMPACTION_ITEM],
        "usage": {
            "input_tokens": 900,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 60,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 960,
        },
    },
    {},
)


def sampled(kind: str, tokens: int, answered: int) -> dict[str, Any]:
    """What one sampling in an answer used."""
    cached = {"cache_read_input_tokens": 100, "cache_creation_input_tokens": 10}
    return {"type": kind, "input_tokens": tokens, "output_tokens": answered, **cached}


def edited(*edits: Any) -> dict[str, Any]:
    return {"context_management": {"edits": list(edits)}}


def tokens(rows: list[Row]) -> list[float]:
    return [row["metrics"]["tokens"] for row in rows if "tokens" in row["metrics"]]


class TestAnthropic:
    def test_a_summary(self, provider: ProviderServer) -> None:
        used_by = [
            sampled("message", 60_000, 200),
            sampled("compaction", 60_000, 900),
            sampled("message", 1000, 7),
        ]
        provider.route("/v1/messages", content([SUMMARY, said()], usage={"iterations": used_by}))
        generation, row = self.rows(provider, **edited(COMPACT))
        assert outline([generation, row]) == [GENERATION, "  compaction"]
        assert row["span_attributes"] == {"name": "compaction", "type": "task"}
        assert row["input"] == COMPACT
        assert row["output"] == {"tokens_before": 60_310, "tokens_after": 1110}
        assert row["metrics"].keys() == {"start", "end"}
        assert generation["output"]["content"][0] == SUMMARY
        assert generation["metadata"]["usage_iterations"] == used_by

    def rows(self, provider: ProviderServer, **given: Any) -> list[Row]:
        with capture() as captured, BETA.client(provider) as client:
            client.beta.messages.create(**BETA.given, **given)
            return captured.rows

    def test_a_streamed_summary(self, provider: ProviderServer) -> None:
        provider.route("/v1/messages", content_stream([said("One moment."), SUMMARY, said()]))
        places: dict[str, int] = {}
        with traced() as (captured, clock), BETA.client(provider) as client:
            given = {**BETA.given, **edited(COMPACT), "tools": [WEATHER]}
            for position, event in enumerate(client.beta.messages.create(**given, stream=True)):
                if event.type in ("content_block_start", "content_block_stop") and event.index == 1:
                    places[event.type] = position
                clock.advance(1)
            rows = captured.rows
        assert outline(rows) == [
            "agent turn",
            "  reason (iteration 1)",
            f"    {GENERATION}",
            "      compaction",
        ]
        [row] = named(rows, "compaction")
        assert row["metrics"] == {
            "start": BEGUN + places["content_block_start"],
            "end": BEGUN + places["content_block_stop"],
        }
        assert "output" not in row  # nobody told what it came to

    def test_one_that_failed(self, provider: ProviderServer) -> None:
        provider.route("/v1/messages", content([{**SUMMARY, "content": None}, said()]))
        _, row = self.rows(provider, **edited(COMPACT))
        assert row["output"] == {"status": "failed"}

    @pytest.mark.parametrize("make", [content, content_stream])
    def test_what_was_cleared(self, make: Any, provider: ProviderServer) -> None:
        applied = {"context_management": {"applied_edits": [FORGOTTEN, CLEARED]}}
        provider.route("/v1/messages", make([said()], beside=applied))
        with capture() as captured, BETA.client(provider) as client:
            made = client.beta.messages.create(
                **BETA.given, **edited(FORGET, CLEAR), stream=make is content_stream
            )
            assert make is content or list(made)
            _, first, second = captured.rows
        after = 11 + 3 + 5  # of `MESSAGE_USAGE`
        assert first["input"] == FORGET
        assert first["output"] == {
            "tokens_before": after + 4500,
            "tokens_after": after + 4000,
            "cleared_input_tokens": 500,
            "cleared_thinking_turns": 2,
        }
        assert second["input"] == CLEAR
        assert second["output"] == {
            "tokens_before": after + 4000,
            "tokens_after": after,
            "cleared_input_tokens": 4000,
            "cleared_tool_uses": 5,
        }

    def test_the_size_is_not_told_from_a_sum(self, provider: ProviderServer) -> None:
        """Where tools ran inside, the usage sums up several samplings."""
        applied = {"context_management": {"applied_edits": [CLEARED]}}
        provider.route("/v1/messages", content([used("web_search", query="Oslo"), said()], beside=applied))
        [row] = named(self.rows(provider, **edited(CLEAR)), "compaction")
        assert row["output"] == {"cleared_input_tokens": 4000, "cleared_tool_uses": 5}

    def test_no_edit_was_needed(self, provider: ProviderServer) -> None:
        provider.route(
            "/v1/messages", content([said()], beside={"context_management": {"applied_edits": []}})
        )
        [generation] = self.rows(provider, **edited(CLEAR))
        assert generation["span_attributes"]["type"] == "llm"

    def test_without_content(self, provider: ProviderServer) -> None:
        applied = {"context_management": {"applied_edits": [CLEARED]}}
        provider.route("/v1/messages", content([SUMMARY, said()], beside=applied))
        with capture(capture_content=False) as captured, BETA.client(provider) as client:
            client.beta.messages.create(
                **BETA.given, **edited({**COMPACT, "instructions": "Leave out Oslo."})
            )
            cleared, summed = named(captured.rows, "compaction")
        assert "input" not in cleared
        assert "input" not in summed
        assert cleared["output"]["cleared_tool_uses"] == 5

    @pytest.mark.parametrize("history", ["all of it", "what came after"])
    def test_a_pause_after_it_is_within_the_turn(self, history: str, provider: ProviderServer) -> None:
        provider.route(
            "/v1/messages",
            content([SUMMARY], beside={"stop_reason": "compaction"}),
            content([said()]),
            content([said("You are welcome.")]),
        )
        given = {**BETA.given, **edited({**COMPACT, "pause_after_compaction": True}), "tools": [WEATHER]}
        question = given.pop("messages")
        with capture() as captured, BETA.client(provider) as client:
            paused = client.beta.messages.create(**given, messages=question)
            summed = {"role": "assistant", "content": paused.content}
            goes_on = [*question, summed] if history == "all of it" else [summed, *question]
            answer = client.beta.messages.create(**given, messages=goes_on)
            thanks = {"role": "user", "content": "Thanks."}
            asked_anew = [*goes_on, {"role": "assistant", "content": answer.content}, thanks]
            client.beta.messages.create(**given, messages=asked_anew)
            rows = captured.rows
        assert outline(rows) == [
            "agent turn",
            "  reason (iteration 1)",
            f"    {GENERATION}",
            "      compaction",
            f"    {GENERATION}",
            "agent turn",
            "  reason (iteration 1)",
            f"    {GENERATION}",
        ]
        assert [row["metadata"]["turn_status"] for row in named(rows, "agent turn")] == ["completed"] * 2

    def test_a_call_that_only_compacts(self, provider: ProviderServer) -> None:
        provider.route("/v1/messages", content([SUMMARY], beside={"stop_reason": "compaction"}))
        rows = self.rows(provider, compaction={"type": "summarize"}, tools=[WEATHER])
        assert outline(rows) == ["compaction", f"  {GENERATION}"]
        [row] = named(rows, "compaction")
        assert row["input"] == {"type": "summarize"}
        assert len(tokens(rows)) == 1

    def test_a_call_that_fails_to_compact(self, provider: ProviderServer) -> None:
        provider.route(
            "/v1/messages", whole({"type": "error", "error": {"type": "overloaded_error"}}, {}, 529)
        )
        with capture() as captured, BETA.client(provider) as client:
            with pytest.raises(anthropic.APIStatusError):
                client.beta.messages.create(**BETA.given, extra_body={"compaction": {"type": "summarize"}})
            rows = captured.rows
        assert outline(rows) == ["compaction", "  llm.generation (claude-haiku-4-5)"]
        assert "tokens_after" not in (rows[0].get("output") or {})
        assert rows[0]["metrics"]["end"] >= rows[0]["metrics"]["start"]


class TestOpenAI:
    def test_an_item_in_an_answer(self, provider: ProviderServer) -> None:
        provider.route("/v1/responses", response(hosted=[COMPACTION_ITEM]))
        setting = {"type": "compaction", "compact_threshold": 1000}
        with capture() as captured, RESPONSES.client(provider) as client:
            client.responses.create(**RESPONSES.given, context_management=[setting])
            rows = captured.rows
        assert outline(rows) == [OPENAI_GENERATION, "  compaction"]
        assert rows[1]["input"] == setting
        assert "output" not in rows[1]

    def test_one_that_the_input_asks_for(self, provider: ProviderServer) -> None:
        provider.route("/v1/responses", response(text="", hosted=[COMPACTION_ITEM]))
        trigger: Any = {"type": "compaction_trigger"}
        with capture() as captured, RESPONSES.client(provider) as client:
            client.responses.create(
                model="gpt-5-mini", input=[*RESPONSES.given["input"], trigger], tools=[FUNCTION]
            )
            rows = captured.rows
        assert outline(rows) == ["compaction", f"  {OPENAI_GENERATION}"]
        assert rows[0]["input"] == trigger

    def test_a_call_of_its_own(self, provider: ProviderServer) -> None:
        provider.route("/v1/responses/compact", COMPACTED)
        with capture() as captured, RESPONSES.client(provider) as client:
            client.responses.compact(model="gpt-5-mini", input="hi")
            rows = captured.rows
        compaction, generation = rows
        assert outline(rows) == ["compaction", "  llm.generation (gpt-5-mini)"]
        assert compaction["input"] == {"type": "responses.compact"}
        assert compaction["output"] == {"tokens_before": 900, "tokens_after": 60}
        assert compaction["metrics"].keys() == {"start", "end"}
        assert tokens(rows) == [960]
        assert generation["metrics"]["tokens"] == 960

    def test_amid_a_turn(self, provider: ProviderServer) -> None:
        """It stands in the turn whose calls it repeats, and the turn goes on after it."""
        provider.route("/v1/responses", response(tool_calls=[CALL]), response(id="resp_2"))
        provider.route("/v1/responses/compact", COMPACTED)
        call = {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": CALL[2]}
        result: Any = {"type": "function_call_output", "call_id": "call_1", "output": "4"}
        with capture() as captured, RESPONSES.client(provider) as client:
            client.responses.create(**RESPONSES.given, tools=[FUNCTION])
            client.responses.compact(model="gpt-5-mini", input=[*RESPONSES.given["input"], call])
            client.responses.create(
                model="gpt-5-mini", input=[COMPACTION_ITEM, call, result], tools=[FUNCTION]
            )
            rows = captured.rows
        assert outline(rows) == [
            "agent turn",
            "  reason (iteration 1)",
            f"    {OPENAI_GENERATION}",
            "  act (iteration 1)",
            "    tool.call (weather)",
            "  compaction",
            "    llm.generation (gpt-5-mini)",
            "  reason (iteration 2)",
            f"    {OPENAI_GENERATION}",
        ]
        assert named(rows, "agent turn")[0]["metadata"]["iterations"] == 2

    @pytest.mark.parametrize("by", ["previous_response_id", "items"])
    def test_between_turns(self, by: str, provider: ProviderServer) -> None:
        """What has ended takes nothing in any more: the compaction is told by the session."""
        provider.route("/v1/responses", response(), response(text="Yes.", id="resp_2"))
        provider.route("/v1/responses/compact", COMPACTED)
        answered = {"role": "assistant", "content": "Hello from loopback."}
        given: dict[str, Any] = (
            {"previous_response_id": "resp_loopback"}
            if by == "previous_response_id"
            else {"input": [*RESPONSES.given["input"], answered]}
        )
        with capture() as captured, RESPONSES.client(provider) as client:
            client.responses.create(**RESPONSES.given, tools=[FUNCTION])
            compacted = client.responses.compact(model="gpt-5-mini", **given)
            question: Any = {"role": "user", "content": "Still there?"}
            kept: Any = [item.model_dump(exclude_none=True) for item in compacted.output]
            client.responses.create(model="gpt-5-mini", input=[*kept, question], tools=[FUNCTION])
            rows = captured.rows
        first, second = named(rows, "agent turn")
        [compaction] = named(rows, "compaction")
        assert outline(rows)[3:5] == ["compaction", "  llm.generation (gpt-5-mini)"]
        assert compaction["metadata"]["session_id"] == first["metadata"]["session_id"]
        assert second["metadata"]["session_id"] == first["metadata"]["session_id"]
        assert second["root_span_id"] != first["root_span_id"]

    def test_one_that_fails(self, provider: ProviderServer) -> None:
        provider.route("/v1/responses/compact", whole({"error": {"message": "No."}}, {}, 400))
        with capture() as captured, RESPONSES.client(provider) as client:
            with pytest.raises(openai.BadRequestError):
                client.responses.compact(model="gpt-5-mini", input="hi")
            rows = captured.rows
        assert outline(rows) == ["compaction", "  llm.generation (gpt-5-mini)"]
        assert rows[0]["output"] == {"status": "failed"}


def test_thinking_stays_in_the_generations_output(provider: ProviderServer) -> None:
    thought: dict[str, Any] = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}
    provider.route("/v1/messages", content([thought, said()]))
    with capture() as captured, MESSAGES.client(provider) as client:
        client.messages.create(**MESSAGES.given, tools=[WEATHER])
        rows = captured.rows
    assert outline(rows) == ["agent turn", "  reason (iteration 1)", f"    {GENERATION}"]
    assert rows[2]["output"]["content"] == [thought, said()]
