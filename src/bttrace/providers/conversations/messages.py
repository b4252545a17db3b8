"""Anthropic's messages as a conversation. PURE.

Source: anthropic 2.11, `types/beta`: `tool_use` blocks of the assistant, answered by `tool_result`
blocks in the user's next message; blocks of tools that Anthropic runs itself (`server_tool_use`,
`mcp_tool_use`) with their results in the same answer; `pause_turn`, after which the same
message is sent back to be continued; `thread.previous_message_id`, after which only what is
new is sent.
"""

from __future__ import annotations

from ...evidence import Answer, Asked, Asking, Result, Round, unnumbered
from ...model import Json
from ...values import at, field, items, objects, own, text
from .chat import prompts, said, words
from .compactions import left, recalled, resumed, summaries
from .served_blocks import USES, served

_USER = "user"
_MODEL = "assistant"
_PAUSES = ("pause_turn", "compaction")  # for the application to have it go on


class MessagesConversation:
    """Reads messages."""

    def asked(self, request: Json) -> Asked:
        """Gives what a request says."""
        messages = list(objects(request.get("messages")))
        end = Round()
        is_prompted = False
        follows: str | None = None
        for message in reversed(messages):
            blocks = _blocks(message)
            if message.get("role") == _MODEL:
                calls = _asks(blocks)
                if not calls and (end.has_results or is_prompted):
                    break
                end.ask(calls)
                continue
            results = [_result(block) for block in blocks if block.get("type") == "tool_result"]
            if end.has_calls and not results:
                follows = words(message.get("content"))
                break
            end.bring(results)
            is_prompted = is_prompted or (len(results) < len(blocks) and not end.has_calls)
        last = messages[-1] if messages else {}
        return Asked(
            offers=bool(request.get("tools") or request.get("mcp_servers")),
            brought=end.brought,
            prompt=_prompt(messages),
            prompts=prompts(messages),
            is_prompted=is_prompted,
            follows=follows,
            continues=text(at(request, "thread.previous_message_id")),
            resumes=(_own(_blocks(last)) if last.get("role") == _MODEL else frozenset()) | resumed(messages),
            said=said(messages),
            compacts=bool(request.get("compaction")),
            concerns=frozenset(call.id for message in messages for call in _asks(_blocks(message))),
            recalls=recalled(messages),
        )

    def answer(self, response: Json) -> Answer:
        """Gives what an answer says."""
        blocks = list(objects(response.get("content")))
        reason = response.get("stop_reason")
        return Answer(
            asks=tuple(_asks(blocks)),
            identity=text(response.get("id")),
            text=words(response.get("content")),
            content=response.get("content"),
            unfinished=reason in _PAUSES,
            leaves=_own(blocks) | left(blocks) if reason in _PAUSES else frozenset(),
            is_whole=reason is not None,
            summaries=summaries(blocks),
            served=served(blocks),
        )

    def calls(self, answer: object) -> tuple[str, ...]:
        """Gives the names of the tools that an answer or a chunk asks for."""
        fields = own(answer)
        block, content = fields.get("content_block"), fields.get("content")
        if block is None and not content:
            return ()
        blocks = items(content) if block is None else (block,)
        names = (text(field(one, "name")) for one in blocks if field(one, "type") == "tool_use")
        return tuple(name for name in names if name)


def _blocks(message: Json) -> list[Json]:
    content = message.get("content")
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(objects(content))


def _asks(blocks: list[Json]) -> list[Asking]:
    found = []
    for block in blocks:
        name = text(block.get("name"))
        if block.get("type") == "tool_use" and name is not None:
            found.append(Asking(text(block.get("id")) or unnumbered(name), name, block.get("input")))
    return found


def _own(blocks: list[Json]) -> frozenset[str]:
    """Gives the ids of the provider's own tools among some blocks."""
    ids = (text(block.get("id")) for block in blocks if block.get("type") in USES)
    return frozenset(identity for identity in ids if identity)


def _result(block: Json) -> Result:
    return Result(
        text(block.get("tool_use_id")) or "", block.get("content"), is_error=block.get("is_error") is True
    )


def _prompt(messages: list[Json]) -> object:
    """Gives the newest message of the user that is not only results."""
    for message in reversed(messages):
        if message.get("role") == _USER:
            content = message.get("content")
            if isinstance(content, str):
                return content
            own = [block for block in objects(content) if block.get("type") != "tool_result"]
            if own:
                return own
    return None
