"""The user's own masking: the function named in `BTTRACE_MASK`, and the one given to braintrust.

Owns how the first is found, what they are called with, and that nothing is told of a span
when one of them fails: then there is no masked content to be had. They are called as
`braintrust.set_masking_function` has it: with the value of one field, in plain values of
JSON; what a function returns takes its place. The fields are `FIELDS`, of which those that
are empty are left out. In an attachment's place a function sees what there is to say of it.
"""

from __future__ import annotations

import uuid
from asyncio import CancelledError
from collections.abc import Callable
from importlib import import_module
from inspect import iscoroutinefunction
from types import FunctionType
from typing import Any

from ..guard import guarded, say_once
from ..model import Attachment, Json
from ..sinks.adoption import masking_function
from ..spans.encode import described, plain
from ..spans.foreign import type_name
from ..spans.media import converted

VARIABLE = "BTTRACE_MASK"
FIELDS = ("name", "input", "output", "error", "metadata", "tags", "context")
_SDK_LEAVES = ("name", "error", "tags")  # what braintrust 0.47 (`span_customizer.py`) does not mask
_KEY = "bttrace_attachment"
_KIND = "attachment"

Mask = Callable[[Any], Any]


class Masks:
    """The functions that mask. `named` is the variable's value. For one thread: the writer's."""

    def __init__(self, named: str | None) -> None:
        self._named = named
        self._mask: Mask | None = None
        self._faulty = False

    def wanted(self) -> bool:
        """Tells whether anything is to be masked."""
        return self._named is not None or masking_function() is not None

    def masked(self, content: Json, *, masked_by_sdk: bool) -> Json | None:
        """Gives fields masked, `None` if that failed; they are the function's values then, not plain.

        What is `masked_by_sdk` is not masked twice by the function that braintrust has.
        """
        if self._named is not None:
            mask = self._mask or self._loaded(self._named)
            masked = mask and self._applied(mask, f"{VARIABLE}={self._named!r}", content, FIELDS)
            if masked is None:
                return None
            content = masked
        theirs = masking_function()
        if theirs is None:
            return content
        label = f"{_name(theirs)}, given to braintrust.set_masking_function,"
        return self._applied(theirs, label, content, _SDK_LEAVES if masked_by_sdk else FIELDS)

    def _applied(self, mask: Mask, label: str, content: Json, fields: tuple[str, ...]) -> Json | None:
        """Gives fields as a function masks them, as plain values again."""
        masked: Json = {}
        for name, value in content.items():
            if name not in fields or value is None or value == []:
                masked[name] = value
                continue
            stand_ins = _StandIns()
            shown = stand_ins.shown(value)
            faults: list[BaseException] = []
            answer = _answer(mask, shown, faults)
            if faults:
                kind = type(faults[0]).__name__
                say_once(
                    f"{label} raised {kind} when it was to mask the {name} of a span: all content of such "
                    "spans is masked. The function must take any value of JSON.",
                    about=f"{label} {kind}",
                )
                return None
            masked[name] = stand_ins.restored(plain(answer))
        return masked

    def _loaded(self, named: str) -> Mask | None:
        """Gives the function that the variable names; says what is wrong with it otherwise."""
        if self._faulty:
            return None
        module_name, _, path = named.partition(":")
        faults: list[BaseException] = []
        module = _answer(import_module, module_name.strip(), faults)
        found = module
        for part in path.strip().split("."):
            found = getattr(found, part, None)
        if faults:
            self._faulty = True
            why = f"module {module_name!r} can't be imported ({type(faults[0]).__name__})"
        elif found is None:  # the module may be on its way still: it is looked at again
            why = f"module {module_name!r} has no {path!r}"
        elif not callable(found):
            self._faulty, why = True, f"{path!r} is of type {type(found).__name__}"
        elif iscoroutinefunction(found):
            self._faulty, why = True, f"{path!r} is asynchronous"
        else:
            self._mask = found
            return self._mask
        say_once(
            f"{VARIABLE}={named!r} is not valid: {why}; name a function of one argument as module:function, "
            "on the application's Python path. Until then all content is masked."
        )
        return None


class _StandIns:
    """What stands for attachments while a function masks, so that one which it drops is dropped."""

    def __init__(self) -> None:
        self._held: dict[str, Attachment] = {}

    def shown(self, value: object) -> object:
        return converted(value, self._stand_in)

    def _stand_in(self, attachment: Attachment) -> Json:
        key = uuid.uuid4().hex
        self._held[key] = attachment
        return {**described(attachment), _KEY: key}

    def restored(self, value: object) -> object:
        """Gives a plain value with attachments where what stood for them was left in place."""
        if not self._held:
            return value
        if isinstance(value, dict):
            key = value.get(_KEY)
            held = self._held.get(key) if isinstance(key, str) and value.get("type") == _KIND else None
            if held is None:
                return {name: self.restored(inner) for name, inner in value.items()}
            kind, filename = value.get("content_type"), value.get("filename")
            return Attachment(
                kind if isinstance(kind, str) else _KIND,
                held.data,
                filename if isinstance(filename, str) else _KIND,
            )
        return [self.restored(inner) for inner in value] if isinstance(value, list) else value


def _answer(function: Callable[[Any], Any], value: object, faults: list[BaseException]) -> Any:
    """Gives what a function of the user's returns; notes what it raises instead, but for Ctrl-C."""
    try:
        return guarded(function, retires=False, theirs=faults.append)(value)
    except (SystemExit, GeneratorExit, CancelledError) as fault:
        faults.append(fault)
        return None


def _name(function: object) -> str:
    return function.__qualname__ if isinstance(function, FunctionType) else type_name(function)
