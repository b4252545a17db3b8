"""What a call cost: the provider's word, else what is computed, and none where that would be a guess; who is told of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import openai
import pytest

import bttrace
from bttrace.spans.tree import Ink, drawn
from bttrace.testing import ManualClock, capture
from tests.apis import CHAT, MESSAGES, only
from tests.billed import (
    AT,
    GOOGLE,
    OPENAI,
    anthropics,
    asks,
    azure,
    bedrock,
    messages,
    openais,
    responded,
    responds,
    used,
    with_fields,
    written,
)
from tests.doors import journal_rows
from tests.loopback.braintrust import BraintrustServer
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import Reply, chat, chat_stream, embeddings, message, message_stream, response
from tests.loops import Talk, model, turn

Client = Callable[[ProviderServer], Any]
OPENROUTER, PERPLEXITY, XAI, DEEPINFRA, TOGETHER = (
    openais("https://openrouter.ai/api/v1"),
    openais("https://api.perplexity.ai"),
    openais("https://api.x.ai/v1"),
    openais("https://api.deepinfra.com/v1/openai"),
    openais("https://api.together.xyz/v1"),
)


def cost(
    provider: ProviderServer, client: Client, ask: Callable[[Any], Any], reply: Reply, **options: Any
) -> object:
    """Gives the cost that the span of one call has."""
    provider.reply(reply)
    options = {"prices": True, **options}
    with capture(clock=ManualClock(AT), **options) as captured, client(provider) as made:
        answer = ask(made)
        list(answer if isinstance(answer, openai.Stream) else ())
        return only(captured)["metrics"].get("estimated_cost")


TOLD = [
    ("openrouter", OPENROUTER, asks("openai/gpt-4o"), chat(usage={**used(10, 5), "cost": 0.95}), 0.95),
    ("nothing", OPENROUTER, asks("m:free"), chat(usage={**used(10, 5), "cost": 0}), 0),
    (
        "openrouter, responses",
        OPENROUTER,
        responds("m"),
        response(usage={**responded(9, 5, 0, 0), "cost": 0.5}),
        0.5,
    ),
    (
        "openrouter, streamed",
        OPENROUTER,
        asks("m", stream=True),
        chat_stream(usage={**used(10, 5), "cost": 0.25}),
        0.25,
    ),
    ("openrouter, messages", anthropics, messages("m"), message(usage={"cost": 0.75}), 0.75),
    (
        "openrouter, embeddings",
        OPENROUTER,
        lambda client: client.embeddings.create(model="m", input="hi"),
        with_fields(embeddings(), usage={"prompt_tokens": 4, "total_tokens": 4, "cost": 0.125}),
        0.125,
    ),
    (
        "perplexity",
        PERPLEXITY,
        asks("sonar"),
        chat(usage={**used(10, 5), "cost": {"input_tokens_cost": 0.001, "total_cost": 0.006}}),
        0.006,
    ),
    ("xai", XAI, asks("grok-4"), chat(usage={**used(10, 5), "cost_in_usd_ticks": 37_756_000}), 0.003_775_6),
    (
        "xai, responses",
        XAI,
        responds("grok-4"),
        response(usage={**responded(10, 5, 0, 0), "cost_in_usd_ticks": 200_000_000}),
        0.02,
    ),
    ("deepinfra", DEEPINFRA, asks("m"), chat(usage={**used(10, 5), "estimated_cost": 2.68e-05}), 2.68e-05),
    # What it says wins over what its model would cost.
    ("openai", OPENAI, asks("gpt-4o-mini"), chat(usage={**used(1_000, 500), "cost": 7}), 7),
]


@pytest.mark.parametrize("prices", [True, False])
@pytest.mark.parametrize(
    ("client", "ask", "reply", "expected"), [pytest.param(*case, id=name) for name, *case in TOLD]
)
def test_what_the_provider_says_wins(
    client: Client,
    ask: Callable[[Any], Any],
    reply: Reply,
    expected: float,
    prices: bool,
    provider: ProviderServer,
) -> None:
    assert cost(provider, client, ask, reply, prices=prices) == pytest.approx(expected, rel=1e-12)


SEARCHED: dict[str, object] = {
    "id": "ws_1",
    "type": "web_search_call",
    "status": "completed",
    "action": {"type": "search", "query": "q"},
}
RAN: list[Any] = [
    {"type": "server_tool_use", "id": "srv_1", "name": "code_execution", "input": {"code": "1"}},
    {"type": "text", "text": "1"},
]
PLAIN = used(1_000, 500)
COMPACTED = {"type": "compaction", "input_tokens": 9, "output_tokens": 9}
CALLED = {"type": "message", "input_tokens": 21, "output_tokens": 393}

# A call that has a price, what makes its price another or unknown, and whether there is one.
CASES: list[tuple[str, Client, Callable[[Any], Any], Reply, bool]] = [
    ("a plain call", OPENAI, asks("gpt-4o-mini"), chat(usage=PLAIN), True),
    ("a model nobody knows", OPENAI, asks("m"), chat(usage=PLAIN, model="our-own-model"), False),
    ("no tokens", OPENAI, asks("gpt-4o-mini"), chat(usage=None), False),
    ("a provider that says what it costs", OPENROUTER, asks("gpt-4o-mini"), chat(usage=PLAIN), False),
    ("a total that hides tokens", GOOGLE, asks("gemini-2.5-pro"), chat(usage=used(10, 5, beyond=90), model="gemini-2.5-pro"), False),
    (
        "pictures that may be in it, at another price",
        GOOGLE,
        lambda client: client.embeddings.create(model="gemini-embedding-2", input="hi"),
        embeddings(model="gemini-embedding-2"),
        False,
    ),
    ("open weights at home", OPENAI, asks("gpt-oss-20b"), chat(usage=PLAIN, model="gpt-oss-20b"), False),
    ("a tier with its own prices", OPENAI, asks("gpt-4o-mini"), with_fields(chat(usage=PLAIN), service_tier="priority"), True),
    ("a tier of which no price is known", OPENAI, asks("gpt-4o-mini"), with_fields(chat(usage=PLAIN), service_tier="scale"), False),
    ("a tier that was asked for, and is not confirmed", OPENAI, asks("o3", service_tier="flex"), with_fields(chat(usage=PLAIN, model="o3"), service_tier=None), False),
    ("a tier elsewhere", azure, asks("d"), with_fields(chat(usage=PLAIN), service_tier="priority"), False),
    ("sound without a price", OPENAI, asks("gpt-4o-mini"), chat(usage=used(1_000, 5, {"audio_tokens": 9})), False),
    (
        "sound, of which some may be cached",
        OPENAI,
        asks("gpt-realtime"),
        chat(usage=used(900, 5, {"audio_tokens": 600, "cached_tokens": 128}), model="gpt-realtime"),
        False,
    ),
    ("cached tokens without a price", OPENAI, asks("m"), chat(usage=used(900, 5, {"cached_tokens": 9}), model="gpt-4-turbo"), False),
    ("none cached", OPENAI, asks("m"), chat(usage=used(900, 5, {"cached_tokens": 0}), model="gpt-4-turbo"), True),
    (
        "cached tokens at their own place, without a price",
        TOGETHER,
        asks("m"),
        chat(usage={**used(900, 5), "cached_tokens": 64}, model="meta-llama/Llama-3.3-70B-Instruct-Turbo"),
        False,
    ),
    (
        "cached tokens at their own place, and none",
        TOGETHER,
        asks("m"),
        chat(usage={**used(900, 5), "cached_tokens": 0}, model="meta-llama/Llama-3.3-70B-Instruct-Turbo"),
        True,
    ),
    ("a model that searches", OPENAI, asks("m"), chat(usage=PLAIN, model="gpt-4o-search-preview-2025-03-11"), False),
    ("a response in which was searched", OPENAI, responds("gpt-5"), response(hosted=[SEARCHED]), False),
    ("a response in which was not", OPENAI, responds("gpt-5"), response(reasoning="so"), True),
    ("a message", anthropics, messages("m"), message(usage=written(21, 393, 0, 0, 0, service_tier="standard")), True),
    ("prices by contract", anthropics, messages("m"), message(usage=written(21, 393, 0, 0, 0, service_tier="priority")), False),
    ("kept in one region", anthropics, messages("m"), message(usage=written(21, 393, 0, 0, 0, inference_geo="us")), False),
    ("kept in none", anthropics, messages("m"), message(usage=written(21, 393, 0, 0, 0, inference_geo="global")), True),
    ("a speed without a price", anthropics, messages("m"), message(usage=written(21, 393, 0, 0, 0, speed="fast")), False),
    ("compaction beside it", anthropics, messages("m"), message(usage=written(21, 393, 0, 0, 0, iterations=[CALLED, COMPACTED])), False),
    ("no compaction", anthropics, messages("m"), message(usage=written(21, 393, 0, 0, 0, iterations=[CALLED])), True),
    ("code that was run", anthropics, messages("m"), with_fields(message(), content=RAN), False),
    ("written for nobody knows how long", anthropics, messages("m"), message(usage=written(21, 393, 0, 5, 0, cache_creation=None)), False),
    (
        "an hour that has no price",
        bedrock,
        messages("anthropic.claude-3-5-sonnet-20240620-v1:0"),
        message(usage=written(21, 393, 0, 0, 5)),
        False,
    ),
    ("five minutes that have", bedrock, messages("anthropic.claude-3-5-sonnet-20240620-v1:0"), message(usage=written(21, 393, 0, 5, 0)), True),
    ("a profile that tells no model", bedrock, messages("arn:aws:bedrock:eu-west-1:1:application-inference-profile/p"), message(), False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("client", "ask", "reply", "has_price"), [pytest.param(*case, id=name) for name, *case in CASES]
)
def test_no_price_is_guessed(
    client: Client,
    ask: Callable[[Any], Any],
    reply: Reply,
    has_price: bool,
    provider: ProviderServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    pytest.importorskip("genai_prices")
    assert (cost(provider, client, ask, reply) is not None) is has_price
    assert not caplog.records


@pytest.fixture(name="own_table")
def _own_table() -> Iterator[None]:
    """A table that the application has put in the place of the package's, as its `UpdatePrices` does."""
    types = pytest.importorskip("genai_prices.types")
    snapshots = pytest.importorskip("genai_prices.data_snapshot")
    price = types.ModelPrice(
        input_mtok=Decimal(100),
        cache_read_mtok=Decimal(10),
        input_audio_mtok=Decimal(200),
        cache_audio_read_mtok=Decimal(20),
        output_mtok=Decimal(300),
    )
    ours = types.ModelInfo(id="ours", match=types.ClauseEquals(equals="ours"), prices=price)
    provider = types.Provider(id="openai", name="OpenAI", api_pattern="x", models=[ours])
    snapshots.set_custom_snapshot(snapshots.DataSnapshot(providers=[provider], from_auto_update=True))
    yield
    snapshots.set_custom_snapshot(None)


