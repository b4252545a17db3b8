"""What the application traces with braintrust inside an execution hangs in that execution's span.

Owns how that is brought about on the application's thread, while the execution runs: where
our span was adopted, by making the SDK's span that stands for it the current one; where it
is a row of ours, by naming it as the parent of what has none, as braintrust does it itself
for a parent in another process. Braintrust is never imported by us.

Source: braintrust 0.47 (`parent_context`, `get_span_parent_object` and `Span.set_current` in
`logger.py`; `span_identifier_v4.py`). Versions before 0.3 have none of these.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from ..contracts import Told
from ..executions import Execution
from ..model import Json
from ..spans.style import Place
from .adoption import Adopted

_PATIENCE = (
    0.02  # seconds that an execution may wait for its place; it is known after one to five thousandths
)
_RESPITE = 1.0  # seconds that no other waits, after one has waited for nothing
# Here a project that braintrust 0.47 must look up by its name makes an exit hang that comes at once.
_HANGS = (3, 12)


class Home(Protocol):
    """Where spans of ours are."""

    @property
    def project(self) -> Json:
        """Gives the project that rows go to: `project_id` and `project_name`, as far as they are known."""

    @property
    def adopted(self) -> Adopted:
        """Gives those that are in the application's traces."""


class Nesting:
    """Lets what is traced inside an execution find it. `api_key` is what our rows are sent with.

    `is_left_out` tells of a trace whether its rows are sent at all.
    """

    def __init__(
        self, home: Home, api_key: str | None, is_left_out: Callable[[str], bool] | None = None
    ) -> None:
        self._home = home
        self._api_key = api_key
        self._is_left_out = is_left_out
        self._not_before = 0.0

    def awaits(self, execution: Execution) -> bool:
        """Tells whether spans that the application makes in an execution can hang in it."""
        state = _state()
        if state is None or isinstance(execution.parent, Told) or time.monotonic() < self._not_before:
            return False
        if execution.parent is not None:
            return _can_be_current(execution.parent)
        outer = execution.within.current if execution.within is not None else None
        return _takes_parents(state) and state.current_parent.get() == outer and self._is_ours(state)

    def _is_ours(self, state: Any) -> bool:
        """Tells whether the application's spans go to our project, and with our key, as far as is known.

        A parent takes them to its own project: none of them shall go elsewhere because of us.
        """
        if getattr(state, "logged_in", False) and state.login_token != self._api_key:
            return False
        braintrust: Any = sys.modules["braintrust.logger"]
        theirs = getattr(braintrust.current_logger(), "_compute_metadata_args", None)
        ours = self._home.project
        if not isinstance(theirs, dict):
            return False
        if theirs.get("project_id") is not None:
            return bool(theirs["project_id"] == ours["project_id"])
        return theirs.get("project_name") is not None and theirs["project_name"] == ours["project_name"]

    def enter(self, execution: Execution) -> Callable[[], object] | None:
        """Waits, not for long, for an execution's place; makes it the parent, and gives what undoes that."""
        if execution.placed is None and execution.awaited is not None:
            if execution.awaited.acquire(timeout=_PATIENCE):
                execution.awaited.release()  # it may be entered again
            else:
                self._not_before = time.monotonic() + _RESPITE
        if execution.placed is None:
            return None
        place, adopter = execution.placed
        if adopter is not None:
            return _current(execution, self._home.adopted.made(place.span_id))
        if execution.kind == "tool" and not place.parents:
            return None  # it is known of no turn: what the application traces is better off where it was
        if self._is_left_out is not None and self._is_left_out(place.root_span_id):
            return None
        return self._named(execution, place)

    def _named(self, execution: Execution, place: Place) -> Callable[[], object] | None:
        slug = _slug(place, self._home.project)
        state = _state()
        if slug is None or state is None:
            return None
        before = state.current_parent.get()
        state.current_parent.set(slug)
        execution.current = slug
        return partial(state.current_parent.set, before)


def _state() -> Any:
    """Gives braintrust's state, if it is imported and has one."""
    return getattr(sys.modules.get("braintrust.logger"), "_state", None)


def _takes_parents(state: Any) -> bool:
    """Tells whether spans without a parent go to a logger, and can be given one.

    Where there is no logger there are no spans; and an experiment's belong to it.
    """
    braintrust: Any = sys.modules["braintrust.logger"]
    return (
        hasattr(state, "current_parent")
        and braintrust.current_logger() is not None
        and braintrust.current_experiment() is None
    )


def _can_be_current(span: Any) -> bool:
    return callable(getattr(span, "set_current", None))


def _current(execution: Execution, span: Any) -> Callable[[], object] | None:
    if not _can_be_current(span):
        return None
    span.can_set_current = True  # it was made without becoming current
    span.set_current()
    execution.current = span
    return span.unset_current  # type: ignore[no-any-return]


def _slug(place: Place, project: Json) -> str | None:
    """Gives the name of a row of ours as braintrust names parents; `None` if it can't be told safely."""
    sdk: Any = sys.modules["braintrust.logger"]
    components = getattr(sdk, "SpanComponentsV4", None)
    if components is None:
        return None
    if project["project_id"] is not None:
        where: Json = {"object_id": project["project_id"]}
    elif sys.version_info[:2] == _HANGS:
        return None
    else:
        where = {"compute_object_metadata_args": {**project}}
    ids = {"row_id": place.row_id, "span_id": place.span_id, "root_span_id": place.root_span_id}
    named: str = components(sdk.SpanObjectTypeV3.PROJECT_LOGS, **where, **ids).to_str()
    return named
