"""The loopback servers, driven by the real braintrust and openai SDKs.

Anthropic's SDK, plain HTTP and faults on command are tested beside the servers, in tests/loopback.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.loopback.braintrust import BraintrustServer
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import (
    chat,
    chat_stream,
    embeddings,
    response,
    response_stream,
)

ROOT = Path(__file__).parents[1]
CALL = ("call_1", "weather", '{"city": "Oslo", "days": 3}')
MODEL = "gpt-4o-mini"
ASKED: list[Any] = [{"role": "user", "content": "hi"}]


def program(code: str, server: BraintrustServer, key: str | None = None) -> subprocess.CompletedProcess[str]:
    """A finished child process that ran the code with the server's variables."""
    env = {**os.environ, **server.env(key=key)}
    return subprocess.run(
        [sys.executable, "-c", code],
        env=env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def braintrust() -> Iterator[BraintrustServer]:
    with BraintrustServer() as server:
        yield server


@pytest.fixture
def oai(provider: ProviderServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=provider.openai_url, api_key="k", max_retries=0, timeout=10) as client:
        yield client


class TestBraintrustThroughItsSdk:
    def test_spans_arrive_merged_with_their_parents_and_attachments(
        self, braintrust: BraintrustServer
    ) -> None:
        code = """
import braintrust
logger = braintrust.init_logger(project="sdk")
with logger.start_span("outer", type="task", input={"a": 1}) as outer:
    logger.flush()
    outer.log(metadata={"x": 1}, tags=["t"])
    with outer.start_span("inner", type="llm") as inner:
        file = braintrust.Attachment(data=b"bytes", filename="f.bin", content_type="application/octet-stream")
        inner.log(input=file, output="o", metrics={"tokens": 3})
logger.flush()
"""
        child = program(code, braintrust)
        assert (child.returncode, child.stderr) == (0, "")
        outer, inner = braintrust.rows(project="sdk")
        assert (outer["span_attributes"]["name"], outer["input"], outer["tags"]) == ("outer", {"a": 1}, ["t"])
        assert outer["metadata"] == {"x": 1}
        assert set(outer["metrics"]) == {"start", "end"}
        assert inner["span_parents"] == [outer["span_id"]]
        assert inner["metrics"]["tokens"] == 3
        assert braintrust.deliveries[outer["id"]] >= 2
        attachment = braintrust.attachments[inner["input"]["key"]]
        assert (attachment.data, attachment.status) == (b"bytes", {"upload_status": "done"})

    def test_an_eval_runs_and_is_summarised(self, braintrust: BraintrustServer) -> None:
        code = """
import braintrust
def exact(input, output, expected): return float(output == expected)
result = braintrust.Eval(
    "evals", experiment_name="e", task=lambda x: x + 1, scores=[exact],
    data=[{"input": 1, "expected": 2}, {"input": 1, "expected": 3}],
)
assert result.summary.comparison.scores["exact"].score == 0.5, result
"""
        child = program(code, braintrust)
        assert child.returncode == 0, child.stderr
        rows = braintrust.rows(experiment="e")
        assert sorted(row["span_attributes"]["name"] for row in rows) == sorted(["eval", "task", "exact"] * 2)
        assert braintrust.rows(project="evals") == []
        assert {request.status for request in braintrust.requests} == {200}

    def test_a_payload_over_the_limit_goes_round_by_a_signed_address(self) -> None:
        code = 'import braintrust; l = braintrust.init_logger(project="big"); l.log(output="x" * 9000); l.flush()'
        with BraintrustServer(max_bytes=5000) as server:
            child = program(code, server)
            assert (child.returncode, child.stderr) == (0, "")
            (row,) = server.rows(project="big")
            assert len(row["output"]) == 9000
            assert "/logs3/overflow" in [request.route for request in server.requests]

    def test_a_wrong_key_is_turned_away(self, braintrust: BraintrustServer) -> None:
        child = program("import braintrust; braintrust.login()", braintrust, key="wrong")
        assert child.returncode == 1
        assert "401" in child.stderr
        assert [request.status for request in braintrust.requests] == [401]

    def test_the_organisation_is_chosen_by_name(self) -> None:
        code = """
import braintrust
for name in (None, "a", "b", "c"):
    braintrust.login(org_name=name, force_login=True)
    print(braintrust.org_id())
"""
        with BraintrustServer(orgs=("a", "b")) as server:
            child = program(code, server)
        first, same, other = child.stdout.split()
        assert first == same != other
        assert "Organization c not found" in child.stderr


class TestOpenAI:
    def test_chat(self, provider: ProviderServer, oai: Any) -> None:
        provider.reply(chat(text="yes", n=2), chat(tool_calls=[CALL]), chat(refusal="no", usage=None))
        plain, called, refused = (oai.chat.completions.create(model=MODEL, messages=ASKED) for _ in range(3))
        assert [choice.message.content for choice in plain.choices] == ["yes", "yes"]
        assert (plain.usage.total_tokens, plain.usage.prompt_tokens_details.cached_tokens) == (18, 3)
        assert called.choices[0].finish_reason == "tool_calls"
        assert called.choices[0].message.tool_calls[0].function.arguments == CALL[2]
        assert (refused.choices[0].message.refusal, refused.usage) == ("no", None)
        assert [request.route for request in provider.requests] == ["/v1/chat/completions"] * 3
        assert provider.requests[0].json["messages"] == ASKED
        assert provider.requests[0].header("authorization") == "Bearer k"

    def test_chat_streams(self, provider: ProviderServer, oai: Any) -> None:
        provider.reply(chat_stream(["a", "b"], usage=True, reasoning=["hm"]), chat_stream(["a"]))
        chunks = list(oai.chat.completions.create(model=MODEL, messages=ASKED, stream=True))
        deltas = [chunk.choices[0].delta for chunk in chunks[:-1]]
        assert (deltas[0].role, deltas[0].content) == ("assistant", "")
        assert deltas[1].reasoning_content == "hm"
        assert [delta.content for delta in deltas[2:]] == ["a", "b", None]
        assert chunks[-2].choices[0].finish_reason == "stop"
        assert (chunks[-1].choices, chunks[-1].usage.completion_tokens) == ([], 7)
        bare = list(oai.chat.completions.create(model=MODEL, messages=ASKED, stream=True))
        assert all("usage" not in chunk.model_fields_set for chunk in bare)

    def test_streamed_tool_calls_add_up_in_the_sdks_own_helper(
        self, provider: ProviderServer, oai: Any
    ) -> None:
        provider.reply(chat_stream(tool_calls=[CALL, ("call_2", "clock", "{}")], usage=True))
        with oai.chat.completions.stream(model=MODEL, messages=ASKED) as stream:
            final = stream.get_final_completion()
        calls = final.choices[0].message.tool_calls
        assert [(call.id, call.function.name, call.function.arguments) for call in calls] == [
            CALL,
            ("call_2", "clock", "{}"),
        ]
        assert final.usage.total_tokens == 18

    def test_the_async_client(self, provider: ProviderServer) -> None:
        provider.route("/v1/chat/completions", chat(text="whole"), chat_stream(["a", "b"]))

        async def conversation() -> tuple[Any, list[str | None]]:
            async with openai.AsyncOpenAI(base_url=provider.openai_url, api_key="k", timeout=10) as client:
                whole = await client.chat.completions.create(model=MODEL, messages=ASKED)
                stream = await client.chat.completions.create(model=MODEL, messages=ASKED, stream=True)
                return whole, [chunk.choices[0].delta.content async for chunk in stream]

        whole, said = asyncio.run(conversation())
        assert whole.choices[0].message.content == "whole"
        assert said == ["", "a", "b", None]

    def test_responses(self, provider: ProviderServer, oai: Any) -> None:
        provider.reply(response("yes", [CALL], reasoning="hm"), response(refusal="no"))
        made = oai.responses.create(model=MODEL, input="hi")
        assert [item.type for item in made.output] == ["reasoning", "message", "function_call"]
        assert (made.output_text, made.usage.output_tokens_details.reasoning_tokens) == ("yes", 2)
        assert oai.responses.create(model=MODEL, input="hi").output[0].content[0].refusal == "no"

    @pytest.mark.parametrize(
        ("given", "whole"),
        [
            ({"parts": ["ye", "s"]}, {"text": "yes"}),
            (
                {"tool_calls": [CALL, ("call_2", "clock", "{}")]},
                {"tool_calls": [CALL, ("call_2", "clock", "{}")]},
            ),
            (
                {"parts": ["a"], "tool_calls": [CALL], "reasoning": ["h", "m"]},
                {"text": "a", "tool_calls": [CALL], "reasoning": "hm"},
            ),
            ({"refusal": ["n", "o"]}, {"refusal": "no"}),
        ],
    )
    def test_streamed_responses_add_up_in_the_sdks_own_helper(
        self, provider: ProviderServer, oai: Any, given: dict[str, Any], whole: dict[str, Any]
    ) -> None:
        provider.reply(response_stream(**given), response(**whole))
        with oai.responses.stream(model=MODEL, input="hi") as stream:
            events = list(stream)
            final = stream.get_final_response()
        assert [event.type for event in events[:2]] == ["response.created", "response.in_progress"]
        assert [event.sequence_number for event in events] == list(range(len(events)))
        added = [event.item.model_dump() for event in events if event.type == "response.output_item.added"]
        assert not any(item.get(name) for item in added for name in ("summary", "content", "arguments"))
        plain = oai.responses.create(model=MODEL, input="hi")
        assert final.model_dump(exclude={"output"}) == plain.model_dump(exclude={"output"})
        for streamed, item in zip(final.output, plain.output, strict=True):
            assert item.model_dump().items() <= _unparsed(streamed.model_dump()).items()
        deltas = "".join(event.delta for event in events if event.type.endswith(".delta"))
        assert deltas == "".join(
            "".join(given.get(name, ())) for name in ("reasoning", "parts", "refusal")
        ) + "".join(arguments for _, _, arguments in given.get("tool_calls", ()))

    def test_embeddings(self, provider: ProviderServer, oai: Any) -> None:
        provider.reply(embeddings([[0.5, -1.0], [2.0, 0.25]]), embeddings([[0.5]], encoded=False))
        made = oai.embeddings.create(model="text-embedding-3-small", input=["a", "b"])
        assert [item.embedding for item in made.data] == [[0.5, -1.0], [2.0, 0.25]]
        plain = oai.embeddings.create(model="text-embedding-3-small", input="a", encoding_format="float")
        assert plain.data[0].embedding == [0.5]


def _unparsed(item: dict[str, Any]) -> dict[str, Any]:
    """The item without what the SDK's streaming helper adds to it."""
    parts = [{k: v for k, v in part.items() if k != "parsed"} for part in item.get("content") or ()]
    bare = {key: value for key, value in item.items() if key != "parsed_arguments"}
    return {**bare, "content": parts} if parts else bare