@pytest.mark.parametrize(
    ("into", "millionths"),
    [
        ({}, 900 * 100 + 5 * 300),
        ({"audio_tokens": 600}, 300 * 100 + 600 * 200 + 5 * 300),
        ({"cached_tokens": 128}, 772 * 100 + 128 * 10 + 5 * 300),
        ({"audio_tokens": 600, "cached_tokens": 128}, None),  # nobody knows what of the sound was cached
    ],
)
@pytest.mark.usefixtures("own_table")
def test_a_newer_table_of_the_application_is_used(
    into: dict[str, int], millionths: float | None, provider: ProviderServer
) -> None:
    found = cost(provider, OPENAI, asks("m"), chat(usage=used(900, 5, into), model="ours"))
    assert found == (None if millionths is None else pytest.approx(millionths / 1e6))


@pytest.mark.parametrize("whole", [True, False])
def test_a_stream_that_is_left_has_a_price_only_if_it_had_said_all(
    whole: bool, provider: ProviderServer
) -> None:
    """Anthropic counts one token of the answer at a stream's start, and all with the reason of its end."""
    pytest.importorskip("genai_prices")
    provider.route(MESSAGES.path, message_stream())
    with capture(prices=True) as captured, MESSAGES.client(provider) as client:
        with MESSAGES.resource(client).create(**MESSAGES.given, stream=True) as stream:
            for event in stream:
                if not whole or event.type == "message_delta":
                    break
        row = only(captured)
    assert row["metadata"]["stream_end"] == "closed"
    assert ("estimated_cost" in row["metrics"]) is whole


