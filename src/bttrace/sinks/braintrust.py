"""The Braintrust sink: log rows of ours over the REST API, or spans of the application's own.

Owns which way a span takes, and what its row holds. `delivery` sends the rows that wait;
`uploads` has what is uploaded beside them.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from ..classes import dataclass
from ..config import Config
from ..contracts import Counts, Told
from ..guard import say_once
from ..model import Attachment, Json, Span
from ..process.native import allocate_lock
from ..spans.encode import Reference, bounded, joined
from .adoption import Adopted
from .delivery import Delivery
from .spooling.estate import Estate
from .spooling.folders import Held
from .spooling.segments import Row
from .spooling.spool import Spool
from .tally import Tally
from .waiting import Waiting

if TYPE_CHECKING:
    from .transport import Why
    from .uploads import Uploads

_ROW_BYTES = 5 * 2**20  # one such row in a request is less than braintrust 0.47 (`logger.py`) sends at most
# Below these a merge does not look: what is not there any more would stay (Braintrust's API, `_merge_paths`).
_WHOLE = ("input", "output", "metadata", "metrics")
_ESTATE_TIMEOUT = 1.0  # seconds that the exit may wait for what dead processes left
_EMPTIED = ("input", "output", "error")  # what a later row of a span may lack, and a merge would keep


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of what dead processes left: spans, attachments, lines, and what went wrong."""

    sent: int
    attachments: int
    damaged: int
    lost: int
    trouble: str


