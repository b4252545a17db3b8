"""What is asked of Anthropic beside messages: a count of tokens, and batches, from their beginning to their results."""

import asyncio
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bttrace
from bttrace.providers.anthropic.batches import NAMED, ResultsFold, named_requests
from tests.apis import ASKED, BEGUN, MESSAGES, line_here, only, traced
from tests.loopback.anthropic_batches import errored, expired, requests, succeeded
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import anthropic_error, batch, batch_results, token_count
from tests.loopback.reply import whole
from tests.recordings import TRAFFIC

TOOL = {"name": "weather", "description": "The weather.", "input_schema": {"type": "object"}}
TIMES = {"start": BEGUN, "end": BEGUN}
NONE_YET = {"processing": 0, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0}
COUNTS = sorted(TRAFFIC.glob("exchanges/anthropic-*count_tokens*.json"))
both = pytest.mark.parametrize("beta", [False, True], ids=["messages", "beta.messages"])


@pytest.fixture
def client(provider: ProviderServer) -> Iterator[anthropic.Anthropic]:
    with MESSAGES.client(provider) as client:
        yield client


def messages(client: Any, beta: bool) -> Any:
    return client.beta.messages if beta else client.messages


def ready(provider: ProviderServer, *results: Any) -> None:
    """Lets a batch have ended with these results."""
    path = "/v1/messages/batches/msgbatch_loopback"
    url = f"{provider.anthropic_url}{path}/results"
    provider.route(path, batch("ended", {"succeeded": len(results)}, results_url=url))
    provider.route(f"{path}/results", batch_results(*results))


class TestCountingTokens:
    @both
    def test_the_whole_span(self, beta: bool, provider: ProviderServer, client: Any) -> None:
        provider.route("/v1/messages/count_tokens", token_count(14))
        with traced() as (captured, _):
            line = line_here() + 1
            counted = messages(client, beta).count_tokens(
                model="m", messages=ASKED, system="Be brief.", tools=[TOOL]
            )
            row = only(captured)
        assert counted.input_tokens == 14
        function = {"name": "weather", "description": "The weather.", "parameters": {"type": "object"}}
        assert row == {
            "id": "row-1",
            "span_id": "0000000000000001",
            "root_span_id": "00000000000000000000000000000001",
            "span_attributes": {"name": "messages.count_tokens", "type": "task"},
            "created": "2023-11-14T22:13:21+00:00",
            "input": [*ASKED, {"role": "system", "content": "Be brief."}],
            "output": {"input_tokens": 14},
            "metadata": {
                "provider": "anthropic",
                "model": "m",
                "api": "messages.count_tokens",
                "tools": [{"type": "function", "function": function}],
                "request_id": "req_loopback_tokens",
            },
            "metrics": TIMES,
            "context": {
                "span_origin": {
                    "name": "bttrace",
                    "version": bttrace.__version__,
                    "instrumentation": {"name": "bttrace.anthropic"},
                },
                "caller_functionname": "test_the_whole_span",
                "caller_filename": __file__,
                "caller_lineno": line,
            },
        }

    def test_what_it_was_before_the_context_was_edited(self, provider: ProviderServer, client: Any) -> None:
        edited = {"original_input_tokens": 70}
        provider.route("/v1/messages/count_tokens", token_count(14, context_management=edited))
        with traced() as (captured, _):
            client.beta.messages.count_tokens(model="m", messages=ASKED)
            assert only(captured)["output"] == {"input_tokens": 14, "context_management": edited}

    def test_asynchronously(self, provider: ProviderServer) -> None:
        async def ask() -> None:
            async with MESSAGES.aclient(provider) as client:
                await client.messages.count_tokens(model="m", messages=ASKED)

        provider.route("/v1/messages/count_tokens", token_count(14))
        with traced() as (captured, _):
            asyncio.run(ask())
            assert only(captured)["output"] == {"input_tokens": 14}

    def test_a_refusal(self, provider: ProviderServer, client: Any) -> None:
        provider.route("/v1/messages/count_tokens", anthropic_error(400, "No.", "invalid_request_error"))
        with traced() as (captured, _):
            with pytest.raises(anthropic.BadRequestError):
                client.messages.count_tokens(model="m", messages=ASKED)
            row = only(captured)
        assert row["error"].startswith("BadRequestError: ")
        assert row["input"] == ASKED
        assert "output" not in row

    @pytest.mark.parametrize(
        "file",
        [file for file in COUNTS if "error" not in file.stem] or [None],
        ids=lambda file: getattr(file, "stem", "none"),
    )
    def test_recorded_ones(self, file: Path | None, provider: ProviderServer, client: Any) -> None:
        if file is None:
            pytest.skip(f"no recorded traffic in {TRAFFIC}")
        exchange = json.loads(file.read_text())
        answer = exchange["response"]["body"]
        answer = json.loads(answer) if isinstance(answer, str) else answer
        provider.route("/v1/messages/count_tokens", whole(answer, {}))
        with traced() as (captured, _):
            client.messages.count_tokens(model="m", messages=ASKED, extra_body=exchange["request"]["body"])
            row = only(captured)
        assert row["output"] == answer
        assert (
            row["input"][: len(exchange["request"]["body"]["messages"])]
            == exchange["request"]["body"]["messages"]
        )
        assert row["metrics"] == TIMES


