"""The spans that requests name: the roots of traces, and spans between a root and what it holds. PURE.

A request's `trace.trace_id` decides which trace it is in, whatever is around: another
trace of ours (a workflow, an observed tool, a web request), or a parent from another process.
Within that trace, what is around decides where; `trace.parent_span_id` counts more. Three things
count more than both. In the application's own braintrust span a call stays: that trace, which may be
an experiment's, is the application's. A call that another tracer tells of is where that has it. A
request that goes on with an open turn stays in the turn. No call is lost thereby: the id that
it named is in its metadata, and where it was made is there if that is another trace.

Ids of what stands in a named trace are made of the names, so that processes that know nothing of each
other tell of the same spans. Their rows are *shared*: each merges into what is there, in whatever order they
come. Such a span lasts from the first to the last that this process, or that which it was forked of,
knows of it: where several tell, the last one's word counts.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace
from uuid import UUID

from ..spans.style import Place
from ..surroundings.trace_keys import Trace, digest
from .events import Origin
from .places import Above, Places
from .steps import Step

_MOST = 2000  # that are remembered, the latest used

_Name = tuple[str, str | None, str]
"""What tells a named span from others: its trace, its parent if it has one, its name."""


class Traces:
    """Gives requests what they are to hang in by the names that they say."""

    def __init__(self, places: Places, inherited: Iterable[Step] = ()) -> None:
        self._places = places
        self._steps: OrderedDict[str, Step] = OrderedDict()  # by span id
        self._within: dict[_Name, str] = {}  # span ids
        for step in inherited:
            self._remember(replace(step, is_sent=False))

    def shared(self) -> list[Step]:
        """Gives the steps that a forked child may tell of too, so that it knows when they began."""
        return [step for step in self._steps.values() if step.is_shared]

    def asked(self, origin: Origin, around: Step | None, at: float) -> Above | None:
        """Gives what a request asks to hang in; `None` if that is what is around it."""
        trace = origin.trace
        if trace is None or (origin.adopter if around is None else around.adopter) is not None:
            return None
        here = origin.root_span_id if around is None else around.place.root_span_id
        root = trace.root_span_id or here
        if trace.parent_span_id is not None:
            return Above(
                root or trace.parent_span_id, trace.parent_span_id, is_shared=trace.trace_id is not None
            )
        if root is None or root == here:
            return None
        return Above.of(self._root(origin, trace, root, at))

    def named(self, above: Above, origin: Origin, at: float, *, is_turn: bool = False) -> Above:
        """Gives what to hang in under spans of the names that a request says.

        A turn that is the root of its trace bears the trace's name itself.
        """
        trace = origin.trace
        if trace is None or (is_turn and above.span_id is None):
            return above
        if trace.trace_name is not None and above.span_id is None:
            place, _ = self._places.placed(above)
            above = Above.of(self._new(Step(place, "trace", trace.trace_name, at), origin))
        if trace.span_name is not None:
            above = Above.of(self._between(above, trace.span_name, origin, at))
        return above

    def ended(self, place: Place, at: float) -> None:
        """Takes it that something has ended in what it hangs in, which lasts until then."""
        step = self._parent(place)
        while step is not None:
            if step.ended is None or step.ended < at:
                step.ended = at
                self._places.note(step)
            step = self._parent(step.place)

    def changes(self) -> list[Step]:
        """Gives the steps that changed since they were last asked for, parents before their children."""
        changed = self._places.changes()
        for step in changed:
            if step.ended is not None:
                self.ended(step.place, step.ended)
        return changed + self._places.changes()

    def abandon(self, at: float) -> None:
        """Ends what is open, because nothing more will be heard of it."""
        for step in self._steps.values():
            self._end(step, at)

    def _parent(self, place: Place) -> Step | None:
        return self._steps.get(place.parents[0]) if place.parents else None

    def _root(self, origin: Origin, trace: Trace, root: str, at: float) -> Step:
        made, nameless = digest("root", root), f"trace {trace.trace_id}"
        step = self._steps.get(made[:16])
        if step is None:
            place = Place(_row(made), made[:16], root)
            step = self._new(Step(place, "trace", nameless, at, is_shared=True), origin)
        if trace.trace_name is not None and step.name == nameless:
            step.name = trace.trace_name
            self._places.note(step)
        return self._used(step, at)

    def _between(self, above: Above, name: str, origin: Origin, at: float) -> Step:
        """Gives the span of a name in another, of which there is one."""
        known = self._within.get((above.root_span_id, above.span_id, name))
        if known is not None:
            return self._used(self._steps[known], at)
        place, adopter = self._places.placed(above)
        if above.is_shared:
            made = digest("span", above.root_span_id, *place.parents, name)
            place = replace(place, row_id=_row(made), span_id=made[:16])
        step = Step(place, "span", name, at, adopter, is_shared=above.is_shared)
        return self._new(step, origin if not place.parents else None)

    def _new(self, step: Step, origin: Origin | None) -> Step:
        """Remembers a step; a root tells what was said around the request that opened it."""
        if origin is not None:
            step.correlation = origin.correlation
        self._remember(step)
        self._places.note(step)
        if len(self._steps) > _MOST:
            _, oldest = self._steps.popitem(last=False)
            self._within.pop(_name(oldest), None)
            self._end(oldest, step.started)
        return step

    def _remember(self, step: Step) -> None:
        self._steps[step.place.span_id] = step
        if step.kind == "span":
            self._within[_name(step)] = step.place.span_id

    def _used(self, step: Step, at: float) -> Step:
        self._steps.move_to_end(step.place.span_id)
        if at < step.started or not step.is_sent:
            step.started = min(at, step.started)  # what offers no tools is heard of when it ends
            self._places.note(step)
        return step

    def _end(self, step: Step, at: float) -> None:
        if step.ended is None:
            step.ended = max(step.started, at)
            self._places.note(step)


def _name(step: Step) -> _Name:
    place = step.place
    return place.root_span_id, place.parents[0] if place.parents else None, step.name


def turn_names(trace: Trace | None, place: Place) -> tuple[str, str | None]:
    """Gives the name of a turn, and that of the span that its request had it stand in.

    The trace's name is the turn's where it is not that of a root of ours.
    """
    if trace is None:
        return "agent turn", None
    is_named = trace.parent_span_id is None and trace.root_span_id == place.root_span_id
    name = None if is_named else trace.trace_name
    return name or "agent turn", trace.span_name if place.parents else None


def _row(made: str) -> str:
    """Gives a row's id made of a digest, of which the span's id has the first digits."""
    return str(UUID(made[16:48]))
