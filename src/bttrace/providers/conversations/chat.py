"""OpenAI's chat as a conversation, and the many hosts that speak it. PURE.

Source: openai 3.52, `types/chat`: assistant messages with `tool_calls` (of a function or a
custom tool) or the deprecated `function_call`, answered by messages of the role `tool` with a
`tool_call_id`, or `function` with a name.
"""

from __future__ import annotations

from ...evidence import Answer, Asked, Asking, Result, Round, arguments, unnumbered
from ...model import Json
from ...values import at, field, items, json_object, objects, own, text

_USER = "user"
_MODEL = "assistant"


class ChatConversation:
    """Reads chat completions."""

    def asked(self, request: Json) -> Asked:
        """Gives what a request says."""
        messages = list(objects(request.get("messages")))
        end = Round()
        is_prompted = False
        follows: str | None = None
        for message in reversed(messages):
            role = message.get("role")
            if role == _MODEL:
                calls = _asks(message)
                if not calls and (end.has_results or is_prompted):
                    break  # what it said in words ends the round; words that nothing follows are its answer's
                end.ask(calls)
            elif role in ("tool", "function"):
                end.bring([_result(message)])
            elif role == _USER:
                if end.has_calls:
                    follows = words(message.get("content"))
                    break
                is_prompted = True
        return Asked(
            offers=bool(request.get("tools") or request.get("functions")),
            brought=end.brought,
            prompt=_prompt(messages),
            prompts=prompts(messages),
            is_prompted=is_prompted,
            follows=follows,
            said=said(messages),
            concerns=_concerned(messages),
        )

    def answer(self, response: Json) -> Answer:
        """Gives what an answer says."""
        asks: list[Asking] = []
        choices = list(objects(response.get("choices")))
        for choice in choices:
            asks += _asks(json_object(choice.get("message")))
        message = json_object(choices[0].get("message")) if choices else {}
        content = message.get("content")
        return Answer(
            asks=tuple(asks),
            identity=text(response.get("id")),
            text=words(content) or text(message.get("refusal")),
            content=content if content is not None else message.get("refusal"),
            is_whole=any(choice.get("finish_reason") for choice in choices),
        )

    def calls(self, answer: object) -> tuple[str, ...]:
        """Gives the names of the tools that an answer or a chunk asks for."""
        found: list[str | None] = []
        for choice in items(own(answer).get("choices")):
            fields = choice.__dict__ if hasattr(choice, "__dict__") else own(choice)
            told = fields.get("delta") or fields.get("message")
            told = told.__dict__ if hasattr(told, "__dict__") else own(told)
            calls, old = told.get("tool_calls"), told.get("function_call")
            if calls or old:
                found += [
                    text(at(call, "function.name")) or text(at(call, "custom.name")) for call in items(calls)
                ]
                found.append(text(field(old, "name")))
        return tuple(name for name in found if name) if found else ()


def _asks(message: Json) -> list[Asking]:
    found = []
    for call in objects(message.get("tool_calls")):
        told = json_object(call.get("function")) or json_object(call.get("custom"))
        name = text(told.get("name"))
        if name is not None:
            parsed = told["input"] if "input" in told else arguments(told.get("arguments"))
            found.append(Asking(text(call.get("id")) or unnumbered(name), name, parsed))
    old = json_object(message.get("function_call"))
    name = text(old.get("name"))
    if name is not None:
        found.append(Asking(unnumbered(name), name, arguments(old.get("arguments"))))
    return found


def _result(message: Json) -> Result:
    name = text(message.get("name"))
    identity = text(message.get("tool_call_id")) or (unnumbered(name) if name else "")
    return Result(identity, message.get("content"))


def _prompt(messages: list[Json]) -> object:
    return next((one.get("content") for one in reversed(messages) if one.get("role") == _USER), None)


def words(content: object) -> str | None:
    """Gives the text of a message's content, a string or parts; `None` if it has none."""
    if isinstance(content, str):
        return content or None
    said = [text(part.get("text")) or text(part.get("refusal")) or "" for part in objects(content)]
    return "".join(said) or None


def _concerned(messages: list[Json]) -> frozenset[str]:
    """Gives the ids of all calls in a history."""
    calls = (call for message in messages for call in objects(message.get("tool_calls")))
    return frozenset(identity for call in calls if (identity := text(call.get("id"))))


def prompts(messages: list[Json]) -> tuple[str, ...]:
    """Gives what the user said, message by message, as far as it is words."""
    told = (words(one.get("content")) for one in messages if one.get("role") == _USER)
    return tuple(words for words in told if words)


def said(messages: list[Json]) -> tuple[str, str] | None:
    """Gives what the user said and what the model last answered to it in words, before a new message."""
    answer: str | None = None
    for message in reversed(messages):
        spoken = words(message.get("content"))
        if message.get("role") == _MODEL and spoken and answer is None:
            answer = spoken
        elif message.get("role") == _USER and spoken and answer is not None:
            return spoken, answer
    return None
