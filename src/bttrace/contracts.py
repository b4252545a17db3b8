"""What those who watch the application, those who record and those who send ask of each other.

An *observation* is something of the application's that is watched, ends once, and can
then tell what is known of it. A *sink* is where spans go. *Neighbours* are other tracers in
the process; what they have *told* Braintrust of, ours must not tell again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import FrameType
from typing import Protocol

from .classes import dataclass
from .executions import Execution
from .model import Caller, Endpoint, Facts, Json, Span
from .surroundings.correlation import Correlation


@dataclass(frozen=True, slots=True)
class Told:
    """In the place of a parent: the span of another tracer, which tells Braintrust of this very call."""

    root_span_id: str
    span_id: str


@dataclass(frozen=True, slots=True, repr=False)
class Opening:
    """What is known of a call when it begins; `started` is seconds since the epoch.

    `session` is what the request's `x-session-id` header says.
    """

    endpoint: Endpoint
    request: Json
    started: float
    caller: Caller | None
    session: str | None = None


class Neighbours(Protocol):
    """The other tracers in the process. Asked on the application's thread."""

    @property
    def wrappers(self) -> tuple[str, ...]:
        """Gives how the paths of files begin in which another tracer wraps the methods of SDKs."""

    def parent(self, wrapper: FrameType | None) -> object | None:
        """Gives the parent of a call that begins here, made by the wrapper in this frame, if by one."""

    def exported(self) -> Told | None:
        """Gives the span that another tracer has opened around the attempt that begins here."""

    def awaits(self, execution: Execution) -> bool:
        """Tells whether an execution's place is wanted at once, for another tracer's spans inside."""

    def enter(self, execution: Execution) -> Callable[[], object] | None:
        """Lets another tracer's spans hang in an awaited execution; gives what undoes it, if any."""


class Ended(Protocol):
    """Something of the application's that has ended."""

    @property
    def parent(self) -> object | None:
        """Gives the application's own braintrust span that it happened in, or `Told`, if any."""

    @property
    def within(self) -> Execution | None:
        """Gives the observed execution that it happened in, if any."""

    @property
    def correlation(self) -> Correlation | None:
        """Gives what was said around it, if anything."""

    def facts(self) -> Facts | None:
        """Gives what is known of it, if it is worth a span. Called once, on the writer thread."""


class Open(Protocol):
    """Something of the application's that exit ends."""

    def leave(self) -> None:
        """Ends it, because nothing more will come of it."""


class Begun(Ended, Protocol):
    """Something of the application's that has begun and will end."""

    def opening(self) -> Opening | None:
        """Gives what is known of it when it begins, if anything is. Called on the writer thread."""

    def facts_so_far(self) -> Facts | None:
        """Gives what is known of it while its stream is being read. Called on the writer thread."""


class Observation(Begun, Open, Protocol):
    """Something of the application's that is watched until it ends."""

    def fold(self, chunks: Sequence[object]) -> None:
        """Takes chunks of its stream, in order. Called on the writer thread."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the spans given to a sink, and of the `attachments` in them, if there were any.

    `sent` arrived; `kept` are in a file; `waiting` are on their way; `lost` are gone. One that is
    written open, and again, counts once, as it was last.
    """

    sent: int = 0
    kept: int = 0
    waiting: int = 0
    lost: int = 0
    attachments: Counts | None = None

    def __str__(self) -> str:
        told = f"{self.sent} sent, {self.kept} kept, {self.waiting} waiting, {self.lost} lost"
        return f"{told}; attachments: {self.attachments}" if self.attachments else told


class Promptness(Protocol):
    """Sees to it that what has ended is delivered before the platform can stop the process."""

    def began(self, it: object) -> None:
        """Takes it that something of the application's began."""

    def put(self, it: Observation | Execution, *, waits: bool) -> None:
        """Queues what has ended, and waits for its delivery if it `waits`."""

    def ended(self, it: object, *, waits: bool) -> None:
        """Takes it that something has ended that was queued before."""

    def taken(self, it: object, *, asks: bool) -> None:
        """Takes it, on the writer thread, that what has ended was handled; its answer may ask for tools."""


class Screen(Protocol):
    """What every span passes before it goes to the sinks."""

    def passed(self, span: Span, parent: object | None) -> Span | None:
        """Gives the span as the sinks may have it; `None` if they may not. Called on the writer thread."""


class Sink(Protocol):
    """Where finished spans go. All but `counts` and `flush` is called on the writer thread."""

    @property
    def name(self) -> str:
        """Gives the exporter's name."""

    def prepare(self) -> None:
        """Gets ready, because spans will come. Never blocks."""

    def write(self, span: Span, parent: object | None) -> None:
        """Takes a span, and the application's own braintrust span that it happened in, or `Told`.

        One that is open comes again when it has ended, and then `merges`. Never blocks.
        """

    def deliver(self) -> None:
        """Lets what was written be sent. Never blocks."""

    def flush(self, deadline: float, *, is_last: bool) -> bool:
        """Sends everything, until the deadline (of `time.monotonic`); tells whether it all went.

        What is not sent at the last flush of a process is kept elsewhere, or lost.
        """

    def counts(self) -> Counts:
        """Gives what became of the spans so far."""

    def after_fork(self) -> None:
        """Forgets, in a forked child, what the parent will send."""

    def close(self) -> None:
        """Lets go of files and connections."""
