"""What a call costs, computed from its span's counts alone, equals the bill that its provider would write.

OpenAI counts cached, written and audio tokens within the prompt, Anthropic counts cached ones beside it; a span counts all
of them within, so that one sum bills both. Prices are this test's own, in dollars for a million tokens.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from tests.apis import BETA, CHAT, MESSAGES, RESPONSES, Api, only, traced
from tests.loopback.provider import ProviderServer

PRICES = {
    "input": 3.00,
    "read": 0.30,
    "write 5m": 3.75,
    "write 1h": 6.00,
    "audio in": 40.00,
    "output": 15.00,
    "audio out": 80.00,
}


@dataclass(frozen=True)
class Use:
    """What an API says of tokens, and the lines of the bill for it: how many at which price."""

    api: Api
    what: str
    usage: dict[str, Any]
    bill: dict[str, int]

    def __repr__(self) -> str:
        return f"{self.api}-{self.what}"


def chat(prompt: int, completion: int, into: dict[str, int], out: dict[str, int]) -> dict[str, Any]:
    details = {"prompt_tokens_details": into, "completion_tokens_details": out}
    total = prompt + completion
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total, **details}


def response(prompt: int, completion: int, into: dict[str, int], reasoning: int) -> dict[str, Any]:
    counted = {"input_tokens": prompt, "output_tokens": completion, "total_tokens": prompt + completion}
    return {**counted, "input_tokens_details": into, "output_tokens_details": {"reasoning_tokens": reasoning}}


def message(prompt: int, completion: int, read: int, short: int, long: int, thinking: int) -> dict[str, Any]:
    return {
        "input_tokens": prompt,
        "output_tokens": completion,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": short + long,
        "cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long},
        "output_tokens_details": {"thinking_tokens": thinking},
    }


USES = [
    Use(CHAT, "plain", chat(100, 50, {}, {}), {"input": 100, "output": 50}),
    Use(
        CHAT,
        "cached",
        chat(2006, 300, {"cached_tokens": 1920, "audio_tokens": 0}, {"reasoning_tokens": 192}),
        {"input": 86, "read": 1920, "output": 300},
    ),
    Use(
        CHAT,
        "audio",
        chat(1000, 400, {"cached_tokens": 128, "audio_tokens": 600}, {"audio_tokens": 350}),
        {"input": 272, "read": 128, "audio in": 600, "output": 50, "audio out": 350},
    ),
    Use(
        CHAT,
        "written",
        chat(1000, 10, {"cached_tokens": 100, "cache_write_tokens": 700}, {}),
        {"input": 200, "read": 100, "write 5m": 700, "output": 10},
    ),
    Use(RESPONSES, "plain", response(10, 5, {"cached_tokens": 0}, 0), {"input": 10, "output": 5}),
    Use(
        RESPONSES,
        "cached",
        response(4096, 900, {"cached_tokens": 3072}, 832),
        {"input": 1024, "read": 3072, "output": 900},
    ),
    *(
        use
        for api in (MESSAGES, BETA)
        for use in (
            Use(api, "plain", message(12, 34, 0, 0, 0, 0), {"input": 12, "output": 34}),
            Use(
                api,
                "read",
                message(21, 393, 188_086, 0, 0, 0),
                {"input": 21, "read": 188_086, "output": 393},
            ),
            Use(
                api,
                "written",
                message(21, 393, 1000, 456, 100, 300),
                {"input": 21, "read": 1000, "write 5m": 456, "write 1h": 100, "output": 393},
            ),
        )
    ),
]
each_use = pytest.mark.parametrize("use", USES, ids=repr)


def dollars(bill: dict[str, int]) -> float:
    return sum(tokens * PRICES[line] for line, tokens in bill.items()) / 1e6


def billed(metrics: dict[str, int]) -> dict[str, int]:
    """Gives the bill that a span's counts make, whichever the provider."""
    read, long = metrics.get("prompt_cached_tokens", 0), metrics.get("prompt_cache_creation_1h_tokens", 0)
    written = metrics.get("prompt_cache_creation_tokens", 0)
    heard, spoken = metrics.get("prompt_audio_tokens", 0), metrics.get("completion_audio_tokens", 0)
    return {
        "input": metrics["prompt_tokens"] - read - written - heard,
        "read": read,
        "write 5m": written - long,
        "write 1h": long,
        "audio in": heard,
        "output": metrics["completion_tokens"] - spoken,
        "audio out": spoken,
    }


@each_use
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_a_span_bills_what_the_provider_bills(
    use: Use, streamed: bool, asynchronous: bool, provider: ProviderServer
) -> None:
    api = use.api
    provider.route(api.path, (api.streamed if streamed else api.whole)(usage=use.usage))
    given = {**api.given, "stream": streamed}
    if streamed and api is CHAT:
        given["stream_options"] = {"include_usage": True}

    async def main() -> None:
        async with api.aclient(provider) as client:
            answer = await api.resource(client).create(**given)
            if streamed:
                async for _chunk in answer:
                    pass

    with traced() as (captured, _), api.client(provider) as client:
        if asynchronous:
            asyncio.run(main())
        else:
            answer = api.resource(client).create(**given)
            list(answer if streamed else ())
        metrics = only(captured)["metrics"]
    assert {line: tokens for line, tokens in billed(metrics).items() if tokens} == use.bill
    assert dollars(billed(metrics)) == pytest.approx(dollars(use.bill))
    assert (
        metrics["tokens"] == metrics["prompt_tokens"] + metrics["completion_tokens"] == sum(use.bill.values())
    )
    reasoning = metrics.get("completion_reasoning_tokens", 0)
    details = use.usage.get("completion_tokens_details") or use.usage.get("output_tokens_details") or {}
    assert reasoning == details.get("reasoning_tokens", details.get("thinking_tokens", 0))
    assert reasoning <= metrics["completion_tokens"]
    assert metrics.get("cache_read_tokens", 0) == use.bill.get("read", 0)


@pytest.mark.parametrize("api", [MESSAGES, BETA], ids=repr)
def test_a_stream_that_is_left_bills_what_was_counted_until_then(api: Api, provider: ProviderServer) -> None:
    """Anthropic counts the prompt at the start of a stream, and one token of the answer."""
    provider.route(api.path, api.streamed(usage=message(21, 393, 1000, 456, 100, 0)))
    with traced() as (captured, _), api.client(provider) as client:
        with api.resource(client).create(**api.given, stream=True) as stream:
            next(stream)
        metrics = only(captured)["metrics"]
    written = {"input": 21, "read": 1000, "write 5m": 456, "write 1h": 100, "output": 1}
    assert {line: tokens for line, tokens in billed(metrics).items() if tokens} == written
