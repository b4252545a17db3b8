"""Beside OpenTelemetry: anthropic's own spans and ours leave each other as they are, and none is counted twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import anthropic
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.apis import MESSAGES, traced
from tests.doors import environment
from tests.loopback import replies
from tests.loopback.braintrust import BraintrustServer
from tests.loopback.listener import Request
from tests.loopback.provider import ProviderServer
from tests.zygote import Program, finished

GIVEN = MESSAGES.given
MEASURED = {"gen_ai.response.time_to_first_chunk"}


def answer(request: Request) -> replies.Reply:
    return replies.message_stream() if request.json.get("stream") else replies.message()


def _whole(client: Any) -> None:
    client.messages.create(**GIVEN)


def _beta(client: Any) -> None:
    client.beta.messages.create(**GIVEN, betas=["context-management-2025-06-27"])


def _streamed(client: Any) -> None:
    assert [event.type for event in client.messages.create(**GIVEN, stream=True)][-1] == "message_stop"


def _helped(client: Any) -> None:
    with client.messages.stream(**GIVEN) as stream:
        assert stream.get_final_message().usage.output_tokens == 7


def _left(client: Any) -> None:
    stream = client.messages.create(**GIVEN, stream=True)
    next(iter(stream))
    stream.close()


def _dropped(client: Any) -> None:
    client.messages.create(**GIVEN, stream=True)


def _raw(client: Any) -> None:
    assert client.messages.with_raw_response.create(**GIVEN).parse().usage.output_tokens == 7


def _raw_bytes(client: Any) -> None:
    with client.messages.with_streaming_response.create(**GIVEN, stream=True) as response:
        assert b"message_stop" in b"".join(response.iter_bytes())


CALLS: tuple[Callable[[Any], None], ...] = (
    _whole,
    _beta,
    _streamed,
    _helped,
    _left,
    _dropped,
    _raw,
    _raw_bytes,
)


def _attributes(exporter: InMemorySpanExporter) -> list[dict[str, Any]]:
    """All that the spans say but for ids and times."""
    return [
        {
            "name": span.name,
            "kind": span.kind,
            "status": span.status.status_code,
            "events": [event.name for event in span.events],
            "parent": span.parent,
            "attributes": {
                name: value for name, value in (span.attributes or {}).items() if name not in MEASURED
            },
            "measured": set(span.attributes or ()) & MEASURED,
        }
        for span in exporter.get_finished_spans()
    ]


def _observed() -> tuple[TracerProvider, InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider, exporter


def _call(
    call: Callable[[Any], None], provider: ProviderServer, telemetry: TracerProvider | None, **options: Any
) -> None:
    traces: Any = {"traces": False} if telemetry is None else {"tracer_provider": telemetry}
    with MESSAGES.client(provider, open_telemetry=traces, **options) as client:
        call(client)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__.strip("_"))
def test_their_span_and_our_row_are_as_they_are_alone(
    provider: ProviderServer, call: Callable[[Any], None]
) -> None:
    provider.reply(answer)
    telemetry, alone = _observed()
    _call(call, provider, telemetry)
    with traced() as (captured, _):
        _call(call, provider, None)
        ours = captured.rows
    telemetry, beside = _observed()
    with traced() as (captured, _):
        _call(call, provider, telemetry)
        assert captured.rows == ours
    assert len(ours) == len(alone.get_finished_spans()) == 1
    assert _attributes(beside) == _attributes(alone)
    sent = [request.header("traceparent") for request in provider.requests]
    [span] = beside.get_finished_spans()
    assert span.context is not None
    assert [header is not None for header in sent] == [True, False, True]
    assert str(sent[-1]).startswith(f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-")


def test_an_error_and_its_retries_are_one_span_each(provider: ProviderServer) -> None:
    provider.reply(*[replies.anthropic_error(529, headers={"retry-after-ms": "1"})] * 3)
    telemetry, alone = _observed()
    with pytest.raises(anthropic.APIStatusError):
        _call(_whole, provider, telemetry, max_retries=2)
    telemetry, beside = _observed()
    with traced() as (captured, _):
        with pytest.raises(anthropic.APIStatusError):
            _call(_whole, provider, telemetry, max_retries=2)
        [row] = captured.rows
    assert row["metrics"]["retries"] == 2
    [theirs] = _attributes(beside)
    assert theirs["attributes"]["http.request.resend_count"] == 2
    assert [theirs] == _attributes(alone)


def test_asynchronous_calls_together_are_one_span_each(provider: ProviderServer) -> None:
    provider.reply(answer)
    telemetry, beside = _observed()

    async def calls() -> None:
        client = MESSAGES.aclient(provider, open_telemetry={"tracer_provider": telemetry})

        async def streamed() -> None:
            async with client.messages.stream(**GIVEN) as stream:
                await stream.get_final_message()

        await asyncio.gather(
            *(client.messages.create(**GIVEN) for _ in range(5)), *(streamed() for _ in range(5))
        )
        await client.close()

    with traced() as (captured, _):
        asyncio.run(calls())
        rows = captured.rows
    spans = _attributes(beside)
    assert len(rows) == len(spans) == 10
    assert [row["metrics"]["completion_tokens"] for row in rows] == [7] * 10
    assert [span["attributes"]["gen_ai.usage.output_tokens"] for span in spans] == [7] * 10


def test_tools_that_the_runner_runs_keep_the_call_spans_of_theirs_as_parents(
    provider: ProviderServer,
) -> None:
    provider.reply(replies.message(tool_calls=[("toolu_1", "weather", "{}")]), replies.message())
    telemetry, beside = _observed()

    @anthropic.beta_tool
    def weather() -> str:
        """Tells the weather."""
        return "sunny"

    def run(client: Any) -> None:
        client.beta.messages.tool_runner(**GIVEN, tools=[weather]).until_done()

    with traced() as (captured, _):
        _call(run, provider, telemetry)
        llm = [row for row in captured.rows if row["span_attributes"]["type"] == "llm"]
    assert len(llm) == 2
    operations = Counter(span["attributes"].get("gen_ai.operation.name") for span in _attributes(beside))
    assert operations["chat"] == 2
    assert operations["execute_tool"] == 1


# Each way to Braintrust, and the calls that it tells of: all but the ones without a span that records tokens.
BRIDGES = {
    "processor": 'BraintrustSpanProcessor(api_key=KEY, api_url=URL, parent="project_name:Theirs", SpanProcessor=Simple)',
    "filtered": "BraintrustSpanProcessor(api_key=KEY, api_url=URL, filter_ai_spans=True)",
    "exporter": 'BatchSpanProcessor(OtelExporter(url=f"{URL}/otel/v1/traces", api_key=KEY))',
    "plain": 'BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{URL}/otel/v1/traces"))',
}
CALLS_OF_A_BRIDGE = """
import os
import anthropic, braintrust, openai
import bttrace
from braintrust.otel import BraintrustSpanProcessor, OtelExporter
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor as Simple
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Decision, Sampler, SamplingResult

