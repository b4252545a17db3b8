"""Calls of either SDK, in every way in which a worker asks: plainly, as a stream, in a loop with a tool, asynchronously.

Each notes in the ledger what has ended.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from tests.chaos.keys import marked
from tests.chaos.ledger import Ledger

_NAME = "look_up"
_PARAMETERS = {"type": "object", "properties": {"text": {"type": "string"}}}
_OPENAI_TOOL = {"type": "function", "function": {"name": _NAME, "parameters": _PARAMETERS}}
_ANTHROPIC_TOOL = {"name": _NAME, "input_schema": _PARAMETERS}
_STREAMED: Any = {"stream": True, "stream_options": {"include_usage": True}}


@dataclass(frozen=True)
class Asking:
    """One SDK: its clients, and what is asked of them."""

    client: Callable[[], Any]
    aclient: Callable[[], Any]
    ways: tuple[Callable[[Any, Ledger], None], ...]
    aways: tuple[Callable[[Any, Ledger], Awaitable[None]], ...]


def look_up(text: str) -> str:
    """The tool."""
    return f"found {text}"


def _said(key: str, **given: object) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": f"Say {marked(key)}"}], **given}


def _looked_up(arguments: Any, ledger: Ledger) -> tuple[str, str]:
    """Runs the tool; gives the key that it was asked for, and what it found."""
    key, result = arguments["text"].strip("[]"), look_up(**arguments)
    ledger.ended("tool", key)
    return key, result


def _openai() -> Any:
    import openai

    return openai.OpenAI(max_retries=0, http_client=openai.DefaultHttpxClient(verify=False))


def _openai_async() -> Any:
    import openai

    return openai.AsyncOpenAI(max_retries=0, http_client=openai.DefaultAsyncHttpxClient(verify=False))


def _completion(client: Any, ledger: Ledger) -> None:
    key = ledger.key()
    client.chat.completions.create(**_said(key))
    ledger.ended("llm", key)


def _streamed_completion(client: Any, ledger: Ledger) -> None:
    key = ledger.key()
    for _chunk in client.chat.completions.create(**_said(key), **_STREAMED):
        pass
    ledger.ended("llm", key)


def _loop_of_completions(client: Any, ledger: Ledger) -> None:
    turn = key = ledger.key()
    asked = _said(key, tools=[_OPENAI_TOOL])
    while True:
        message = client.chat.completions.create(**asked).choices[0].message
        ledger.ended("llm", key)
        if not message.tool_calls:
            break
        call = message.tool_calls[0]
        key, result = _looked_up(json.loads(call.function.arguments), ledger)
        asked["messages"] += [message, {"role": "tool", "tool_call_id": call.id, "content": result}]
    ledger.ended("turn", turn)


async def _acompletion(client: Any, ledger: Ledger) -> None:
    key = ledger.key()
    await client.chat.completions.create(**_said(key))
    ledger.ended("llm", key)


async def _astreamed_completion(client: Any, ledger: Ledger) -> None:
    key = ledger.key()
    async for _chunk in await client.chat.completions.create(**_said(key), **_STREAMED):
        pass
    ledger.ended("llm", key)


def _anthropic() -> Any:
    import anthropic

    return anthropic.Anthropic(max_retries=0, http_client=anthropic.DefaultHttpxClient(verify=False))


def _anthropic_async() -> Any:
    import anthropic

    transport = anthropic.DefaultAsyncHttpxClient(verify=False)
    return anthropic.AsyncAnthropic(max_retries=0, http_client=transport)


def _message(client: Any, ledger: Ledger) -> None:
    key = ledger.key()
    client.messages.create(**_said(key, max_tokens=9))
    ledger.ended("llm", key)


def _streamed_message(client: Any, ledger: Ledger) -> None:
    key = ledger.key()
    with client.messages.stream(**_said(key, max_tokens=9)) as stream:
        stream.get_final_message()
    ledger.ended("llm", key)


def _loop_of_messages(client: Any, ledger: Ledger) -> None:
    turn = key = ledger.key()
    asked = _said(key, max_tokens=9, tools=[_ANTHROPIC_TOOL])
    while True:
        content = client.messages.create(**asked).content
        ledger.ended("llm", key)
        call = next((block for block in content if block.type == "tool_use"), None)
        if call is None:
            break
        key, result = _looked_up(call.input, ledger)
        answer = {"type": "tool_result", "tool_use_id": call.id, "content": result}
        asked["messages"] += [
            {"role": "assistant", "content": content},
            {"role": "user", "content": [answer]},
        ]
    ledger.ended("turn", turn)


async def _amessage(client: Any, ledger: Ledger) -> None:
    key = ledger.key()
    await client.messages.create(**_said(key, max_tokens=9))
    ledger.ended("llm", key)


async def _astreamed_message(client: Any, ledger: Ledger) -> None:
    key = ledger.key()
    async for _event in await client.messages.create(**_said(key, max_tokens=9), stream=True):
        pass
    ledger.ended("llm", key)


ASKINGS = {
    "openai": Asking(
        _openai,
        _openai_async,
        (_completion, _streamed_completion, _loop_of_completions),
        (_acompletion, _astreamed_completion),
    ),
    "anthropic": Asking(
        _anthropic,
        _anthropic_async,
        (_message, _streamed_message, _loop_of_messages),
        (_amessage, _astreamed_message),
    ),
}
