"""OpenAI's Responses as a conversation. PURE.

Source: openai 3.52, `types/responses`: items of a response that ask (`function_call`,
`custom_tool_call`, and those of tools that the application runs for OpenAI: a shell, a
computer, a patch), answered by items named alike with `_output`, by `call_id`; a request
goes on from `previous_response_id`, from a `conversation`, or sends all items again.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...evidence import Answer, Asked, Asking, Result, Round, arguments, unnumbered
from ...model import Json
from ...values import field, items, objects, own, text
from .chat import prompts, said, words
from .compactions import summaries
from .served_items import ALONE, is_served, served

# What the application runs, and where such an item has its arguments.
_ASKING = {
    "function_call": "arguments",
    "custom_tool_call": "input",
    "local_shell_call": "action",
    "shell_call": "action",
    "computer_call": "action",
    "apply_patch_call": "operation",
    "tool_search_call": "arguments",
}
_OUTPUT = "_output"
_MODELS = frozenset({*_ASKING, *ALONE, "reasoning", "mcp_list_tools", "mcp_approval_request", "compaction"})
_UNFINISHED = ("queued", "in_progress")


class ResponsesConversation:
    """Reads responses."""

    def asked(self, request: Json) -> Asked:
        """Gives what a request says."""
        given = request.get("input")
        listed: list[Json] = list(objects(given))
        if isinstance(given, str):
            listed.append({"role": "user", "content": given})
        end = Round()
        answered: list[Asking] = []  # the calls of one answer, from the last of them back
        follows: str | None = None
        is_prompted = is_models = False
        for item in reversed(listed):
            kind = text(item.get("type")) or "message"
            if kind == "message" and item.get("role") == "assistant":
                if is_models or end.has_results or is_prompted:
                    break
            elif kind == "message" and item.get("role") == "user":
                if is_models:
                    follows = words(item.get("content"))
                    break
                is_prompted = True
            elif kind in _MODELS:
                is_models = True
                if (call := _asking(item)) is not None:
                    answered.append(call)
            elif kind.endswith(_OUTPUT):
                end.ask(answered[::-1])
                answered = []
                end.bring([_result(item)])
        end.ask(answered[::-1])
        return Asked(
            offers=bool(request.get("tools")),
            brought=end.brought,
            prompt=_prompt(listed),
            prompts=prompts(listed),
            is_prompted=is_prompted,
            follows=follows,
            continues=text(request.get("previous_response_id")),
            about=text(request.get("response_id")),
            said=said(listed),
            compacts=bool(listed) and listed[-1].get("type") == "compaction_trigger",
            concerns=concerned(listed),
            recalls=next(reversed(summaries(listed)), None),
        )

    def answer(self, response: Json) -> Answer:
        """Gives what an answer says."""
        output = list(objects(response.get("output")))
        spoken = [item for item in output if item.get("type") == "message"]
        status = text(response.get("status"))
        return Answer(
            asks=tuple(
                call for item in output if (call := _asking(item)) is not None and not is_served(item, output)
            ),
            identity=text(response.get("id")),
            text="".join(words(item.get("content")) or "" for item in spoken) or None,
            content=spoken[-1].get("content") if spoken else None,
            unfinished=status in _UNFINISHED and response.get("background") is True,
            cancelled=status == "cancelled",
            is_whole=status not in _UNFINISHED,
            summaries=summaries(output),
            served=served(output),
        )

    def calls(self, answer: object) -> tuple[str, ...]:
        """Gives the names of the tools that an answer or an event asks for."""
        fields = own(answer)
        if fields.get("type") == "response.output_item.added":
            output: Sequence[object] = (fields.get("item"),)
        else:
            output = items(fields.get("output"))
        if not output:
            return ()
        names = (text(field(item, "name")) for item in output if text(field(item, "type")) in _ASKING)
        return tuple(name for name in names if name)


def concerned(listed: list[Json]) -> frozenset[str]:
    """Gives the ids of all calls in a history."""
    return frozenset(identity for item in listed if (identity := text(item.get("call_id"))))


def _asking(item: Json) -> Asking | None:
    kind = text(item.get("type")) or ""
    if kind not in _ASKING:
        return None
    given = item.get(_ASKING[kind])
    name = text(item.get("name")) or kind.removesuffix("_call")
    identity = text(item.get("call_id")) or unnumbered(name)
    return Asking(identity, name, arguments(given) if kind == "function_call" else given)


def _result(item: Json) -> Result:
    failed = item.get("status") in ("failed", "incomplete") or bool(item.get("error"))
    content = item.get("tools") if item.get("type") == "tool_search_output" else item.get("output")
    return Result(text(item.get("call_id")) or "", content, is_error=failed)


def _prompt(listed: list[Json]) -> object:
    return next((item.get("content") for item in reversed(listed) if item.get("role") == "user"), None)
