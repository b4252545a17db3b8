"""Where steps stand, and which of them have changed: `Places`. PURE."""

from __future__ import annotations

from ..classes import dataclass
from ..spans.style import Place
from .events import Origin
from .steps import Ids, Kind, Step, beneath


@dataclass(frozen=True, slots=True)
class Above:
    """What something is to hang in: a span, or else nothing, in a trace that begins with it.

    `adopter` is the application's own span that the trace hangs in, if any. In one that `is_shared`,
    other processes may tell of the same spans.
    """

    root_span_id: str
    span_id: str | None = None
    adopter: object = None
    is_shared: bool = False

    @classmethod
    def of(cls, step: Step) -> Above:
        """Gives a step as what is above."""
        return cls(step.place.root_span_id, step.place.span_id, step.adopter, step.is_shared)


class Places:
    """Gives places to steps and calls; with each goes the application's own span that the trace hangs in."""

    def __init__(self, ids: Ids) -> None:
        self._ids = ids
        self._changed: dict[str, Step] = {}

    def beneath(self, parent: Step) -> tuple[Place, object]:
        """Gives a new place under a step."""
        return beneath(parent.place, self._ids), parent.adopter

    def outermost(self, origin: Origin) -> Above:
        """Gives the application's own span, or another process's, or a trace of its own."""
        if origin.root_span_id is None:
            return Above(self._ids.trace())
        return Above(origin.root_span_id, origin.span_id, origin.adopter)

    def placed(self, above: Above) -> tuple[Place, object]:
        """Gives a new place in what is above."""
        parents = () if above.span_id is None else (above.span_id,)
        return Place(self._ids.row(), self._ids.span(), above.root_span_id, parents), above.adopter

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
