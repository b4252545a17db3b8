"""What a call cost, by the price table of the extra, equals the bill that its provider would write.

Each bill is written by hand: tokens, times the provider's public list price for a million of them at the time of the call.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import anthropic
import openai
import pytest

from bttrace.testing import ManualClock, capture
from tests.apis import only
from tests.billed import (
    AT,
    GOOGLE,
    GROQ,
    OPENAI,
    XAI,
    anthropics,
    asks,
    azure,
    bedrock,
    messages,
    responded,
    responds,
    used,
    vertex,
    with_fields,
    written,
)
from tests.dialogues import answering, begun, done, read, said
from tests.dialogues import client as websocket_client
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import Reply, chat, chat_stream, embeddings, message, message_stream, response
from tests.loopback.websocket import WebsocketServer

pytest.importorskip("genai_prices")

SPEECH: Any = ["text", "audio"]


@dataclass(frozen=True)
class Bill:
    """A call, what its answer says of tokens, and what is to be paid: `millionths` of a dollar, and `dollars` as well."""

    what: str
    client: Callable[[ProviderServer], Any]
    ask: Callable[[Any], Any]
    reply: Reply
    millionths: float
    dollars: float
    at: float = field(default=AT)

    def __repr__(self) -> str:
        return self.what


BILLS = [
    # OpenAI: $0.15 for input, $0.075 for what is cached of it, $0.60 for output.
    Bill(
        "gpt-4o-mini, cached",
        OPENAI,
        asks("gpt-4o-mini"),
        chat(usage=used(2_006, 300, {"cached_tokens": 1_920}), model="gpt-4o-mini-2024-07-18"),
        86 * 0.15 + 1_920 * 0.075 + 300 * 0.60,
        0.000_336_9,
    ),
    # OpenAI: $0.25, $0.025, $2; reasoning is output.
    Bill(
        "gpt-5-mini, reasoning",
        OPENAI,
        responds("gpt-5-mini"),
        response(usage=responded(4_096, 900, 3_072, 832), model="gpt-5-mini-2025-08-07"),
        1_024 * 0.25 + 3_072 * 0.025 + (832 + 68) * 2,
        0.002_132_8,
    ),
    # OpenAI: $2, $0.50, $8; $10 and $40 before 10 June 2025.
    Bill(
        "o3",
        OPENAI,
        asks("o3"),
        chat(usage=used(1_000, 500, (), {"reasoning_tokens": 448}), model="o3-2025-04-16"),
        1_000 * 2 + 500 * 8,
        0.006,
    ),
    Bill(
        "o3, before its price fell",
        OPENAI,
        asks("o3"),
        chat(usage=used(1_000, 500, (), {"reasoning_tokens": 448}), model="o3-2025-04-16"),
        1_000 * 10 + 500 * 40,
        0.03,
        at=datetime(2025, 5, 20, tzinfo=timezone.utc).timestamp(),
    ),
    # OpenAI, flex: half of it, $1, $0.25, $4.
    Bill(
        "o3, flex",
        OPENAI,
        asks("o3", service_tier="flex"),
        with_fields(
            chat(usage=used(1_000, 500, {"cached_tokens": 400}), model="o3-2025-04-16"), service_tier="flex"
        ),
        600 * 1 + 400 * 0.25 + 500 * 4,
        0.002_7,
    ),
    # OpenAI: $2.50 for text, $32 for sound that is heard; $10 and $64 for what is written and spoken.
    Bill(
        "gpt-audio",
        OPENAI,
        asks("gpt-audio", modalities=SPEECH, audio={"voice": "alloy", "format": "wav"}),
        chat(
            usage=used(1_000, 400, {"audio_tokens": 600}, {"audio_tokens": 350}), model="gpt-audio-2025-08-28"
        ),
        400 * 2.50 + 600 * 32 + 50 * 10 + 350 * 64,
        0.043_1,
    ),
    # OpenAI: $0.02.
    Bill(
        "text-embedding-3-small",
        OPENAI,
        lambda client: client.embeddings.create(model="text-embedding-3-small", input="hi"),
        embeddings(prompt_tokens=8_000),
        8_000 * 0.02,
        0.000_16,
    ),
    # Anthropic: $1 for input, $0.10 for what is read from the cache, $1.25 for what is written to it for five
    # minutes and $2 for an hour, $5 for output; thinking is output.
    Bill(
        "claude-haiku-4-5, cached and written",
        anthropics,
        messages("claude-haiku-4-5"),
        message(usage=written(21, 393, 1_000, 456, 100, output_tokens_details={"thinking_tokens": 300})),
        21 * 1 + 1_000 * 0.10 + 456 * 1.25 + 100 * 2 + (300 + 93) * 5,
        0.002_856,
    ),
    # Anthropic: $15, $1.50, $18.75, $30, $75; $10 for a thousand searches.
    Bill(
        "claude-opus-4-1, with two searches",
        anthropics,
        messages("claude-opus-4-1"),
        message(
            usage=written(
                2_000, 100, 0, 300, 0, server_tool_use={"web_search_requests": 2, "web_fetch_requests": 1}
            ),
            model="claude-opus-4-1-20250805",
        ),
        2_000 * 15 + 300 * 18.75 + 100 * 75 + 2 * 10_000,
        0.063_125,
    ),
    # Groq: $0.15, $0.075, $0.60.
    Bill(
        "groq's gpt-oss-120b, cached",
        GROQ,
        asks("openai/gpt-oss-120b"),
        with_fields(
            chat(usage=used(5_000, 700, {"cached_tokens": 4_096}), model="openai/gpt-oss-120b"),
            service_tier="on_demand",
        ),
        904 * 0.15 + 4_096 * 0.075 + 700 * 0.60,
        0.000_862_8,
    ),
    # Groq: $0.59, $0.79.
    Bill(
        "groq's llama-3.3-70b",
        GROQ,
        asks("llama-3.3-70b-versatile"),
        chat(usage=used(1_200, 80), model="llama-3.3-70b-versatile"),
        1_200 * 0.59 + 80 * 0.79,
        0.000_771_2,
    ),
    # Google: $1.25 and $10; of prompts over 200,000 tokens, all at $2.50 and $15.
    Bill(
        "gemini-2.5-pro",
        GOOGLE,
        asks("gemini-2.5-pro"),
        chat(usage=used(200_000, 1_000), model="gemini-2.5-pro"),
        200_000 * 1.25 + 1_000 * 10,
        0.26,
    ),
    Bill(
        "gemini-2.5-pro, long",
        GOOGLE,
        asks("gemini-2.5-pro"),
        chat(usage=used(200_001, 1_000), model="gemini-2.5-pro"),
        200_001 * 2.50 + 1_000 * 15,
        0.515_002_5,
    ),
    # Bedrock, within Europe, a tenth more than anywhere: $1.10, $0.11, $1.375, $5.50.
    Bill(
        "bedrock's claude-haiku-4-5",
        bedrock,
        messages("eu.anthropic.claude-haiku-4-5-20251001-v1:0"),
        message(usage=written(100, 200, 3_000, 40, 0)),
        100 * 1.10 + 3_000 * 0.11 + 40 * 1.375 + 200 * 5.50,
        0.001_595,
    ),
    # Vertex, anywhere: Anthropic's own prices.
    Bill(
        "vertex's claude-haiku-4-5",
        vertex,
        messages("claude-haiku-4-5@20251001"),
        message(usage=written(100, 200, 3_000, 40, 60)),
        100 * 1 + 3_000 * 0.10 + 40 * 1.25 + 60 * 2 + 200 * 5,
        0.001_57,
    ),
    # Azure, global deployments: OpenAI's own prices, $2.50, $1.25, $10; a deployment has any name.
    Bill(
        "azure's gpt-4o",
        azure,
        asks("our-deployment"),
        chat(usage=used(3_000, 50, {"cached_tokens": 1_000}), model="gpt-4o-2024-08-06"),
        2_000 * 2.50 + 1_000 * 1.25 + 50 * 10,
        0.006_75,
    ),
    # xAI: $3 and $15; it counts reasoning beside the completion, and bills it as output.
    Bill(
        "grok-4, reasoning",
        XAI,
        asks("grok-4"),
        chat(usage=used(100, 20, (), {"reasoning_tokens": 180}, beyond=180), model="grok-4-0709"),
        100 * 3 + (20 + 180) * 15,
        0.003_3,
    ),
]
each_bill = pytest.mark.parametrize("bill", BILLS, ids=repr)


def metrics(bill: Bill, provider: ProviderServer, **options: Any) -> dict[str, Any]:
    provider.reply(bill.reply)
    clock = ManualClock(bill.at)
    with capture(clock=clock, **{"prices": True, **options}) as captured, bill.client(provider) as client:
        answer = bill.ask(client)
        for _ in answer if isinstance(answer, (openai.Stream, anthropic.Stream)) else ():
            pass
        found: dict[str, Any] = only(captured)["metrics"]
    return found


@each_bill
def test_a_call_costs_what_its_provider_bills(bill: Bill, provider: ProviderServer) -> None:
    assert bill.millionths / 1e6 == pytest.approx(bill.dollars, rel=1e-12)
    assert metrics(bill, provider)["estimated_cost"] == pytest.approx(bill.dollars, rel=1e-9)


def test_the_bills_are_of_ten_models_and_five_providers() -> None:
    assert len({bill.what.partition(",")[0] for bill in BILLS}) >= 10
    assert len({bill.client for bill in BILLS}) >= 5


STREAMED = [
    Bill(
        "gpt-4o-mini, streamed",
        OPENAI,
        asks("gpt-4o-mini", stream=True, stream_options={"include_usage": True}),
        chat_stream(usage=used(2_006, 300, {"cached_tokens": 1_920})),
        86 * 0.15 + 1_920 * 0.075 + 300 * 0.60,
        0.000_336_9,
    ),
    Bill(
        "claude-haiku-4-5, streamed",
        anthropics,
        messages("claude-haiku-4-5", stream=True),
        message_stream(usage=written(21, 393, 1_000, 456, 100)),
        21 * 1 + 1_000 * 0.10 + 456 * 1.25 + 100 * 2 + 393 * 5,
        0.002_856,
    ),
]


@pytest.mark.parametrize("bill", STREAMED, ids=repr)
@pytest.mark.parametrize("span_names", ["turn", "braintrust"])
def test_a_stream_costs_the_same(bill: Bill, span_names: str, provider: ProviderServer) -> None:
    """Under Braintrust's names, a span has either the whole of what was written to a cache or its parts."""
    found = metrics(bill, provider, span_names=span_names)
    assert found["estimated_cost"] == pytest.approx(bill.dollars, rel=1e-9)