def test_a_turn_sums_what_its_calls_cost(provider: ProviderServer) -> None:
    """gpt-4o-mini: $0.15 for a million tokens, $0.075 of those cached, $0.60 for the answer's; three calls."""
    pytest.importorskip("genai_prices")
    provider.route(CHAT.path, model())
    with capture(prices=True) as captured, CHAT.client(provider) as client:
        turn(Talk("chat"), client, "weather")
        rows = captured.rows
    (whole,) = [row for row in rows if row["span_attributes"]["name"] == "agent turn"]
    calls = [row for row in rows if row["span_attributes"]["type"] == "llm"]
    each = (8 * 0.15 + 3 * 0.075 + 7 * 0.60) / 1e6
    assert [row["metrics"]["estimated_cost"] for row in calls] == pytest.approx([each] * 3)
    assert whole["metadata"]["usage"]["estimated_cost"] == pytest.approx(3 * each)
    assert "estimated_cost" not in whole["metrics"]
    assert next(drawn(rows, Ink(colours=False))).endswith("33 (9 cached) in, 21 out  $0.000017")


def test_a_turn_has_no_sum_when_a_call_of_it_has_no_price(provider: ProviderServer) -> None:
    pytest.importorskip("genai_prices")
    talk = model()

    def answer(request: Any) -> Reply:
        reply = talk(request)
        last = json.loads(reply.body)["id"].endswith("-2")
        return with_fields(reply, model="nobody-knows") if last else reply

    provider.route(CHAT.path, answer)
    with capture(prices=True) as captured, CHAT.client(provider) as client:
        turn(Talk("chat"), client, "weather")
        rows = captured.rows
    (whole,) = [row for row in rows if row["span_attributes"]["name"] == "agent turn"]
    assert [
        "estimated_cost" in row["metrics"] for row in rows if row["span_attributes"]["type"] == "llm"
    ] == [True, True, False]
    assert "estimated_cost" not in whole["metadata"]["usage"]


