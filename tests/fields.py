"""Calls that between them show every field of a span: made once for all tests of fields, with the real SDKs over loopback.

It owns the stories, and which rows are whose. What a row must say is the tests' own.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from typing import Any
from warnings import catch_warnings, simplefilter

import openai
import pytest

from bttrace.testing import CountedIds, ManualClock, capture
from tests import flows
from tests.apis import BETA, CHAT, MESSAGES, RESPONSES
from tests.elsewhere import ToLoopback
from tests.loopback.listener import Request
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import chat, chat_stream, content, message, message_stream, openai_error, response
from tests.loopback.reply import Reply
from tests.openai_cases import CASES
from tests.stages import (
    CHAT_USAGE,
    COMPACT,
    FUNCTION,
    KEYS,
    MESSAGE_USAGE,
    ON,
    PICTURE,
    RESPONSE_USAGE,
    SAMPLING,
    SPAN_ID,
    SUMMARISED,
    SUMMARY,
    SYSTEM,
    TOOLS,
    TRACE_ID,
    USER,
    WEATHER,
    Stage,
)

Row = dict[str, Any]


def _called(*names: str) -> Reply:
    return chat(tool_calls=[(f"call_{name}", name, '{"city": "Oslo"}') for name in names], usage=CHAT_USAGE)


def _loop(stage: Stage, *, fails: bool = False) -> None:
    """An agent's loop as written by hand; it answers for `clock` itself, where nobody sees it."""
    client = stage.client
    messages: list[Any] = [SYSTEM, USER]
    while True:
        answer = stage.ask(client, messages=messages, tools=[FUNCTION]).choices[0].message
        if not answer.tool_calls:
            return
        messages.append(answer)
        for call in answer.tool_calls:
            name = call.function.name
            try:
                result = str(TOOLS[name]("Oslo")) if name in TOOLS else "12:00"
            except LookupError as error:
                result = f"error: {error}"
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
        if fails:
            with pytest.raises(openai.BadRequestError):
                stage.ask(client, messages=messages, tools=[FUNCTION])
            return


def _a_turn(stage: Stage) -> None:
    stage.provider.reply(_called("weather", "broken", "clock"), chat("It is clear.", usage=CHAT_USAGE))
    _loop(stage)


def _a_delegation(stage: Stage) -> None:
    stage.provider.reply(_called("expert"), chat("Rain, says the expert."), chat("It rains."))
    _loop(stage)


def _a_failed_turn(stage: Stage) -> None:
    stage.provider.reply(_called("weather"), openai_error(400, "Too much weather."))
    _loop(stage, fails=True)


def _a_mumbled_call(stage: Stage) -> None:
    stage.provider.reply(chat(tool_calls=[("call_1", "weather", '{"city": "Os')]), chat("Sorry."))
    client = stage.client
    answer = stage.ask(client, tools=[FUNCTION]).choices[0].message
    failed = {"role": "tool", "tool_call_id": "call_1", "content": "What?"}
    stage.ask(client, messages=[SYSTEM, USER, answer, failed], tools=[FUNCTION])


def _an_abandoned_turn(stage: Stage) -> None:
    stage.provider.reply(_called("weather"))
    stage.ask(tools=[FUNCTION])


def _a_cancelled_call(stage: Stage) -> None:
    sent = threading.Event()

    def slow(_request: Request) -> Reply:
        sent.set()
        return replace(chat(), wait=5.0)

    async def main() -> None:
        async with CHAT.aclient(stage.provider) as client:
            task = asyncio.create_task(client.chat.completions.create(**{**CHAT.given, "tools": [FUNCTION]}))
            assert await asyncio.to_thread(sent.wait, 30)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    stage.provider.reply(slow)
    asyncio.run(main())


def _a_workflow(stage: Stage) -> None:
    stage.provider.reply(chat(tool_calls=[("c1", "weather", "{}")]), chat("Sunny."), chat("Go."))
    flows.handle(stage.client, "Porto")