class TestBatches:
    @both
    def test_the_beginning(self, beta: bool, provider: ProviderServer, client: Any) -> None:
        provider.route("/v1/messages/batches", batch(counts={"processing": 2}))
        asked = [*requests("a"), *requests("b", model="claude-opus-4-5")]
        with traced() as (captured, _):
            assert messages(client, beta).batches.create(requests=asked).id == "msgbatch_loopback"
            row = only(captured)
        assert row["span_attributes"] == {"name": "messages.batches.create", "type": "task"}
        assert row["input"] == [
            {"custom_id": "a", "model": "claude-haiku-4-5"},
            {"custom_id": "b", "model": "claude-opus-4-5"},
        ]
        assert row["output"] == {
            "id": "msgbatch_loopback",
            "processing_status": "in_progress",
            "request_counts": {**NONE_YET, "processing": 2},
        }
        assert row["metadata"] == {
            "provider": "anthropic",
            "api": "messages.batches.create",
            "request_id": "req_loopback_batches",
        }
        assert row["metrics"] == TIMES

    def test_a_generator_of_requests_is_the_sdks_to_read(self, provider: ProviderServer, client: Any) -> None:
        provider.route("/v1/messages/batches", batch(counts={"processing": 2}))
        with traced() as (captured, _):
            client.messages.batches.create(requests=(one for one in requests("a", "b")))
            row = only(captured)
        assert [sent["custom_id"] for sent in provider.requests[-1].json["requests"]] == ["a", "b"]
        assert [named["custom_id"] for named in row["input"]] == ["a", "b"]

    def test_a_large_one_names_the_first_and_counts_the_rest(self) -> None:
        named: Any = named_requests({"requests": [{"custom_id": str(i)} for i in range(NAMED + 7)]})
        assert named[NAMED - 1] == {"custom_id": str(NAMED - 1), "model": None}
        assert named[NAMED:] == [{"more": 7}]

    @both
    def test_only_the_end_of_the_waiting_is_told(
        self, beta: bool, provider: ProviderServer, client: Any
    ) -> None:
        counts = {"succeeded": 2}
        provider.route(
            "/v1/messages/batches/msgbatch_loopback", batch(), batch("canceling"), batch("ended", counts)
        )
        with traced() as (captured, _):
            for _ in range(5):
                messages(client, beta).batches.retrieve("msgbatch_loopback")
            row = only(captured)
        assert row["span_attributes"] == {"name": "messages.batches.retrieve", "type": "task"}
        assert row["input"] == {"message_batch_id": "msgbatch_loopback"}
        assert row["output"] == {
            "id": "msgbatch_loopback",
            "processing_status": "ended",
            "request_counts": {**NONE_YET, **counts},
        }

    def test_a_question_that_failed(self, provider: ProviderServer, client: Any) -> None:
        provider.route("/v1/messages/batches/none", anthropic_error(404, "No such batch", "not_found_error"))
        with traced() as (captured, _):
            with pytest.raises(anthropic.NotFoundError):
                client.messages.batches.retrieve("none")
            assert only(captured)["error"].startswith("NotFoundError: ")

    def test_listing_cancelling_and_deleting_are_no_spans(
        self, provider: ProviderServer, client: Any
    ) -> None:
        listed = {"data": [], "has_more": False, "first_id": None, "last_id": None}
        provider.route("/v1/messages/batches", whole(listed, {}))
        provider.route("/v1/messages/batches/a/cancel", batch("canceling"))
        provider.route("/v1/messages/batches/a", whole({"id": "a", "type": "message_batch_deleted"}, {}))
        with traced() as (captured, _):
            assert list(client.messages.batches.list()) == []
            client.messages.batches.cancel("a")
            client.messages.batches.delete("a")
            assert captured.rows == []


