"""What is said over websockets: a Realtime server's events, as openai 3.52's `types/realtime` have them, and an application's side.

It owns the shapes of the server's events, and the reading of them. It must not know what a span looks like.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import openai

from bttrace.testing import ManualClock
from tests.loopback.websocket import Event, Peer, WebsocketServer

SESSION = {
    "type": "realtime",
    "object": "realtime.session",
    "id": "sess_1",
    "model": "gpt-realtime-2025-08-28",
    "instructions": "Be brief.",
    "output_modalities": ["audio"],
    "max_output_tokens": "inf",
    "tool_choice": "auto",
    "tools": [],
    "audio": {"output": {"voice": "marin"}},
}
USAGE = {
    "total_tokens": 40,
    "input_tokens": 30,
    "output_tokens": 10,
    "input_token_details": {"text_tokens": 18, "audio_tokens": 12, "cached_tokens": 6},
    "output_token_details": {"text_tokens": 3, "audio_tokens": 7},
}
SOUND = "UklGRg" * 1000
"""Some base64 that must never be kept."""


def event(kind: str, **fields: Any) -> Event:
    """An event of the server."""
    return {"type": kind, "event_id": f"event of {kind}", **fields}


def created_session(**settings: Any) -> Event:
    return event("session.created", session={**SESSION, **settings})


def said(identity: str, text: str, role: str = "user", kind: str = "input_text") -> Event:
    """A message of a conversation."""
    content = [{"type": kind, "text": text}]
    return {"id": identity, "type": "message", "status": "completed", "role": role, "content": content}


def added(item: Event, after: str | None = None) -> Event:
    return event("conversation.item.added", item=item, previous_item_id=after)


def begun(identity: str, **fields: Any) -> Event:
    head = {"object": "realtime.response", "id": identity, "status": "in_progress", "output": []}
    return event("response.created", response={**head, **fields})


def done(identity: str, *output: Event, status: str = "completed", **fields: Any) -> Event:
    head = {"object": "realtime.response", "id": identity, "status": status, "output": list(output)}
    return event("response.done", response={**head, "usage": USAGE, **fields})


def piece(identity: str, kind: str, delta: str, item: str = "item_a", output: int = 0) -> Event:
    place = {"response_id": identity, "item_id": item, "output_index": output, "content_index": 0}
    return event(kind, **place, delta=delta)


def opened(identity: str, item: Event, part: Event | None = None) -> list[Event]:
    """The events that open an item of a response, and its first part."""
    place = {"response_id": identity, "output_index": 0}
    events = [event("response.output_item.added", **place, item=item)]
    if part is not None:
        place = {**place, "item_id": item["id"], "content_index": 0}
        events.append(event("response.content_part.added", **place, part=part))
    return events


def text_answer(identity: str, *pieces: str, **fields: Any) -> list[Event]:
    """A response that is text, from its creation to its end."""
    named = f"{identity}_item"
    item = {"id": named, "type": "message", "status": "in_progress", "role": "assistant", "content": []}
    whole = said(named, "".join(pieces), "assistant", "output_text")
    return [
        begun(identity, **fields),
        *opened(identity, item, {"type": "text", "text": ""}),
        *(piece(identity, "response.output_text.delta", words, named) for words in pieces),
        event("response.output_item.done", response_id=identity, output_index=0, item=whole),
        done(identity, whole, **fields),
    ]


def audio_item(transcript: str | None = None, **fields: Any) -> Event:
    part = {"type": "output_audio", **({} if transcript is None else {"transcript": transcript})}
    item = {"id": "item_a", "type": "message", "status": "completed", "role": "assistant", "content": [part]}
    return {**item, **fields}


def audio_answer(identity: str, *words: str) -> list[Event]:
    """A response that is spoken, from its creation to its end: sound first, then what it says."""
    return [
        begun(identity),
        *opened(identity, audio_item(content=[]), {"type": "audio", "transcript": ""}),
        piece(identity, "response.output_audio.delta", SOUND),
        *(piece(identity, "response.output_audio_transcript.delta", word) for word in words),
        piece(identity, "response.output_audio.delta", SOUND),
        done(identity, audio_item("".join(words))),
    ]


QUESTION = said("item_q", "What is it?")


def client(server: WebsocketServer, kind: type[Any] = openai.OpenAI) -> Any:
    websockets = server.url.replace("http", "ws")  # the beta takes no hint from a plain address
    return kind(api_key="k", base_url=server.url, websocket_base_url=websockets, max_retries=0)


def answering(*answers: list[Event], before: Iterable[Event] = (QUESTION,)) -> Callable[[Peer], None]:
    """A server that tells of the session and of some items, and then answers each asking."""

    def script(peer: Peer) -> None:
        peer.say(created_session(), *map(added, before))
        for events in answers:
            peer.hear()
            peer.say(*events)

    return script


def read(connection: Any, last: str = "response.done", clock: ManualClock | None = None) -> list[Any]:
    """Reads up to an event of a type; each event takes a second."""
    events = []
    for received in connection:
        events.append(received)
        if clock is not None:
            clock.advance(1)
        if received.type == last:
            break
    return events


async def aread(connection: Any, last: str = "response.done") -> list[Any]:
    events = []
    async for received in connection:
        events.append(received)
        if received.type == last:
            break
    return events