class BraintrustSink:
    """Hands spans to their delivery. `adopted` are those that hang in the application's own."""

    name = "braintrust"

    def __init__(self, config: Config) -> None:
        self._config = config
        self.adopted = Adopted()
        self._start()
        self._delivery.inherit()

    def _start(self) -> None:
        self._tally = Tally()
        self._waiting = Waiting(self._tally)
        self._spool = Spool(self._config, self._tally, lambda: self._delivery.project)
        self._estate = Estate(self._spool.destination, self._adopt)
        self._delivery = Delivery(self._config, self._waiting, self._spool, self._estate, self._then)
        self._uploads: Uploads | None = None
        self._making = allocate_lock()

    @property
    def project(self) -> Json:
        """Gives the project that rows go to: `project_id` and `project_name`, as far as they are known."""
        return self._delivery.project

    @property
    def trouble(self) -> tuple[str, Why | None]:
        """Gives what the last failure was, for people and for programs; blank if all is well since."""
        return self._delivery.trouble, self._delivery.why

    def prepare(self) -> None:
        """Lets the project be found before there is a row for it."""
        if not self._spool.is_first:
            self._delivery.warm()

    def write(self, span: Span, parent: object | None) -> None:
        """Takes a span: into the application's own trace, if it happened in one, else to be sent.

        A span that another tracer tells Braintrust of is left to it.
        """
        if isinstance(parent, Told):
            return
        if parent is not None:
            self._count(span, taken=self.adopted.write(span, parent))
            return
        merges = self._waiting.merges(span.row_id, again=span.merges)
        data = _line(span, self._reference, merges=merges)
        segment = self._spool.written(data) if self._spool.is_first else None
        if not self._spool.is_first:
            # Made here, on the writer thread, because urllib3 costs the importing thread 50 ms, and not while
            # delivering, because a fork does not wait for that. No row waits for it that goes to the disk.
            self._delivery.connected()
        self._waiting.add(Row(span.row_id, data, merges, segment), again=span.merges)
        taken = kept = -1
        while taken:
            taken, kept = self._delivery.place(lambda: self._waiting.excess(generously=self._spool.is_on))
            if kept < taken:
                say_once("Braintrust takes spans slower than they end; the oldest are dropped.")

    def _count(self, span: Span, *, taken: bool) -> None:
        """Counts a span that is the application's SDK's to send."""
        if span.merges:
            self._tally.recall(span.row_id)
        if taken:
            self._tally.count_sent()
        else:
            self._tally.count_lost(span.row_id)

    def _reference(self, attachment: Attachment) -> Json:
        """Gives what stands for an attachment in a row."""
        return self._made_uploads().reference(attachment)

    def _adopt(self, path: Path, held: Held) -> None:
        """Takes an attachment that a dead process left."""
        self._made_uploads().adopt(path, held)

    def _made_uploads(self) -> Uploads:
        from .uploads import Uploads

        with self._making:
            self._uploads = self._uploads or Uploads(self._delivery.connected(), self._spool)
            return self._uploads

    def deliver(self) -> None:
        """Lets what waits be sent."""
        self._delivery.rouse()

    def _then(self) -> None:
        """Lets attachments follow the rows that refer to them; where none is taken, the spool has all."""
        if self._delivery.refused:
            self._keep()
        elif self._uploads is not None:
            self._uploads.rouse()

    def _keep(self) -> tuple[int, int]:
        """Lets the spool have all that waits; gives how many spans and attachments are lost."""
        taken, kept = self._delivery.place(self._waiting.rest)
        return taken - kept, 0 if self._uploads is None else self._uploads.keep()[1]

    def flush(self, deadline: float, *, is_last: bool) -> bool:
        """Sends what waits, trying a few times until the deadline; the spool has what is left at the last."""
        uploads = self._uploads
        delivered = self._delivery.flush(deadline, is_last=is_last)
        uploaded = uploads is None or (delivered and uploads.flush(deadline, is_last=is_last))
        if self._delivery.refused:
            self._keep()
        elif is_last and not (delivered and uploaded):
            self._leave()
        elif not delivered:
            self._delivery.say_waiting()
        elif is_last:
            self._finish(min(deadline, time.monotonic() + _ESTATE_TIMEOUT))
        if is_last:
            self._spool.leave()
        return uploaded and delivered and not self._tally.lost and not self._tally.kept

    def _leave(self) -> None:
        """Leaves what was not delivered to the next process, and says so."""
        uploads = self._uploads
        trouble = self._delivery.trouble or (uploads.trouble if uploads is not None else "")
        lost_rows, lost_uploads = self._keep()
        spans = self._spool.spans
        attachments = 0 if uploads is None else uploads.kept
        lost, kept = lost_rows + lost_uploads, spans + attachments
        if not lost and not kept:
            return
        begun = f"{trouble or f'{self._delivery.host} does not answer in time'}: "
        if lost:
            told = f"{_told(lost_rows, lost_uploads)} not delivered by the exit and {_are(lost)} lost"
            # Once, though there can be several last flushes: exit handlers of the application come between.
            say_once(
                f"{begun}{told}. Check the network, or set BTTRACE_EXIT_TIMEOUT higher.",
                about="lost at the exit",
            )
        if kept:
            told = f"{_told(spans, attachments)} not delivered by the exit and {_are(kept)} kept"
            where = f"in {self._spool.folder}; the next start delivers them, or python -m bttrace.replay"
            say_once(f"{begun}{told} {where}.", about="kept at the exit")

    def _finish(self, deadline: float) -> None:
        """Sends what dead processes left, for which the exit waits not long."""
        self._delivery.finish(deadline)
        if self._uploads is not None:
            self._uploads.finish(deadline)

    def replay(self, deadline: float) -> Replayed:
        """Sends what dead processes left, trying a few times until the deadline; tells how that went."""
        self._finish(deadline)
        uploads, estate = self._uploads, self._estate
        trouble = self._delivery.trouble or (uploads.trouble if uploads is not None else "")
        attachments = uploads.inherited if uploads is not None else 0
        return Replayed(estate.sent, attachments, estate.damaged, estate.lost, trouble)

    def counts(self) -> Counts:
        """Gives what arrived, what waits, what is on disk, and what is lost."""
        uploads, tally = self._uploads, self._tally
        attachments = (
            Counts(uploads.sent, uploads.kept, uploads.waiting, uploads.lost) if uploads is not None else None
        )
        return Counts(tally.sent, tally.kept, len(self._waiting), tally.lost, attachments)

    def after_fork(self) -> None:
        """Leaves the parent's rows, spans, files and connections to the parent."""
        self.adopted.forget()
        self._spool.forget()
        self._estate.close()
        if self._uploads is not None:
            self._uploads.forget()
        self._start()

    def close(self) -> None:
        """Leaves what still waits to the next process, and closes files and connections."""
        self._keep()
        if self._uploads is not None:
            self._uploads.close()
        self._delivery.close()
        self._spool.close()


def _told(spans: int, attachments: int) -> str:
    """Gives how many there were, with the verb."""
    counted = ((spans, "span"), (attachments, "attachment"))
    told = " and ".join(f"{count} {what}{'s' * (count != 1)}" for count, what in counted if count)
    return f"{told} {'was' if spans + attachments == 1 else 'were'}"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _line(span: Span, reference: Reference, *, merges: bool) -> bytes:
    """Gives a span as an event to insert, cut to what the API takes."""
    if span.content:
        data = joined(_event(span, span.placed(), merges=merges), span.content)
        if len(data) <= _ROW_BYTES:
            return data
    return bounded(_event(span, span.row(), merges=merges), _ROW_BYTES, reference)


def _event(span: Span, row: Json, *, merges: bool) -> Json:
    """Gives a row, or part of it, as an event; one that merges leaves nothing that this process said before.

    In one that is shared, other processes may have said what was there.
    """
    if span.shared:
        return row
    if not merges:
        row.pop("_is_merge", None)
        return row
    gone = dict.fromkeys(name for name in _EMPTIED if getattr(span, name) is None)
    return {**gone, **row, "_is_merge": True, "_merge_paths": [[name] for name in _WHOLE]}