class TestResults:
    """The results of a batch; the lines of the answer are chunks of the fold."""

    @both
    def test_the_results(self, beta: bool, provider: ProviderServer, client: Any) -> None:
        ready(provider, succeeded("a"), errored("b"))
        with traced() as (captured, _):
            found = list(messages(client, beta).batches.results("msgbatch_loopback"))
            ended, read = captured.rows
        assert [one.custom_id for one in found] == ["a", "b"]
        assert ended["span_attributes"]["name"] == "messages.batches.retrieve"
        assert read["span_attributes"] == {"name": "messages.batches.results", "type": "task"}
        assert read["input"] == {"message_batch_id": "msgbatch_loopback"}
        assert read["output"] == {
            "counts": {"succeeded": 1, "errored": 1},
            "results": [{"custom_id": "a", "type": "succeeded"}, {"custom_id": "b", "type": "errored"}],
            "usage": {"input_tokens": 10, "output_tokens": 5},
        }
        assert read["metadata"]["stream_end"] == "exhausted"

    def test_asynchronously(self, provider: ProviderServer) -> None:
        async def ask() -> list[str]:
            async with MESSAGES.aclient(provider) as client:
                results = await client.messages.batches.results("msgbatch_loopback")
                return [one.custom_id async for one in results]

        ready(provider, succeeded("a"), expired("b"))
        with traced() as (captured, _):
            assert asyncio.run(ask()) == ["a", "b"]
            assert captured.rows[-1]["output"]["counts"] == {"succeeded": 1, "expired": 1}

    def test_left_early(self, provider: ProviderServer, client: Any) -> None:
        ready(provider, *(succeeded(name) for name in "abc"))
        with traced() as (captured, _):
            results = client.messages.batches.results("msgbatch_loopback")
            next(results), next(results)
            results.close()
            row = captured.rows[-1]
        assert row["output"]["counts"] == {"succeeded": 2}
        assert row["metadata"]["stream_end"] == "closed"

    def test_without_content(self, provider: ProviderServer, client: Any) -> None:
        ready(provider, succeeded("a"))
        with traced(capture_content=False) as (captured, _):
            list(client.messages.batches.results("msgbatch_loopback"))
            rows = captured.rows
        assert [row["metadata"]["api"] for row in rows] == [
            "messages.batches.retrieve",
            "messages.batches.results",
        ]
        assert not any("input" in row or "output" in row for row in rows)

    def test_of_every_kind(self) -> None:
        fold = ResultsFold()
        for one in (succeeded("a"), errored("b"), expired("c"), succeeded("d")):
            fold.add(one)
        assert fold.response() == {
            "counts": {"succeeded": 2, "errored": 1, "expired": 1},
            "results": [
                {"custom_id": "a", "type": "succeeded"},
                {"custom_id": "b", "type": "errored"},
                {"custom_id": "c", "type": "expired"},
                {"custom_id": "d", "type": "succeeded"},
            ],
            "usage": {"input_tokens": 20, "output_tokens": 10},
        }

    def test_the_sdks_own_objects_read_alike(self) -> None:
        from anthropic.types.messages import MessageBatchIndividualResponse as Line

        bare, fold = ResultsFold(), ResultsFold()
        for one in (succeeded("a"), errored("b")):
            bare.add(one)
            fold.add(Line.model_validate(one))
        assert fold.response() == bare.response()

    def test_of_none(self) -> None:
        assert ResultsFold().response() == {}

    def test_a_large_batch_is_counted_not_held(self) -> None:
        fold = ResultsFold()
        said = "x" * 1000
        tracemalloc.start()
        try:
            for index in range(20 * NAMED):
                fold.add(succeeded(str(index), said))
            held, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        found: Any = fold.response()
        assert found["counts"] == {"succeeded": 20 * NAMED}
        assert len(found["results"]) == NAMED
        assert held < 1000 * NAMED

    @given(
        st.lists(
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
                lambda inner: st.dictionaries(
                    st.sampled_from(["custom_id", "result", "type", "message", "usage", "input_tokens"]),
                    inner,
                ),
            )
        )
    )
    def test_what_is_no_result_counts_as_unknown(self, chunks: list[Any]) -> None:
        fold = ResultsFold()
        for chunk in chunks:
            fold.add(chunk)
        counts: Any = fold.response().get("counts", {})
        assert sum(counts.values()) == len(chunks)
        json.dumps(fold.response())
