"""What ties a span to the rest of the user's world: who asked, in which session, under which trace. PURE.

Owns how what is said in several places is put together. It is said, the nearer the stronger, by
a request itself, by the block of the application's code that it was made in, and by the environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from ..classes import dataclass
from ..model import Json


@dataclass(frozen=True, slots=True)
class Remote:
    """A span that is another process's, or another tracer's, in which a trace goes on.

    Without a `span_id`, the trace is the same, but nothing of it is where our spans are.
    """

    root_span_id: str
    span_id: str | None


@dataclass(frozen=True, slots=True, repr=False)
class Correlation:
    """What is known around a span. `parent` is what it hangs in where nothing of ours is around it."""

    session_id: str | None = None
    user_id: str | None = None
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, object] = field(default_factory=dict)
    parent: Remote | None = None

    def within(self, outer: Correlation | None) -> Correlation:
        """Gives it with what is said around it, which counts where it says nothing itself."""
        if outer is None or outer is NOTHING:
            return self
        return Correlation(
            self.session_id or outer.session_id,
            self.user_id or outer.user_id,
            tuple(dict.fromkeys((*outer.tags, *self.tags))),
            {**outer.metadata, **self.metadata},
            self.parent or outer.parent,
        )

    def fields(self) -> Json:
        """Gives what of it stands in a span's metadata."""
        found = dict(self.metadata)
        if self.session_id is not None:
            found["session_id"] = self.session_id
        if self.user_id is not None:
            found["user_id"] = self.user_id
        return found


NOTHING = Correlation()
