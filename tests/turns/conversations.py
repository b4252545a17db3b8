"""Conversations on the wire: what the three APIs are asked and answer, in each of the ways in which they go on.

It owns the JSON. It must not know of turns, nor of what becomes of it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Literal

from bttrace.evidence import Conversation
from bttrace.providers.conversations.chat import ChatConversation
from bttrace.providers.conversations.messages import MessagesConversation
from bttrace.providers.conversations.responses import ResponsesConversation

Json = dict[str, Any]
Way = Literal["chat", "chat cut", "messages", "thread", "items", "previous", "conversation"]
WAYS: tuple[Way, ...] = ("chat", "chat cut", "messages", "thread", "items", "previous", "conversation")
NUMBERED: tuple[Way, ...] = ("chat", "messages", "thread", "items", "previous")
"""Those that tell which call is meant even where ids come again."""
READERS: dict[str, Conversation] = {
    "chat": ChatConversation(),
    "chat cut": ChatConversation(),
    "messages": MessagesConversation(),
    "thread": MessagesConversation(),
    "items": ResponsesConversation(),
    "previous": ResponsesConversation(),
    "conversation": ResponsesConversation(),
}


@dataclass
class Called:
    """A tool call as a model asked for it; without an `id` where the host gives none."""

    id: str | None
    name: str
    arguments: Json


@dataclass
class Returned:
    """A result that an application brings."""

    id: str | None
    name: str
    content: str
    is_error: bool = False


@dataclass
class Wire:
    """One conversation of an application with a model."""

    way: Way
    session: str
    history: list[Json] = field(default_factory=list)
    new: list[Json] = field(default_factory=list)
    previous: str | None = None

    @property
    def reader(self) -> Conversation:
        """What reads it."""
        return READERS[self.way]

    def say(self, prompt: str) -> None:
        """Has the user say something."""
        self._add({"role": "user", "content": prompt})

    def bring(self, results: Sequence[Returned]) -> None:
        """Brings results."""
        if self.way in ("chat", "chat cut"):
            for result in results:
                named = {"name": result.name} if result.id is None else {"tool_call_id": result.id}
                self._add({"role": "tool", "content": result.content, **named})
        elif self.way in ("messages", "thread"):
            blocks = [
                {
                    "type": "tool_result",
                    "tool_use_id": result.id,
                    "content": result.content,
                    **({"is_error": True} if result.is_error else {}),
                }
                for result in results
            ]
            self._add({"role": "user", "content": blocks})
        else:
            for result in results:
                self._add(
                    {
                        "type": "function_call_output",
                        "call_id": result.id,
                        "output": result.content,
                        **({"status": "failed"} if result.is_error else {}),
                    }
                )

    def _add(self, item: Json) -> None:
        self.history.append(item)
        self.new.append(item)

    def request(self, *, offers: bool = True) -> Json:
        """Gives the request as it would leave now."""
        tools: Json = {"tools": [{"type": "function", "name": "any"}]} if offers else {}
        if self.way in ("chat", "chat cut"):
            cut = 0
            if self.way == "chat cut":  # what the model said last, and what came after it
                models = [at for at, one in enumerate(self.history) if one["role"] == "assistant"]
                cut = models[-1] if models else 0
            return {"model": "m", "messages": deepcopy(self.history[cut:]), **tools}
        if self.way == "messages":
            return {"model": "m", "messages": deepcopy(self.history), **tools}
        if self.way == "thread":
            thread = {"previous_message_id": self.previous} if self.previous else {"type": "new"}
            return {"model": "m", "messages": deepcopy(self.new), "thread": thread, **tools}
        if self.way == "items":
            return {"model": "m", "input": deepcopy(self.history), **tools}
        if self.way == "conversation":
            return {"model": "m", "input": deepcopy(self.new), "conversation": self.session, **tools}
        goes_on = {"previous_response_id": self.previous} if self.previous else {}
        return {"model": "m", "input": deepcopy(self.new), **goes_on, **tools}

    def response(
        self, identity: str, text: str | None, calls: Sequence[Called], cut: int | None = None
    ) -> Json:
        """Gives an answer; with `cut`, as much as has come when the arguments of that call have come in part."""
        heard = list(calls) if cut is None else list(calls)[: cut + 1]
        if self.way in ("chat", "chat cut"):
            message: Json = {"role": "assistant", "content": text}
            asked = [_chat_call(call, whole=at != cut) for at, call in enumerate(heard)]
            if asked:
                message["tool_calls"] = asked
            reason = None if cut is not None else "tool_calls" if asked else "stop"
            return {"id": identity, "choices": [{"index": 0, "message": message, "finish_reason": reason}]}
        if self.way in ("messages", "thread"):
            blocks: list[Json] = [] if text is None else [{"type": "text", "text": text}]
            blocks += [
                {
                    "type": "tool_use",
                    "id": call.id,
                    "name": call.name,
                    "input": call.arguments if at != cut else {},
                }
                for at, call in enumerate(heard)
            ]
            reason = None if cut is not None else "tool_use" if calls else "end_turn"
            return {"id": identity, "role": "assistant", "content": blocks, "stop_reason": reason}
        items: list[Json] = [{"type": "reasoning", "id": f"rs_{identity}", "summary": []}] if calls else []
        if text is not None:
            part = {"type": "output_text", "text": text}
            items.append({"type": "message", "role": "assistant", "content": [part]})
        for at, call in enumerate(heard):
            given = json.dumps(call.arguments)
            items.append(
                {
                    "type": "function_call",
                    "call_id": call.id,
                    "name": call.name,
                    "arguments": given if at != cut else given[:-1],
                }
            )
        return {
            "id": identity,
            "output": items,
            "status": "completed" if cut is None else "in_progress",
        }

    def take(self, response: Json) -> None:
        """Takes an answer into the history."""
        self.previous, self.new = response["id"], []
        if self.way in ("chat", "chat cut"):
            self.history.append(response["choices"][0]["message"])
        elif self.way in ("messages", "thread"):
            self.history.append({"role": "assistant", "content": response["content"]})
        else:
            self.history.extend(response["output"])

    def content(self, response: Json) -> object:
        """Gives the content of an answer, as the user would see it."""
        if self.way in ("chat", "chat cut"):
            return response["choices"][0]["message"]["content"]
        if self.way in ("messages", "thread"):
            return response["content"]
        return next(item["content"] for item in reversed(response["output"]) if item["type"] == "message")


def _chat_call(call: Called, *, whole: bool) -> Json:
    given = json.dumps(call.arguments)
    told: Json = {
        "type": "function",
        "function": {"name": call.name, "arguments": given if whole else given[:-1]},
    }
    return told if call.id is None else {"id": call.id, **told}
