"""What a child Python of the check does: it looks where it is, imports an SDK, and asks it something.

Whether the hook is active is seen before anything of ours is loaded that the hook would load. What is
found goes to standard output, a line of JSON after a mark each, because the application's
`sitecustomize` and the SDK may write there too:

- `started`: whether a session was `active`, or the `reason` why not, and what the door depends on;
- `imported`: the SDK's `file`, the `missing` places of its seam in names and as `gaps`, whether it is
  `known`; or the `error`;
- `called`: the ids of the `rows` that came of a call, what became of them, and the seconds
  that took; or the `error`.

Before the call a word is awaited on standard input, and the seconds for it: `send`, where the exporters are
the application's, `keep`, where the span is only printed, or `leave`.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from ..interpreter import BLINDING

if TYPE_CHECKING:
    from ..model import Json, Span
    from .sdks import Sdk

    T = TypeVar("T")

_CALL_TIMEOUT = 5.0  # seconds


class _Witness:
    """Sees which rows pass."""

    def __init__(self) -> None:
        self.rows: dict[str, None] = {}

    def passed(self, span: Span, _parent: object | None) -> Span:
        self.rows[span.row_id] = None
        return span


class _Stage:
    """Where one SDK is tried."""

    def __init__(self, mark: str, package: str) -> None:
        self._mark = mark
        self._package = package
        self._error = ""

    def rehearse(self) -> None:
        active = "bttrace.session" in sys.modules and _is_on()
        from .. import session

        self._tell(
            event="started",
            active=active,
            reason=session.status().reason,
            flags=[flag for name, flag in BLINDING.items() if getattr(sys.flags, name)],
            path=sys.path,
        )
        if not self._package:
            return
        session.enable()
        sdk = self._attempt(lambda: importlib.import_module(self._package))
        wiring = session.wired()
        seam = wiring.seams.get(self._package) if wiring is not None else None
        if sdk is None or seam is None:
            self._tell(event="imported", error=self._error or "bttrace did not see it being imported")
            return
        from ..seams.coverage import not_covered

        coverage = seam.coverage
        missing = list(coverage.missing)
        gaps = not_covered(missing)
        file = getattr(sdk, "__file__", None)
        self._tell(event="imported", file=file, known=coverage.known, missing=missing, gaps=gaps, error="")
        word, _, seconds = sys.stdin.readline().partition(" ")
        if word == "keep":
            session.disable()
            session.enable(exporter="console")
        if word in ("send", "keep"):
            self._call(sdk, float(seconds))

    def _call(self, module: ModuleType, timeout: float) -> None:
        """Makes a call and waits until its span is where it shall be."""
        from .. import session
        from .sdks import NAMES

        wiring, witness = session.wired(), _Witness()
        if wiring is None:
            return
        wiring.recorder.watch(witness)
        self._attempt(lambda: _asked(module, NAMES[self._package]))
        began = time.monotonic()
        session.flush(timeout)
        trouble, why = "", None
        for sink in wiring.recorder.sinks:
            trouble, why = getattr(sink, "trouble", (trouble, why))
        counts = session.status().sinks
        self._tell(
            event="called",
            error=self._error,
            rows=list(witness.rows),
            counts={name: [found.sent, found.kept, found.lost] for name, found in counts.items()},
            trouble=trouble,
            why=why,
            seconds=round(time.monotonic() - began, 3),
        )

    def _attempt(self, act: Callable[[], T]) -> T | None:
        """Does what may fail in the application's packages; notes how it did."""
        from ..guard import guarded

        return guarded(act, retires=False, theirs=self._failed)()

    def _failed(self, fault: Exception) -> None:
        self._error = f"{type(fault).__name__}: {fault}"

    def _tell(self, **told: object) -> None:
        os.write(1, f"{self._mark}{json.dumps(told)}\n".encode())


def _is_on() -> bool:
    from .. import session

    return session.status().enabled


def _asked(module: ModuleType, sdk: Sdk) -> object:
    """Makes one call, with a client of its own: nothing of the application's is read, nor its keys."""
    from .provider import ASKED, MODEL, started

    prefix = f"{sdk.package.partition('.')[0].partition('_')[0].upper()}_"
    for name in [name for name in os.environ if name.startswith(prefix)]:
        del os.environ[name]
    options: Json = {"api_key": MODEL, "max_retries": 0, "timeout": _CALL_TIMEOUT, **sdk.options}
    transport: Any = getattr(module, "DefaultHttpxClient", None)
    if transport is not None:  # the oldest have none; it asks no proxy for what is here
        options["http_client"] = transport(trust_env=False)
    method: Any = getattr(module, sdk.client)(base_url=f"{started()}{sdk.base}", **options)
    for name in sdk.create.split("."):
        method = getattr(method, name)
    messages = [{"role": "user", "content": ASKED}]
    answer: object = method(model=MODEL, messages=messages, **sdk.given)
    return answer


def main() -> None:
    """Runs in a child: its arguments are the mark, and the package to be tried, if any."""
    _Stage(sys.argv[1], sys.argv[2]).rehearse()
    os._exit(0)  # what waits for an exit has nothing to deliver, and must not hold up the check
