"""ProviderServer through Anthropic's real SDK."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import anthropic
import pytest

from tests.loopback.provider import ProviderServer
from tests.loopback.replies import MESSAGE_USAGE, anthropic_error_event, message, message_stream

CALL = ("call_1", "weather", '{"city": "Oslo", "days": 3}')
CLAUDE = "claude-haiku-4-5"
ASKED: list[Any] = [{"role": "user", "content": "hi"}]


@pytest.fixture
def ant(provider: ProviderServer) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(
        base_url=provider.anthropic_url, api_key="k", max_retries=0, timeout=10
    ) as client:
        yield client


class TestAnthropic:
    def test_messages(self, provider: ProviderServer, ant: Any) -> None:
        provider.reply(message(thinking="hm"), message("look", [CALL], usage={"output_tokens": 9}))
        plain, called = (ant.messages.create(model=CLAUDE, max_tokens=9, messages=ASKED) for _ in range(2))
        assert [block.type for block in plain.content] == ["thinking", "text"]
        assert plain.usage.model_dump(exclude_unset=True) == MESSAGE_USAGE
        assert [block.type for block in called.content] == ["text", "tool_use"]
        assert called.content[1].input == {"city": "Oslo", "days": 3}
        assert (called.stop_reason, called.usage.output_tokens) == ("tool_use", 9)

    @pytest.mark.parametrize("beta", [False, True])
    def test_streams_add_up_in_the_sdks_own_helper(
        self, provider: ProviderServer, ant: Any, beta: bool
    ) -> None:
        provider.route("/v1/messages", message_stream(["a", "b"], [CALL], thinking=["h", "m"]))
        messages = ant.beta.messages if beta else ant.messages
        query = {"beta": "true"} if beta else {}
        with messages.stream(model=CLAUDE, max_tokens=9, messages=ASKED, extra_query=query) as stream:
            final = stream.get_final_message()
        thinking, text, tool = final.content
        assert (thinking.thinking, thinking.signature, text.text) == ("hm", "c2lnbmF0dXJl", "ab")
        assert (tool.id, tool.name, tool.input) == ("call_1", "weather", {"city": "Oslo", "days": 3})
        assert final.stop_reason == "tool_use"
        assert final.usage.cache_creation.ephemeral_5m_input_tokens == 4
        assert (final.usage.output_tokens, final.usage.cache_read_input_tokens) == (7, 3)
        (request,) = provider.requests
        assert request.path == "/v1/messages" + ("?beta=true" if beta else "")
        assert (request.route, request.query) == ("/v1/messages", query)

    def test_the_async_client(self, provider: ProviderServer) -> None:
        provider.reply(message("whole"), message_stream(["a", "b"]))

        async def conversation() -> tuple[Any, list[str]]:
            async with anthropic.AsyncAnthropic(
                base_url=provider.anthropic_url, api_key="k", timeout=10
            ) as client:
                messages = client.messages
                whole = await messages.create(model=CLAUDE, max_tokens=9, messages=ASKED)
                stream = await messages.create(model=CLAUDE, max_tokens=9, messages=ASKED, stream=True)
                return whole, [event.type async for event in stream]

        whole, events = asyncio.run(conversation())
        assert whole.content[0].text == "whole"
        deltas = ["content_block_delta"] * 2
        ending = ["content_block_stop", "message_delta", "message_stop"]
        assert events == ["message_start", "content_block_start", *deltas, *ending]

    def test_a_stream_breaks_off_with_an_error_event(self, provider: ProviderServer, ant: Any) -> None:
        begun = message_stream(["a"])
        provider.reply(replace(begun, events=(*begun.events[:4], anthropic_error_event("busy"))))
        with (
            pytest.raises(anthropic.APIStatusError, match="busy"),
            ant.messages.stream(model=CLAUDE, max_tokens=9, messages=ASKED) as stream,
        ):
            stream.get_final_message()
