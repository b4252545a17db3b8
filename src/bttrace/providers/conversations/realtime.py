"""OpenAI's Realtime as a conversation. PURE.

Source: openai 3.52, `types/realtime`: items and responses like those of Responses, but for what is
spoken, whose words are a transcript. A session is one conversation; what is asked beside it
(`conversation: none`) brings its own items.
"""

from __future__ import annotations

from dataclasses import replace

from ...evidence import Answer, Asked
from ...model import Json
from ...values import json_object, objects, text
from .responses import ResponsesConversation

_NOT_OURS = ("previous_response_id", "response_id")


class RealtimeConversation(ResponsesConversation):
    """Reads responses of a session."""

    def asked(self, request: Json) -> Asked:
        """Gives what a request says, with the session's settings and items."""
        own = {name: request[name] for name in request if name not in _NOT_OURS}
        found = super().asked({**own, "input": [_worded(item) for item in objects(request.get("input"))]})
        return replace(found, session=text(request.get("id")))

    def answer(self, response: Json) -> Answer:
        """Gives what an answer says."""
        output = [_worded(item) for item in objects(response.get("output"))]
        return super().answer({**response, "output": output})


def _worded(item: Json) -> Json:
    """Gives an item with transcripts as the texts that they are."""
    content = item.get("content")
    if not isinstance(content, list):
        return item
    return {**item, "content": [_written(json_object(part)) for part in content]}


def _written(part: Json) -> Json:
    spoken = text(part.get("transcript"))
    return {**part, "text": spoken} if spoken is not None and "text" not in part else part