URL, KEY = os.environ["BRAINTRUST_API_URL"], os.environ["BRAINTRUST_API_KEY"]
bttrace.enable()
provider = TracerProvider()
trace.set_tracer_provider(provider)
tracer = trace.get_tracer("application")
messages = anthropic.Anthropic().messages
chat = openai.OpenAI().chat.completions

def ask(create, text, **options):
    return create(model="m", max_tokens=9, messages=[{"role": "user", "content": text}], **options)

ask(messages.create, "before the processor")
provider.add_span_processor(%s)
ask(messages.create, "whole")
list(ask(messages.create, "streamed", stream=True))
with messages.stream(model="m", max_tokens=9, messages=[{"role": "user", "content": "helped"}]) as stream:
    stream.until_done()
ask(messages.with_raw_response.create, "raw").parse()
ask(chat.create, "of openai")
with tracer.start_as_current_span("chat m", attributes={"gen_ai.operation.name": "chat"}):
    ask(chat.create, "of an instrumented openai")
with tracer.start_as_current_span("agent", attributes={"gen_ai.operation.name": "invoke_agent"}):
    ask(chat.create, "inside an agent")
ask(anthropic.Anthropic(open_telemetry=False).messages.create, "without their spans")
unsampled = {"tracer_provider": TracerProvider(sampler=ALWAYS_OFF)}
unsampled["tracer_provider"].add_span_processor(%s)
ask(anthropic.Anthropic(open_telemetry=unsampled).messages.create, "not sampled")
class RecordedOnly(Sampler):
    def should_sample(self, parent, trace_id, name, kind=None, attributes=None, links=None):
        return SamplingResult(Decision.RECORD_ONLY, attributes)
    def get_description(self):
        return "recorded only"