@pytest.mark.parametrize("said", [None, 0.5])
def test_braintrust_is_told_only_what_the_provider_says(
    said: float | None, braintrust_api: BraintrustServer, provider: ProviderServer, tmp_path: Path
) -> None:
    pytest.importorskip("genai_prices")
    talk = model()

    def answer(request: Any) -> Reply:
        reply = talk(request)
        usage = json.loads(reply.body)["usage"]
        return reply if said is None else with_fields(reply, usage={**usage, "cost": said})

    provider.route(CHAT.path, answer)
    server = braintrust_api
    options: dict[str, Any] = {
        "api_key": server.key,
        "api_url": server.url,
        "app_url": server.url,
        "project": "P",
    }
    bttrace.enable(exporter="braintrust,local", journal_dir=str(tmp_path), prices=True, **options)
    with CHAT.client(provider) as client:
        turn(Talk("chat"), client, "weather")
    assert bttrace.flush(30)
    bttrace.disable()
    kept, sent = costs(journal_rows(tmp_path)), costs(server.rows("P"))
    assert sent == ([said] * 3 + [3 * said] if said else [None] * 4)
    assert kept == sent if said else all(kept)


def costs(rows: list[dict[str, Any]]) -> list[Any]:
    """Gives the costs of the calls, and then of their turn."""
    calls = [row["metrics"].get("estimated_cost") for row in rows if row["span_attributes"]["type"] == "llm"]
    (whole,) = [row for row in rows if row["span_attributes"]["name"] == "agent turn"]
    return [*calls, whole["metadata"]["usage"].get("estimated_cost")]


@pytest.mark.parametrize(
    ("spent", "shown"),
    [
        (0.5, "$0.5000"),
        (12.0, "$12.0000"),
        (0.00211, "$0.0021"),
        (0.000_021_4, "$0.000021"),
        (2e-07, "$0.0000002"),
        (0, "$0"),
    ],
)
def test_a_tree_tells_what_was_spent(spent: float, shown: str) -> None:
    metrics = {"start": 1.0, "end": 2.0, "estimated_cost": spent}
    (line,) = drawn(
        [{"span_id": "a", "metrics": metrics, "span_attributes": {"name": "call"}}], Ink(colours=False)
    )
    assert line == f"call  1.00 s  {shown}"