def _a_compaction(stage: Stage) -> None:
    stage.provider.reply(
        content([SUMMARY, {"type": "text", "text": "Hi."}], usage={"iterations": SUMMARISED})
    )
    with BETA.client(stage.provider) as client:
        client.beta.messages.create(**BETA.given, context_management={"edits": [COMPACT]})


# Single calls.


def _a_chat(stage: Stage) -> None:
    stage.provider.reply(replace(chat(usage=CHAT_USAGE), wait=0))
    stage.ask(**SAMPLING, user="u-1", prompt_cache_key="s-1", seed=7, extra_headers={"x-mine": "a header"})


def _a_stream(stage: Stage) -> None:
    stage.provider.reply(chat_stream(usage=CHAT_USAGE))
    stage.read(stage.ask(stream=True, stream_options={"include_usage": True}))


def _a_stream_without_usage(stage: Stage) -> None:
    stage.provider.reply(chat_stream())
    stage.read(stage.ask(stream=True))


def _a_stream_of_nothing(stage: Stage) -> None:
    stage.provider.reply(chat_stream([]))
    stage.read(stage.ask(stream=True))


def _a_stream_that_is_left(stage: Stage) -> None:
    stage.provider.reply(chat_stream())
    with stage.ask(stream=True) as stream:
        next(stream)


def _a_response(stage: Stage) -> None:
    stage.provider.reply(response(usage=RESPONSE_USAGE))
    function = {"type": "function", **FUNCTION["function"]}
    with RESPONSES.client(stage.provider) as client:
        client.responses.create(
            model="gpt-5-mini",
            instructions="Be brief.",
            input="Will it rain?",
            temperature=0.5,
            top_p=0.9,
            max_output_tokens=64,
            text={"format": {"type": "text"}},
            tools=[function],
            tool_choice={"type": "function", "name": "weather"},
            parallel_tool_calls=False,
            reasoning={"effort": "low"},
            service_tier="default",
            safety_identifier="u-1",
            conversation="conv-1",
        )


def _a_message(stage: Stage) -> None:
    stage.provider.reply(message(usage=MESSAGE_USAGE))
    with MESSAGES.client(stage.provider) as client:
        client.messages.create(
            **MESSAGES.given,
            extra_body={"temperature": 0.5, "top_p": 0.9},  # gone from anthropic 2's signature
            system="Be brief.",
            stop_sequences=["END"],
            tools=[{"name": "weather", "input_schema": WEATHER}],
            tool_choice={"type": "tool", "name": "weather"},
            thinking={"type": "disabled"},
            service_tier="auto",
            metadata={"user_id": "u-1"},
        )


def _a_streamed_message(stage: Stage) -> None:
    stage.provider.reply(message_stream(usage=MESSAGE_USAGE))
    with MESSAGES.client(stage.provider) as client:
        stage.read(client.messages.create(**MESSAGES.given, stream=True))


def _through_openrouter(stage: Stage) -> None:
    stage.provider.reply(chat(usage={**CHAT_USAGE, "cost": 0.0125}))
    http = openai.DefaultHttpxClient(transport=ToLoopback(stage.provider))
    with openai.OpenAI(base_url="https://openrouter.ai/api/v1", api_key="k", http_client=http) as client:
        stage.ask(client)


def _with_openrouter_s_keys(stage: Stage) -> None:
    """The example of OpenRouter's page, twice; then a call that hangs itself beneath the first one's span."""
    stage.provider.reply(chat())
    stage.ask(user="user_12345", extra_body=KEYS)
    stage.ask(user="user_12345", extra_body=KEYS, extra_headers={"x-session-id": "of the header"})
    stage.ask(extra_body={"trace": {"trace_id": TRACE_ID, "parent_span_id": SPAN_ID}})
    stage.ask(extra_headers={"x-session-id": "of the header"})


