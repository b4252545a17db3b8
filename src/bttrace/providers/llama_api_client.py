"""The `llama-api-client`: a chat of its own shape, told in OpenAI's. PURE.

Source: llama-api-client 0.6 (`types`). An answer is one `completion_message`, its tokens a
list of named `metrics`; a tool call's id comes with the first of its deltas alone.
"""

from __future__ import annotations

from dataclasses import replace

from ..model import Json, Provider
from ..values import at, field, json_object, objects, plain, text
from .openai.chat import CHAT
from .text import Text, continue_text

# the API's name of a count -> OpenAI's
_COUNTS = {
    "num_prompt_tokens": "prompt_tokens",
    "num_completion_tokens": "completion_tokens",
    "num_total_tokens": "total_tokens",
}


def is_first_token(chunk: object) -> bool:
    """Tells whether an event carries generated content."""
    delta = at(chunk, "event.delta")
    return bool(field(delta, "text")) or field(delta, "type") == "tool_call"


def chat_completion(response: Json) -> Json:
    """Gives an answer as a chat completion."""
    answer = json_object(response.get("completion_message"))
    choice = {"index": 0, "message": _message(answer), "finish_reason": answer.get("stop_reason")}
    counted = {str(metric.get("metric")): metric.get("value") for metric in objects(response.get("metrics"))}
    usage = {name: counted[theirs] for theirs, name in _COUNTS.items() if theirs in counted}
    return {**response, "choices": [choice], "usage": usage}


def messages(request: Json) -> object:
    """Gives the messages as OpenAI has them."""
    return [_message(message) for message in objects(request.get("messages"))]


def _message(message: Json) -> Json:
    told = {name: value for name, value in message.items() if name != "stop_reason"}
    content = message.get("content")
    if isinstance(content, dict):
        told["content"] = content.get("text")
    calls = [{"type": "function", **call} for call in objects(message.get("tool_calls"))]
    return {**told, "tool_calls": calls} if calls else told


class EventFold:
    """Puts events together into an answer."""

    def __init__(self) -> None:
        self._id: str | None = None
        self._content = Text()
        self._calls: list[Json] = []
        self._reason: str | None = None
        self._metrics: object = None

    def add(self, chunk: object) -> None:
        """Takes the next event."""
        event = field(chunk, "event")
        delta = field(event, "delta")
        piece = text(field(delta, "text"))
        if piece:
            self._content.add(piece)
        if field(delta, "type") == "tool_call":
            self._call(delta)
        self._id = text(field(chunk, "id")) or self._id
        self._reason = text(field(event, "stop_reason")) or self._reason
        self._metrics = plain(field(event, "metrics")) or self._metrics

    def _call(self, delta: object) -> None:
        given = text(field(delta, "id"))
        if not self._calls or (given and given != self._calls[-1]["id"]):
            self._calls.append({"id": given, "name": None})
        call = self._calls[-1]
        call["name"] = text(at(delta, "function.name")) or call["name"]
        continue_text(call, "arguments", at(delta, "function.arguments"))

    def response(self) -> Json:
        """Gives the answer so far; an empty object when none came."""
        if not (self._content or self._calls or self._reason or self._metrics):
            return {}
        calls = [
            {
                "id": call["id"],
                "function": {"name": call["name"], "arguments": str(call.get("arguments", ""))},
            }
            for call in self._calls
        ]
        message: Json = {"role": "assistant", "content": str(self._content), "stop_reason": self._reason}
        if calls:
            message["tool_calls"] = calls
        return {"id": self._id, "completion_message": message, "metrics": self._metrics}


PROVIDER = Provider(
    sdk="llama_api_client",
    name="meta",
    endpoints=(
        replace(
            CHAT,
            request_model="llama_api_client.types.chat.completion_create_params.CompletionCreateParamsBase",
            response_model="llama_api_client.types.CreateChatCompletionResponse",
            chunk_model="llama_api_client.types.CreateChatCompletionResponseStreamChunk",
            input=messages,
            normal=chat_completion,
            usage={
                "prompt_tokens": ("usage.prompt_tokens",),
                "completion_tokens": ("usage.completion_tokens",),
                "tokens": ("usage.total_tokens",),
            },
            details={"response_id": "id"},
            is_first_token=is_first_token,
            is_first_text=lambda chunk: bool(at(chunk, "event.delta.text")),
            fold=EventFold,
        ),
    ),
)