def test_nothing_is_computed_when_it_is_switched_off(provider: ProviderServer) -> None:
    assert "estimated_cost" not in metrics(BILLS[0], provider, prices=False)


def test_a_spoken_response_costs_what_was_heard_said_and_cached_of_each() -> None:
    """OpenAI, gpt-realtime: $4 for text and $32 for sound, $0.40 for either that is cached, $16 and $64 for what it says."""
    heard = {"text_tokens": 119, "audio_tokens": 1_000, "cached_tokens": 832}
    cached = {"text_tokens": 64, "audio_tokens": 768}
    usage: dict[str, Any] = {
        "total_tokens": 1_419,
        "input_tokens": 1_119,
        "output_tokens": 300,
        "input_token_details": {**heard, "cached_tokens_details": cached},
        "output_token_details": {"text_tokens": 60, "audio_tokens": 240},
    }
    millionths = (119 - 64) * 4 + (1_000 - 768) * 32 + (64 + 768) * 0.40 + 60 * 16 + 240 * 64
    assert millionths == pytest.approx(24_296.8)
    assert spoken(usage)["estimated_cost"] == pytest.approx(0.024_296_8)
    words = {**usage, "input_token_details": {**heard, "cached_tokens_details": {"text_tokens": 64}}}
    words["input_token_details"]["cached_tokens"] = 64
    assert spoken(words)["estimated_cost"] == pytest.approx((55 * 4 + 1_000 * 32 + 64 * 0.40 + 16_320) / 1e6)
    untold = {**usage, "input_token_details": heard}
    assert "estimated_cost" not in spoken(untold)


def spoken(usage: dict[str, Any]) -> dict[str, Any]:
    """Gives the metrics of a Realtime response that tells this of its tokens."""
    answer = [
        begun("resp_1"),
        done("resp_1", said("item", "Hello.", "assistant", "output_text"), usage=usage),
    ]
    with (
        WebsocketServer(answering(answer)) as server,
        capture(clock=ManualClock(AT), prices=True) as captured,
        websocket_client(server).realtime.connect(model="gpt-realtime") as connection,
    ):
        read(connection, "conversation.item.added")
        connection.response.create()
        read(connection)
        found: dict[str, Any] = only(captured)["metrics"]
    return found
