"""The other tracers of the process that tell Braintrust of a call, so that ours does not tell it twice.

Owns how such a call is recognised on the application's thread: braintrust's own wrappers
by their frame, because they do not make their span current; OpenTelemetry's spans by being
current. Knows nothing of what is done with the answer. Neither package is ever imported.

Source: braintrust 0.47 (`integrations/*/tracing.py`, `oai.py`) and opentelemetry-sdk 1.45 (`sdk/trace`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

from ..contracts import Told
from ..executions import Execution
from .adoption import current_parent
from .nesting import Nesting

# Within braintrust's folder: those who call an SDK's method for the application. Its `framework.py`,
# which runs the tasks of an `Eval`, is none of them.
_WRAPPERS = (f"integrations{os.sep}", f"wrappers{os.sep}", "oai.py")
# `gen_ai.operation.name` of a span that counts tokens; other values are agents and tools around it.
_GENERATIONS = frozenset({"chat", "embeddings", "generate_content", "text_completion"})
_INNER = ("_span_processors", "_processor", "span_exporter", "_exporter")  # what a span processor hands on to
_BRAINTRUST = "braintrust.dev"


class Tracers:
    """What braintrust's SDK and OpenTelemetry have to do with a call.

    `to_braintrust` says that spans of ours go there; where they do not, nothing is told twice.
    """

    def __init__(
        self,
        first_parent: Callable[[], None],
        *,
        to_braintrust: bool,
        api_url: str | None = None,
        nesting: Nesting | None = None,
    ) -> None:
        self._first_parent: Callable[[], None] | None = first_parent
        self._to_braintrust = to_braintrust
        self._api_url = api_url
        self._wrappers: tuple[str, ...] = ()
        self._known: tuple[object, bool] = (None, False)
        self._nesting = nesting

    @property
    def wrappers(self) -> tuple[str, ...]:
        """Gives how the paths of braintrust's wrappers begin; nothing while braintrust is not imported."""
        if not self._wrappers and "braintrust" in sys.modules:
            folder = os.path.dirname(str(sys.modules["braintrust"].__file__))
            self._wrappers = tuple(os.path.join(folder, name) for name in _WRAPPERS)
        return self._wrappers

    def parent(self, wrapper: FrameType | None) -> object | None:
        """Gives the wrapper's own span, as told, else the application's span that is current here."""
        if not self._to_braintrust:
            return None
        if wrapper is not None and (span := _span_of(wrapper, self._wrappers)) is not None:
            return Told(span.root_span_id, span.span_id)
        found: object | None = current_parent()
        if found is not None and self._first_parent is not None:
            self._first_parent()
            self._first_parent = None
        return found

    def awaits(self, execution: Execution) -> bool:
        """Tells whether spans that the application makes with braintrust can hang in an execution."""
        return self._nesting is not None and "braintrust" in sys.modules and self._nesting.awaits(execution)

    def enter(self, execution: Execution) -> Callable[[], object] | None:
        """Lets them hang in it; gives what undoes that."""
        return None if self._nesting is None else self._nesting.enter(execution)

    def exported(self) -> Told | None:
        """Gives the OpenTelemetry span of the model call that is made here, if it goes to Braintrust."""
        if not self._to_braintrust or "opentelemetry.sdk.trace" not in sys.modules:
            return None
        span = sys.modules["opentelemetry.trace"].get_current_span()
        attributes = getattr(span, "attributes", None)  # a span that does not record has none
        if not attributes or attributes.get("gen_ai.operation.name") not in _GENERATIONS:
            return None
        context = span.get_span_context()
        if not context.trace_flags.sampled or not self._leads_there(getattr(span, "_span_processor", None)):
            return None
        return Told(f"{context.trace_id:032x}", f"{context.span_id:016x}")

    def _leads_there(self, processor: object) -> bool:
        """Tells whether a span processor exports to Braintrust. Found out anew when processors were added."""
        chosen = getattr(processor, "_span_processors", processor)
        known, leads = self._known
        if known is not chosen:
            leads = any(map(self._is_braintrust, _handed_on(processor)))
            self._known = (chosen, leads)
        return leads

    def _is_braintrust(self, exporter: object) -> bool:
        if any(cls.__module__ == "braintrust.otel" for cls in type(exporter).__mro__):
            return hasattr(exporter, "export")
        endpoint = getattr(exporter, "_endpoint", None)
        if not isinstance(endpoint, str):
            return False
        host = urlsplit(endpoint).hostname or ""
        ours = self._api_url is not None and endpoint.startswith(f"{self._api_url}/")
        return ours or host == _BRAINTRUST or host.endswith(f".{_BRAINTRUST}")


def _span_of(frame: FrameType | None, wrappers: tuple[str, ...]) -> Any:
    """Gives the span that a wrapper made for this call; `None` when it made none, or one that goes nowhere.

    It stands in a variable of the wrapper's, or, for a stream that is opened later, in its object.
    """
    kind = getattr(sys.modules.get("braintrust"), "SpanImpl", None)
    while frame is not None and frame.f_code.co_filename.startswith(wrappers):
        held = frame.f_locals
        for value in (*held.values(), *getattr(held.get("self"), "__dict__", {}).values()):
            if type(value) is kind:
                return value
        frame = frame.f_back
    return None


def _handed_on(processor: object) -> Iterator[object]:
    """Yields a span processor and all that it hands spans on to, down to the exporters."""
    waiting = [processor]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        for name in _INNER:
            inner = getattr(one, name, None)
            waiting.extend(inner if isinstance(inner, tuple) else [] if inner is None else [inner])
