"""OpenAI's connections: Realtime, and the websocket mode of Responses. PURE.

Source: the events of openai 3.52 (`types/realtime`, `types/responses/responses_client_event.py`
and `responses_server_event.py`); Realtime's beta, which the SDK has since 1.58, calls some of
them otherwise (`types/beta/realtime`).

A Realtime response is asked with what the session and the conversation say by then. Of
that, what the server announced is kept, within bounds. Audio itself is never kept: of what
was spoken, the transcripts are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from ...model import Connection, Endpoint, Json
from ...values import at, field, items, json_object, plain, position, text
from ..conversations.realtime import RealtimeConversation
from ..conversations.served_items import moment
from .response_events import ResponseFold, is_first_token
from .responses import RESPONSES, chat_tool_choice, chat_tools, with_instructions
from .terms import realtime_terms

_ITEMS = 100  # of a conversation that are kept, the latest
_SIZE = 2**20  # characters of JSON that the items of a conversation may come to

_DONE = "response.done"
_TOLD = frozenset({"conversation.item.added", "conversation.item.created", "conversation.item.done"})
_TRANSCRIBED = "conversation.item.input_audio_transcription.completed"
_PART_TEXTS = {
    subject: ("content", "content_index", name)
    for name, subjects in {
        "text": ("response.output_text", "response.text"),
        "transcript": ("response.output_audio_transcript", "response.audio_transcript"),
    }.items()
    for subject in subjects
}


class Conversation:
    """What is known of one Realtime session: its settings, and the items of its conversation."""

    def __init__(self, query: Mapping[str, str]) -> None:
        # Azure's clients name the model as a deployment (openai 3.52, `lib/azure.py`).
        self._model = query.get("model") or query.get("deployment")
        self._session: Json = {}
        self._items: dict[str, Json] = {}
        self._sizes: dict[str, int] = {}

    def hear(self, event: Json) -> None:
        """Takes an event of the server."""
        kind = text(event.get("type"))
        if kind in _TOLD:
            self._tell(json_object(event.get("item")), text(event.get("previous_item_id")))
        elif kind == _TRANSCRIBED:
            self._transcribe(event)
        elif kind == "conversation.item.deleted":
            self._forget(text(event.get("item_id")) or "")
        elif kind in ("session.created", "session.updated"):
            self._session = json_object(event.get("session"))
            if kind == "session.created":  # again, after the SDK has connected again
                self._items.clear()
                self._sizes.clear()

    def request(self, asked: Json) -> Json:
        """Gives the session's settings and the conversation, unless `response.create` says otherwise."""
        said = json_object(asked.get("response"))
        own = said.get("input")
        given = list(self._items.values()) if own is None else list(self._resolved(own))
        return {"model": self._model, **self._session, **said, "input": given}

    def _resolved(self, own: object) -> Iterator[object]:
        """Yields items that a response is asked with instead, those that it refers to included."""
        for item in map(json_object, items(own)):
            known = self._items.get(text(item.get("id")) or "")
            yield known if known and item.get("type") == "item_reference" else _without_audio(item)

    def _tell(self, item: Json, previous: str | None) -> None:
        identity = text(item.get("id"))
        if identity is None:
            return
        known = identity in self._items
        self._items[identity] = kept = _without_audio(item)
        self._sizes[identity] = len(json.dumps(kept))
        if previous in self._items and not known:
            self._place_after(previous, identity)
        while len(self._items) > _ITEMS or sum(self._sizes.values()) > _SIZE:
            self._forget(next(iter(self._items)))

    def _place_after(self, previous: str, identity: str) -> None:
        order = list(self._items)[:-1]
        order.insert(order.index(previous) + 1, identity)
        self._items = {name: self._items[name] for name in order}

    def _forget(self, identity: str) -> None:
        self._items.pop(identity, None)
        self._sizes.pop(identity, None)

    def _transcribe(self, event: Json) -> None:
        """Writes what was spoken into its item, where a response that has begun sees it too."""
        parts = items(self._items.get(text(event.get("item_id")) or "", {}).get("content"))
        index = position(event.get("content_index"))
        if index < len(parts):
            json_object(parts[index])["transcript"] = event.get("transcript")