recorded = {"tracer_provider": TracerProvider(sampler=RecordedOnly())}
recorded["tracer_provider"].add_span_processor(%s)
ask(anthropic.Anthropic(open_telemetry=recorded).messages.create, "recorded only")
provider.force_flush()
"""
OURS = {
    "before the processor",
    "of openai",
    "inside an agent",
    "without their spans",
    "not sampled",
    "recorded only",
}


def _reply(request: Request) -> replies.Reply:
    return replies.chat() if request.route.endswith("/chat/completions") else answer(request)


def _exported(server: BraintrustServer) -> list[dict[str, Any]]:
    """The attributes of every OpenTelemetry span that reached Braintrust."""
    spans = []
    for request in server.requests:
        if request.route == "/otel/v1/traces":
            message = ExportTraceServiceRequest()
            message.ParseFromString(request.body)
            for resource in message.resource_spans:
                for scope in resource.scope_spans:
                    for span in scope.spans:
                        spans.append({item.key: item.value for item in span.attributes})
    return spans


@pytest.mark.parametrize("bridge", BRIDGES)
def test_what_opentelemetry_exports_to_braintrust_is_not_told_again(bridge: str) -> None:
    program = CALLS_OF_A_BRIDGE.replace("%s", BRIDGES[bridge])
    with BraintrustServer() as server, ProviderServer() as provider:
        server.fault("/otel", status=200, times=None, body=b"")
        provider.reply(_reply)
        env = environment({**server.env(), **provider.env(), "BRAINTRUST_PROJECT_NAME": "Ours"})
        done = finished(Program(program, env=env))
        assert (done.code, done.err) == (0, "")
        assert Counter(row["input"][0]["content"] for row in server.rows("Ours")) == Counter(OURS)
        exported = [span for span in _exported(server) if _is_chat(span)]
        assert len(exported) == 5  # whole, streamed, helped, raw, and the instrumented openai's
        counted = [span["gen_ai.usage.output_tokens"].int_value for span in exported if _has_usage(span)]
        assert counted == [7] * 4


def _is_chat(span: dict[str, Any]) -> bool:
    name = span.get("gen_ai.operation.name")
    return name is not None and name.string_value == "chat"


def _has_usage(span: dict[str, Any]) -> bool:
    return "gen_ai.usage.output_tokens" in span


def test_an_export_to_somebody_else_takes_nothing_from_us() -> None:
    elsewhere = "BatchSpanProcessor(OTLPSpanExporter(endpoint=f\"{os.environ['ELSEWHERE']}/v1/traces\"))"
    program = CALLS_OF_A_BRIDGE.replace("%s", elsewhere)
    with BraintrustServer() as server, BraintrustServer() as collector, ProviderServer() as provider:
        collector.fault("/", status=200, times=None, body=b"")
        provider.reply(_reply)
        variables = {"BRAINTRUST_PROJECT_NAME": "Ours", "ELSEWHERE": collector.url}
        done = finished(Program(program, env=environment({**server.env(), **provider.env(), **variables})))
        assert (done.code, done.err) == (0, "")
        assert Counter(row["input"][0]["content"] for row in server.rows("Ours")) == Counter(
            OURS | {"whole", "streamed", "helped", "raw", "of an instrumented openai"}
        )
        assert len(collector.requests) >= 1
