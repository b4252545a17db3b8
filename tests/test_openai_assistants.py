"""The runs of OpenAI's assistants: each token once, whether a run is polled, streamed, or both."""

from typing import Any

import openai
import pytest

from tests.apis import BEGUN, SAID
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import run, run_stream
from tests.ways import Make, Row, row, rows

THREAD = "/v1/threads/thread_loopback/runs"
RUN = f"{THREAD}/run_loopback"
OUTPUTS = f"{RUN}/submit_tool_outputs"
OSLO = ("call_1", "weather", '{"city": "Oslo", "days": 3}')
ROME = ("call_2", "weather", '{"city": "Rome"}')
COUNTS = {
    "prompt_tokens": 30,
    "completion_tokens": 12,
    "tokens": 42,
    "prompt_cached_tokens": 8,
    "cache_read_tokens": 8,
    "completion_reasoning_tokens": 4,
}
TIMES = {"start": BEGUN, "end": BEGUN, "duration_ms": 0.0}
SPOKEN = [{"type": "text", "text": {"value": SAID, "annotations": []}}]
MESSAGE = {"role": "user", "content": "hi"}

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the SDK's: the API is old by now
each_kind = pytest.mark.parametrize("aio", [False, True], ids=["sync", "async"])


def created(**given: Any) -> Make:
    return lambda client: client.beta.threads.runs.create(
        "thread_loopback", assistant_id="asst_loopback", **given
    )


def submitted(**given: Any) -> Make:
    outputs = [{"tool_call_id": "call_1", "output": "cold"}, {"tool_call_id": "call_2", "output": "warm"}]
    return lambda client: client.beta.threads.runs.submit_tool_outputs(
        "run_loopback", thread_id="thread_loopback", tool_outputs=outputs, **given
    )


def retrieved(client: Any) -> Any:
    return client.beta.threads.runs.retrieve("run_loopback", thread_id="thread_loopback")


