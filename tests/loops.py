"""Agents written by hand on the plain clients, and the model that they talk to.

The model asks twice for two tools, then answers; it knows where it is by the ids of the calls that come back.
It must not know what a span looks like.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.apis import CHAT, MESSAGES, RESPONSES, Api
from tests.loopback.listener import Request
from tests.loopback.reply import Reply

Way = Literal["chat", "messages", "items", "previous", "conversation"]
WAYS: tuple[Way, ...] = ("chat", "messages", "items", "previous", "conversation")
CALLS: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("weather", '{"city": "Oslo"}', {"city": "Oslo"}),
    ("clock", "{}", {}),
)
ROUNDS = 2
"""How often the model asks for tools."""
TOOL = {"type": "object", "properties": {"city": {"type": "string"}}}
_APIS: dict[str, Api] = {"chat": CHAT, "messages": MESSAGES}
Call = tuple[str, str]
"""The id and the name of a tool call."""


def api(way: Way) -> Api:
    """The API that a way of talking goes over."""
    return _APIS.get(way, RESPONSES)


def model(*, rounds: int = ROUNDS) -> Callable[[Request], Reply]:
    """Gives a model that asks so often for tools."""

    def answer(request: Request) -> Reply:
        body = request.json
        one = next(one for one in (CHAT, RESPONSES, MESSAGES) if one.path == request.route)
        tag, number = _where(body)
        build = one.streamed if body.get("stream") else one.whole
        name = f"r-{tag}-{number}"
        if number < rounds:
            calls = [(f"c-{tag}-{number + 1}-{at}", call, given) for at, (call, given, _) in enumerate(CALLS)]
            return build(tool_calls=calls, id=name)
        text = f"done with {tag}"
        return build([text], id=name) if body.get("stream") else build(text, id=name)

    return answer


def _where(body: dict[str, Any]) -> tuple[str, int]:
    """Gives what the user asked, and how many answers there were since."""
    history = body.get("messages") or body["input"]
    for item in reversed([{"role": "user", "content": history}] if isinstance(history, str) else history):
        found = re.search(r"'(?:tool_call_id|tool_use_id|call_id)': 'c-(.+?)-(\d+)-\d+'", repr(item))
        if found:
            return found[1], int(found[2])
        if item.get("role") == "user":
            return item["content"], 0
    raise AssertionError(f"nothing was asked: {history}")


@dataclass
class Talk:
    """One conversation, as an application keeps it."""

    way: Way
    history: list[Any] = field(default_factory=list)
    new: list[Any] = field(default_factory=list)
    previous: str | None = None

    def say(self, prompt: str) -> None:
        """Has the user say something."""
        self._add({"role": "user", "content": prompt})

    def _add(self, item: Any) -> None:
        self.history.append(item)
        self.new.append(item)

    def request(self, *, tools: bool = True) -> dict[str, Any]:
        """Gives the arguments of the next call."""
        given = {**api(self.way).given, **(self._tools() if tools else {})}
        if self.way in ("chat", "messages"):
            return {**given, "messages": self.history}
        if self.way == "items":
            return {**given, "input": self.history}
        if self.way == "conversation":
            return {**given, "input": self.new, "conversation": "conv-1"}
        named = {} if self.previous is None else {"previous_response_id": self.previous}
        return {**given, "input": self.new, **named}

    def _tools(self) -> dict[str, Any]:
        if self.way == "chat":
            named = [
                {"type": "function", "function": {"name": name, "parameters": TOOL}} for name, _, _ in CALLS
            ]
        elif self.way == "messages":
            named = [{"name": name, "input_schema": TOOL} for name, _, _ in CALLS]
        else:
            named = [{"type": "function", "name": name, "parameters": TOOL} for name, _, _ in CALLS]
        return {"tools": named}

    def take(self, answer: dict[str, Any]) -> list[Call]:
        """Takes an answer, as JSON; gives the calls that it asks for."""
        self.previous, self.new = answer["id"], []
        if self.way == "chat":
            message = answer["choices"][0]["message"]
            self.history.append({name: value for name, value in message.items() if value is not None})
            return [(call["id"], call["function"]["name"]) for call in message.get("tool_calls") or ()]
        if self.way == "messages":
            self.history.append({"role": "assistant", "content": answer["content"]})
            return [(one["id"], one["name"]) for one in answer["content"] if one["type"] == "tool_use"]
        self.history.extend(answer["output"])
        return [(one["call_id"], one["name"]) for one in answer["output"] if one["type"] == "function_call"]

    def bring(self, calls: Sequence[Call]) -> None:
        """Brings the results of calls."""
        results = [(identity, f"result of {name}") for identity, name in calls]
        if self.way == "chat":
            for identity, said in results:
                self._add({"role": "tool", "tool_call_id": identity, "content": said})
        elif self.way == "messages":
            blocks = [{"type": "tool_result", "tool_use_id": one, "content": said} for one, said in results]
            self._add({"role": "user", "content": blocks})
        else:
            for identity, said in results:
                self._add({"type": "function_call_output", "call_id": identity, "output": said})


def asked(talk: Talk, client: Any, *, stream: bool = False, tools: bool = True) -> dict[str, Any]:
    """Makes one call, and gives its answer as JSON."""
    create = api(talk.way).resource(client).create
    if not stream:
        found: dict[str, Any] = create(**talk.request(tools=tools)).to_dict()
        return found
    return whole(talk.way, list(create(**talk.request(tools=tools), stream=True)))


async def aasked(talk: Talk, client: Any, *, stream: bool = False, tools: bool = True) -> dict[str, Any]:
    """Does the same with an asynchronous client."""
    create = api(talk.way).resource(client).create
    if not stream:
        found: dict[str, Any] = (await create(**talk.request(tools=tools))).to_dict()
        return found
    chunks = [chunk async for chunk in await create(**talk.request(tools=tools), stream=True)]
    return whole(talk.way, chunks)


def turn(talk: Talk, client: Any, prompt: str, *, stream: bool = False, last_tools: bool = True) -> str:
    """Does what the user asks, in a loop written by hand; gives what the model said last."""
    talk.say(prompt)
    for number in range(ROUNDS + 1):
        answer = asked(talk, client, stream=stream, tools=last_tools or number < ROUNDS)
        calls = talk.take(answer)
        if not calls:
            break
        talk.bring(calls)
    return repr(answer)


async def aturn(talk: Talk, client: Any, prompt: str, *, stream: bool = False) -> str:
    """Does the same with an asynchronous client."""
    talk.say(prompt)
    for _ in range(ROUNDS + 1):
        answer = await aasked(talk, client, stream=stream)
        calls = talk.take(answer)
        if not calls:
            break
        talk.bring(calls)
    return repr(answer)


def whole(way: Way, chunks: Sequence[Any]) -> dict[str, Any]:
    """Puts the chunks of a stream together, the way applications do."""
    if way not in ("chat", "messages"):
        found: dict[str, Any] = chunks[-1].response.to_dict()
        return found
    if way == "messages":
        return {"id": chunks[0].message.id, "content": _blocks(chunks)}
    calls: dict[int, dict[str, Any]] = {}
    text = ""
    for delta in (choice.delta for chunk in chunks for choice in chunk.choices):
        text += delta.content or ""
        for piece in delta.tool_calls or ():
            call = calls.setdefault(
                piece.index, {"id": piece.id, "type": "function", "function": {"name": "", "arguments": ""}}
            )
            call["function"]["name"] += piece.function.name or ""
            call["function"]["arguments"] += piece.function.arguments or ""
    message = {
        "role": "assistant",
        "content": text or None,
        **({"tool_calls": [*calls.values()]} if calls else {}),
    }
    return {"id": chunks[0].id, "choices": [{"message": message}]}


def _blocks(chunks: Sequence[Any]) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    given = ""
    for event in chunks:
        if event.type == "content_block_start":
            blocks.append(event.content_block.to_dict())
            given = ""
        elif event.type == "content_block_delta":
            given += str(getattr(event.delta, "partial_json", "") or getattr(event.delta, "text", ""))
        elif event.type == "content_block_stop":
            if blocks[-1]["type"] == "tool_use":
                blocks[-1]["input"] = json.loads(given or "{}")
            else:
                blocks[-1]["text"] = given
    return blocks
