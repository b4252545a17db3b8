"""Where steps stand, and which of them have changed: `Places`. PURE."""

from __future__ import annotations

from ..shape import Place
from .events import Origin
from .steps import Ids, Kind, Step, beneath


class Places:
    """Gives places to steps and calls; with each goes the application's own span that the trace hangs in."""

    def __init__(self, ids: Ids) -> None:
        self._ids = ids
        self._changed: dict[str, Step] = {}

    def beneath(self, parent: Step) -> tuple[Place, object]:
        """Gives a new place under a step."""
        return beneath(parent.place, self._ids), parent.adopter

    def outermost(self, origin: Origin) -> tuple[Place, object]:
        """Gives a new place in the application's own span, or of a trace of its own."""
        parents = () if origin.span_id is None else (origin.span_id,)
        if origin.root_span_id is None:
            return self._place(self._ids.trace(), ()), None
        return self._place(origin.root_span_id, parents), origin.adopter

    def _place(self, root: str, parents: tuple[str, ...]) -> Place:
        return Place(self._ids.row(), self._ids.span(), root, parents)

    def step(self, kind: Kind, name: str, at: float, parent: Step) -> Step:
        """Gives a new step under another."""
        place, adopter = self.beneath(parent)
        step = Step(place, kind, name, at, adopter)
        self.note(step)
        return step

    def note(self, step: Step) -> None:
        """Notes that a step is new, or has changed."""
        self._changed.setdefault(step.place.span_id, step)

    def changes(self) -> list[Step]:
        """Gives the steps that changed since they were last asked for, parents before their children."""
        changed, self._changed = list(self._changed.values()), {}
        return changed