def _a_retry(stage: Stage) -> None:
    soon = openai_error(429, headers={"retry-after-ms": "1"})
    stage.provider.reply(soon, soon, chat())
    stage.ask(stage.closing.enter_context(CHAT.client(stage.provider, max_retries=3)))


def _an_error(stage: Stage) -> None:
    stage.provider.reply(openai_error(400, "No weather for sk-proj-" + "A1b2" * 12))
    with pytest.raises(openai.BadRequestError):
        stage.ask()


def _a_picture(stage: Stage) -> None:
    stage.provider.reply(chat())
    part = {"type": "image_url", "image_url": {"url": PICTURE}}
    stage.ask(messages=[{"role": "user", "content": [part]}])


_STORIES: Mapping[str, Callable[[Stage], None]] = {
    "chat": _a_chat,
    "stream": _a_stream,
    "stream without usage": _a_stream_without_usage,
    "stream of nothing": _a_stream_of_nothing,
    "stream that is left": _a_stream_that_is_left,
    "response": _a_response,
    "message": _a_message,
    "streamed message": _a_streamed_message,
    "openrouter": _through_openrouter,
    "keys": _with_openrouter_s_keys,
    "retry": _a_retry,
    "error": _an_error,
    "picture": _a_picture,
    "turn": _a_turn,
    "turn of a mumbling model": _a_mumbled_call,
    "delegation": _a_delegation,
    "failed turn": _a_failed_turn,
    "cancelled turn": _a_cancelled_call,
    "workflow": _a_workflow,
    "compaction": _a_compaction,
    "abandoned turn": _an_abandoned_turn,
}
_APART = 1000  # seconds from one story to the next, by which rows are told apart


def tell(story: str, provider: ProviderServer, clock: ManualClock | None = None) -> None:
    """Tells one story, whoever listens."""
    with ExitStack() as closing:
        ON[:] = [Stage(provider, clock or ManualClock(), closing)]
        _STORIES[story](ON[0])


def _endpoints(clock: ManualClock) -> list[str]:
    """Makes one call of each endpoint of OpenAI that answers at once."""
    for case in CASES:
        clock.advance(_APART)
        with ProviderServer() as provider, CHAT.client(provider) as client, catch_warnings():
            simplefilter("ignore", DeprecationWarning)  # the SDK's own, of endpoints that are old by now
            provider.route(case.path, case.reply)
            case.make(client)
    return [repr(case) for case in CASES]


@cache
def told(**options: Any) -> Mapping[str, list[Row]]:
    """Gives the rows of each story, in the order in which they were heard of, and of each endpoint.

    They are made only once. For tests alone, whose environment is clean; not for what a module is made of.
    """
    assert "BTTRACE_STRICT" in os.environ
    clock, names = ManualClock(), []
    observed = {"tools": "tests.stages:TOOLS", "discover_tools": False}
    named = {"workflows": "tests.flows:handle", "tasks": "tests.flows:research"}
    with capture(clock=clock, ids=CountedIds(), **observed, **named, **options) as captured:
        for name in _STORIES:
            clock.advance(_APART)
            with ProviderServer() as provider:
                tell(name, provider, clock)
            assert captured.rows
            names.append(name)
        names += _endpoints(clock)
    found: dict[str, list[Row]] = {name: [] for name in names}
    for row in sorted(captured.rows, key=lambda row: str(row["span_id"])):  # as they were counted
        found[names[int((row["metrics"]["start"] - 1_700_000_000) // _APART) - 1]].append(row)
    return found


def generation(story: str, **options: Any) -> Row:
    """Gives the first model call of a story."""
    return next(row for row in told(**options)[story] if row["span_attributes"]["type"] == "llm")


def step(story: str, name: str, **options: Any) -> Row:
    """Gives the span of a story that has this name, or begins so."""
    return next(row for row in told(**options)[story] if row["span_attributes"]["name"].startswith(name))