def calls(*given: tuple[str, str, str]) -> list[Row]:
    return [
        {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
        for call_id, name, arguments in given
    ]


def counts(found: Row) -> Row:
    return {name: count for name, count in found["metrics"].items() if "tokens" in name}


class TestPolled:
    @each_kind
    def test_a_run_with_tools(self, aio: bool, provider: ProviderServer) -> None:
        waiting = run("requires_action", [OSLO, ROME])
        provider.route(THREAD, run())
        provider.route(RUN, run("in_progress"), waiting, waiting, run("in_progress"), run("completed"))
        provider.route(OUTPUTS, run())
        polls: list[Make] = [retrieved] * 3
        found = rows(provider, created(instructions="Be brief."), *polls, submitted(), *polls, aio=aio)
        began, asked, answered, ended = found
        assert [row["metadata"]["api"] for row in found] == [
            "threads.runs",
            "threads.runs.retrieve",
            "threads.runs.submit_tool_outputs",
            "threads.runs.retrieve",
        ]
        assert {row["span_attributes"]["name"] for row in found} == {"llm.generation (gpt-4o-mini)"}
        assert began["input"] == {
            "thread_id": "thread_loopback",
            "assistant_id": "asst_loopback",
            "instructions": "Be brief.",
        }
        assert began["output"] == {"id": "run_loopback", "status": "queued"}
        assert asked["output"]["required_action"]["submit_tool_outputs"]["tool_calls"] == calls(OSLO, ROME)
        assert asked["metadata"]["finish_reason"] == "requires_action"
        assert answered["input"]["tool_outputs"][1] == {"tool_call_id": "call_2", "output": "warm"}
        assert ended["metadata"]["finish_reason"] == "completed"
        assert ended["metadata"]["response_id"] == "run_loopback"
        assert [counts(row) for row in found] == [{}, {}, {}, COUNTS]

    def test_tools_that_are_asked_for_again_are_news(self, provider: ProviderServer) -> None:
        provider.route(RUN, run("requires_action", [OSLO]), run("requires_action", [ROME]))
        found = rows(provider, retrieved, retrieved, retrieved)
        asked = [row["output"]["required_action"]["submit_tool_outputs"]["tool_calls"] for row in found]
        assert asked == [calls(OSLO), calls(ROME)]

    @pytest.mark.parametrize("status", ["failed", "cancelled", "expired", "incomplete"])
    def test_other_ends(self, status: str, provider: ProviderServer) -> None:
        provider.route(RUN, run(status, error="server_error" if status == "failed" else None))
        found = row(provider, retrieved)
        assert found["metadata"]["finish_reason"] == status
        assert found.get("error") == ("server_error: It failed." if status == "failed" else None)
        assert counts(found) == COUNTS

    def test_with_the_helper_that_polls(self, provider: ProviderServer) -> None:
        provider.route(THREAD, run())
        provider.route(RUN, run("in_progress"), run("completed"))

        def polled(client: Any) -> None:
            client.beta.threads.runs.create_and_poll(
                thread_id="thread_loopback", assistant_id="asst_loopback", poll_interval_ms=1
            )

        began, ended = rows(provider, polled)
        assert [counts(began), counts(ended)] == [{}, COUNTS]


class TestStreamed:
    @each_kind
    def test_a_run_that_says_something(self, aio: bool, provider: ProviderServer) -> None:
        provider.route(THREAD, run_stream())
        provider.route(RUN, run("completed"))
        (found,) = rows(provider, created(stream=True), retrieved, aio=aio)
        output = found["output"]
        assert (output["id"], output["status"]) == ("run_loopback", "completed")
        (message,) = output["messages"]
        assert (message["role"], message["content"]) == ("assistant", SPOKEN)
        assert found["metrics"] == {**TIMES, "time_to_first_token": 0.0, **COUNTS}
        assert found["metadata"] == {
            "provider": "openai",
            "model": "gpt-4o-mini",
            "api": "threads.runs",
            "stream": True,
            "response_id": "run_loopback",
            "finish_reason": "completed",
            "request_id": "req_loopback_runs",
            "stream_end": "exhausted",
        }

    def test_it_says_what_the_run_says_unstreamed(self, provider: ProviderServer) -> None:
        provider.route(THREAD, run("completed"), run_stream())
        whole = row(provider, created())
        found = row(provider, created(stream=True))
        assert {**found["output"], "messages": None} == {**whole["output"], "messages": None}
        assert counts(found) == counts(whole) == COUNTS

    @each_kind
    def test_a_run_with_tools(self, aio: bool, provider: ProviderServer) -> None:
        provider.route(THREAD, run_stream(tool_calls=[OSLO, ROME]))
        provider.route(OUTPUTS, run_stream())
        provider.route(RUN, run("requires_action", [OSLO, ROME]))
        asked, ended = rows(provider, created(stream=True), retrieved, submitted(stream=True), aio=aio)
        assert asked["output"]["tool_calls"] == calls(OSLO, ROME)
        assert asked["output"]["required_action"]["submit_tool_outputs"]["tool_calls"] == calls(OSLO, ROME)
        assert asked["metrics"]["time_to_first_token"] == 0.0
        assert [counts(asked), counts(ended)] == [{}, COUNTS]

    def test_code_that_the_assistant_runs(self, provider: ProviderServer) -> None:
        provider.route(THREAD, run_stream(code=["print", "(2+2)"]))
        (call,) = row(provider, created(stream=True))["output"]["tool_calls"]
        ran = {"input": "print(2+2)", "outputs": [{"type": "logs", "logs": "4"}]}
        assert call == {"id": "call_code", "type": "code_interpreter", "code_interpreter": ran}

    @pytest.mark.parametrize(
        ("chunks", "code"), [(5, "print"), (6, "print(2+2)")], ids=["in the code", "after the code"]
    )
    def test_one_left_early_shows_the_code_so_far(
        self, chunks: int, code: str, provider: ProviderServer
    ) -> None:
        provider.route(THREAD, run_stream(code=["print", "(2+2)"]))
        found = row(provider, created(stream=True), chunks=chunks)
        (call,) = found["output"]["tool_calls"]
        assert call["code_interpreter"] == {"input": code, "outputs": []}
        assert found["output"]["status"] == "in_progress"
        assert "finish_reason" not in found["metadata"]
        assert counts(found) == {}

    def test_one_left_early_leaves_the_end_to_a_poll(self, provider: ProviderServer) -> None:
        provider.route(THREAD, run_stream(["Hel", "lo"]))
        provider.route(RUN, run("completed"))
        left, ended = rows(provider, created(stream=True), retrieved, retrieved, chunks=4)
        assert left["output"]["messages"][0]["content"] == [
            {"type": "text", "text": {"value": "Hel", "annotations": []}}
        ]
        assert [counts(left), counts(ended)] == [{}, COUNTS]

    def test_with_an_event_handler(self, provider: ProviderServer) -> None:
        provider.route(THREAD, run_stream())

        def streamed(client: Any) -> None:
            streams = client.beta.threads.runs
            with streams.stream(thread_id="thread_loopback", assistant_id="asst_loopback") as stream:
                assert isinstance(stream, openai.AssistantEventHandler)
                assert "".join(stream.text_deltas) == SAID

        found = row(provider, streamed)
        assert found["output"]["messages"][0]["content"] == SPOKEN
        assert counts(found) == COUNTS

    @each_kind
    def test_a_thread_and_its_run_at_once(self, aio: bool, provider: ProviderServer) -> None:
        provider.route("/v1/threads/runs", run_stream())

        def made(client: Any) -> Any:
            return client.beta.threads.create_and_run(
                assistant_id="asst_loopback",
                thread={"messages": [MESSAGE]},
                max_completion_tokens=9,
                stream=True,
            )

        found = row(provider, made, aio=aio)
        assert found["input"] == {"assistant_id": "asst_loopback", "thread": {"messages": [MESSAGE]}}
        assert found["metadata"]["api"] == "threads.create_and_run"
        assert found["metadata"]["max_tokens"] == 9
        assert counts(found) == COUNTS