def _without_audio(item: Json) -> Json:
    """Gives an item without the sound itself, which may be megabytes."""
    content = item.get("content")
    if not isinstance(content, list):
        return item
    parts = (json_object(part) for part in content)
    return {**item, "content": [{name: part[name] for name in part if name != "audio"} for part in parts]}


class RealtimeFold:
    """Puts the events of one Realtime response together."""

    def __init__(self) -> None:
        self._fold = ResponseFold(_PART_TEXTS, (_DONE,))

    def add(self, chunk: object) -> None:
        """Takes the next event."""
        self._fold.add(chunk)

    def response(self) -> Json:
        """Gives the response so far, with its error where that of Responses stands."""
        found = self._fold.response()
        output = [_without_audio(json_object(plain(item))) for item in items(found.get("output"))]
        error = at(found, "status_details.error")
        return {**found, **({"output": output} if output else {}), **({"error": error} if error else {})}


def finish_reason(response: Json) -> str | None:
    """Gives why the response ended: the reason that its status has, else the status."""
    return text(at(response, "status_details.reason")) or text(response.get("status"))


def is_first_text(chunk: object) -> bool:
    """Tells whether an event carries words of the answer, written or spoken."""
    subject, _, step = (text(field(chunk, "type")) or "").rpartition(".")
    return step == "delta" and subject in _PART_TEXTS and bool(text(field(chunk, "delta")))


class Requests:
    """The dialogue of Responses, whose requests depend on nothing that was said before."""

    def __init__(self, query: Mapping[str, str]) -> None:
        """Takes the address's query, which says nothing of the request."""

    def hear(self, event: Json) -> None:
        """Passes an event over."""

    def request(self, asked: Json) -> Json:
        """Gives the request that `response.create` carries beside its own envelope."""
        return {name: asked[name] for name in asked if name not in ("type", "event_id", "stream_id")}


REALTIME = Endpoint(
    path="/realtime",
    api="realtime",
    braintrust_name="openai.realtime.response",
    request_model="openai.types.realtime.RealtimeSessionCreateRequest",
    response_model="openai.types.realtime.RealtimeResponse",
    chunk_model="openai.types.realtime.RealtimeServerEvent",
    input=with_instructions,
    output=("output",),
    usage={
        "prompt_tokens": ("usage.input_tokens",),
        "completion_tokens": ("usage.output_tokens",),
        "tokens": ("usage.total_tokens",),
        "prompt_cached_tokens": ("usage.input_token_details.cached_tokens",),
        "prompt_audio_tokens": ("usage.input_token_details.audio_tokens",),
        "completion_audio_tokens": ("usage.output_token_details.audio_tokens",),
    },
    terms=realtime_terms,
    parameters={
        "temperature": ("temperature",),
        "max_tokens": ("max_output_tokens", "max_response_output_tokens"),
        "tool_choice": ("tool_choice",),
        "parallel_tool_calls": ("parallel_tool_calls",),
        "reasoning": ("reasoning",),
    },
    details={"response_id": "id"},
    finish_reason=finish_reason,
    tools=chat_tools,
    tool_choice=chat_tool_choice,
    is_first_token=is_first_token,
    is_first_text=is_first_text,
    fold=RealtimeFold,
    conversation=RealtimeConversation(),
    moment=moment,
    foreign=frozenset({"conversation", "prompt_cache_key"}),  # whether it is part of the session's one
)


def _classes(name: str, *modules: str) -> dict[str, tuple[str, ...]]:
    return {
        f"openai.resources.{module}": (f"{name}Connection", f"Async{name}Connection") for module in modules
    }


CONNECTIONS = (
    Connection(
        classes=_classes("Realtime", "realtime.realtime", "beta.realtime.realtime"),
        endpoint=REALTIME,
        dialogue=Conversation,
        asks="response.create",
        begins="response.created",
        ends=frozenset({_DONE}),
        pieces=".delta",
    ),
    Connection(
        classes=_classes("Responses", "responses.responses", "beta.responses.responses"),
        endpoint=RESPONSES,
        dialogue=Requests,
        asks="response.create",
        begins="response.created",
        ends=frozenset({"response.completed", "response.incomplete", "response.failed"}),
        pieces=".delta",
        lanes={
            "openai.lib.responses_websocket._session": (
                "ResponsesWebSocketLane",
                "AsyncResponsesWebSocketLane",
            ),
        },
    ),
)
