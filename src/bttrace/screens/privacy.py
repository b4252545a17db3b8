"""The last screen: what of a span may be told, before anything of it leaves the process or touches a disk.

Owns in what order a span's content is copied plain, masked by the user's functions and
rid of secrets. What comes out is plain values of JSON, with attachments among them. Whatever
fails on the way, no content gets past: then the span tells its ids, times and metrics alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace

from ..config import Config
from ..contracts import Told
from ..guard import guarded
from ..model import Attachment, Json, Span
from ..spans.encode import Leaves, plain, plain_text
from ..values import json_object
from .known_secrets import known_secrets
from .masks import Masks
from .secret_shapes import named, replaced, suspected

MASKED = "[masked]"
_SDK_MASKS = ("braintrust",)  # with another exporter beside it, content goes elsewhere too
_CALLED, _HELD = ("name", "key", "header"), "value"  # of an object that is a pair
_PAIR = 2
_HEAD = 64  # bytes that tell whether the rest is text


class Privacy:
    """Gives spans as the sinks may have them. For one thread: the writer's."""

    def __init__(self, settings: Config) -> None:
        self._masks = Masks(settings.mask)
        self._goes_to_sdk_alone = settings.exporters == _SDK_MASKS
        self._clean = guarded(self._cleaned, retires=False)

    def passed(self, span: Span, parent: object | None) -> Span:
        """Gives a span without what is masked and without secrets."""
        adopted = parent is not None and not isinstance(parent, Told)
        return self._clean(span, adopted) or _withheld(span)

    def _cleaned(self, span: Span, adopted: bool) -> Span | None:  # noqa: FBT001 - as `guarded` passes it on
        masks = self._masks.wanted()
        if not (masks or adopted):  # the application's SDK keeps what it is given, and sends it later
            told = plain_text(span.told())
            if told is not None:
                return self._rid(span, told)
        leaves = Leaves()
        content = json_object(plain(_content(span), leaves))
        if masks:
            masked = self._masks.masked(content, masked_by_sdk=adopted and self._goes_to_sdk_alone)
            if masked is None:
                return None
            leaves = Leaves()
            content = json_object(plain(masked, leaves))
        known = known_secrets()
        if suspected("\n".join(leaves.texts), known) or any(_is_text(one) for one in leaves.attachments):
            content = json_object(_Clean(known).of(content))
        return _told(span, content)

    @staticmethod
    def _rid(span: Span, told: str) -> Span:
        """Gives a span of plain values without secrets. What it tells was made JSON, which is made once."""
        known = known_secrets()
        if suspected(f"{span.name}\n{told}", known):
            return _told(span, json_object(_Clean(known).of(_content(span))))
        return span.with_content(told)


def _content(span: Span) -> Json:
    """Gives what of a span is masked."""
    return {
        "name": span.name,
        "input": span.input,
        "output": span.output,
        "error": span.error,
        "metadata": span.metadata,
        "tags": list(span.tags),
        "context": span.context,
    }


def _told(span: Span, content: Json) -> Span:
    """Gives a span with this content, whatever types a function may have given it."""
    error, tags = content["error"], content["tags"]
    return replace(
        span,
        name=_text(content["name"]),
        input=content["input"],
        output=content["output"],
        error=None if error is None else _text(error),
        metadata=_object(content["metadata"]),
        tags=_tags(tags if isinstance(tags, list) else () if tags is None else (tags,)),
        context=_object(content["context"]),
    )


def _tags(values: Iterable[object]) -> tuple[str, ...]:
    """Gives tags, each once: braintrust refuses a span that has one twice (0.47, `logger.py`)."""
    return tuple(dict.fromkeys(map(_text, values)))


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return MASKED if value is None or isinstance(value, Attachment) else json.dumps(value, default=_no_word)


def _no_word(_value: object) -> str:
    return MASKED


def _object(value: object) -> Json:
    if isinstance(value, dict):
        return value
    return {} if value is None else {"masked": value}


def _withheld(span: Span) -> Span:
    """Gives a span of which nothing is told but where and when it was, and what it cost."""
    return replace(
        span,
        name=MASKED,
        input=MASKED if span.input is not None else None,
        output=MASKED if span.output is not None else None,
        error=MASKED if span.error is not None else None,
        metadata={"masked": MASKED},
        tags=(),
        context={},
    )


def _is_text(attachment: Attachment) -> bool:
    """Tells whether what is attached could be read as text."""
    head = attachment.data[:_HEAD]
    try:
        head.decode()
    except UnicodeDecodeError as fault:
        return fault.reason == "unexpected end of data"  # a character that is cut in two
    return b"\0" not in head


class _Clean:
    """Replaces the secrets in plain values."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self._known = known

    def of(self, value: object) -> object:
        if isinstance(value, str):
            return replaced(value, self._known)
        if isinstance(value, dict):
            return self._object(value)
        if isinstance(value, list):
            if len(value) == _PAIR and isinstance(value[0], str) and isinstance(value[1], str):
                return [self.of(value[0]), self._held(value[0], value[1])]
            return [self.of(held) for held in value]
        return self._attachment(value) if isinstance(value, Attachment) else value

    def _object(self, value: Json) -> Json:
        clean = {replaced(name, self._known): self._held(name, held) for name, held in value.items()}
        if isinstance(value.get(_HELD), str):
            called = next((value[name] for name in _CALLED if name in value), None)
            clean[_HELD] = self._held(called, value[_HELD])
        return clean

    def _held(self, name: object, value: object) -> object:
        """Gives what stands under a name."""
        if isinstance(value, str):
            clean = replaced(value, self._known)
            return clean if clean != value else named(name, value) or value
        return self.of(value)

    def _attachment(self, attachment: Attachment) -> Attachment:
        told = (replaced(attachment.content_type, self._known), replaced(attachment.filename, self._known))
        data = attachment.data
        if _is_text(attachment):
            read = data.decode("utf-8", "surrogateescape")
            clean = replaced(read, self._known)
            data = clean.encode("utf-8", "surrogateescape") if clean != read else data
        if told == (attachment.content_type, attachment.filename) and data is attachment.data:
            return attachment
        return Attachment(told[0], data, told[1])
