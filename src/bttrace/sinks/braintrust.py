"""The Braintrust sink: log rows of ours over the REST API, or spans of the application's own.

Owns which way a span takes, and what its row holds. `delivery` sends the rows that wait;
`uploads` has what is uploaded beside them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..config import Config
from ..contracts import Counts, Told
from ..encode import bounded
from ..guard import say_once
from ..model import Attachment, Json, Span
from .adoption import Adopted
from .delivery import Delivery
from .waiting import Row, Waiting

if TYPE_CHECKING:
    from .uploads import Uploads

_ROW_BYTES = 5 * 2**20  # one such row in a request is less than braintrust 0.47 (`logger.py`) sends at most
# Below these a merge does not look: what is not there any more would stay (Braintrust's API, `_merge_paths`).
_WHOLE = ("input", "output", "metadata", "metrics")
_EMPTIED = ("input", "output", "error")  # what a later row of a span may lack, and a merge would keep


class BraintrustSink:
    """Hands spans to their delivery. `adopted` are those that hang in the application's own."""

    name = "braintrust"

    def __init__(self, config: Config) -> None:
        self._config = config
        self.adopted = Adopted()
        self._start()

    def _start(self) -> None:
        self._waiting = Waiting()
        self._delivery = Delivery(self._config, self._waiting, self._upload)
        self._uploads: Uploads | None = None

    @property
    def project(self) -> Json:
        """Gives the project that rows go to: `project_id` and `project_name`, as far as they are known."""
        return {
            "project_id": self._delivery.project_id,
            "project_name": None if self._config.project_id else self._config.project,
        }

    def prepare(self) -> None:
        """Lets the project be found before there is a row for it."""
        self._delivery.prepare()

    def write(self, span: Span, parent: object | None) -> None:
        """Takes a span: into the application's own trace, if it happened in one, else to be sent.

        A span that another tracer tells Braintrust of is left to it.
        """
        if isinstance(parent, Told):
            return
        if parent is not None:
            taken = self.adopted.write(span, parent)
            self._waiting.count(span.row_id, again=span.merges, sent=taken)
        elif self._delivery.refused:
            self._waiting.count(span.row_id, again=span.merges, sent=False)
        else:
            # Made here, on the writer thread, because urllib3 costs the importing thread 50 ms;
            # and not while delivering, because a fork does not wait for that.
            self._delivery.connected()
            merges = self._waiting.merges(span.row_id, again=span.merges)
            data = bounded(_event(span, merges=merges), _ROW_BYTES, self._reference)
            if self._waiting.add(Row(span.row_id, data, merges), again=span.merges):
                say_once("Braintrust takes spans slower than they end; the oldest are dropped.")

    def _reference(self, attachment: Attachment) -> Json:
        """Gives what stands for an attachment in a row."""
        from .uploads import Uploads

        if self._uploads is None:
            self._uploads = Uploads(self._delivery.connected())
        return self._uploads.reference(attachment)

    def deliver(self) -> None:
        """Lets what waits be sent."""
        self._delivery.rouse()

    def _upload(self) -> None:
        """Lets attachments follow the rows that refer to them."""
        if self._uploads is None:
            return
        if self._delivery.refused:
            self._uploads.give_up()
        self._uploads.rouse()

    def flush(self, deadline: float, *, is_last: bool) -> bool:
        """Sends what waits, trying a few times until the deadline."""
        if not self._delivery.flush(deadline):
            told = "are lost" if is_last else "are not sent yet"
            say_once(
                f"Braintrust does not answer in time; {len(self._waiting)} of the spans {told}. "
                "Check the network, or set BTTRACE_EXIT_TIMEOUT higher."
            )
            return False
        uploaded = self._uploads is None or self._uploads.flush(deadline)
        return uploaded and not self._waiting.lost

    def counts(self) -> Counts:
        """Gives what arrived, what waits, and what is lost."""
        uploads, rows = self._uploads, self._waiting
        attachments = Counts(uploads.sent, 0, uploads.waiting, uploads.lost) if uploads is not None else None
        return Counts(sent=rows.sent, waiting=len(rows), lost=rows.lost, attachments=attachments)

    def after_fork(self) -> None:
        """Leaves the parent's rows, spans and connections to the parent."""
        self.adopted.forget()
        self._start()

    def close(self) -> None:
        """Gives up what still waits, and closes the connections."""
        self._waiting.clear()
        if self._uploads is not None:
            self._uploads.give_up()
        self._delivery.close()


def _event(span: Span, *, merges: bool) -> Json:
    """Gives a span as an event to insert; one that merges leaves nothing of what was there before."""
    event = span.row()
    if not merges:
        event.pop("_is_merge", None)
        return event
    return {
        **dict.fromkeys(_EMPTIED),
        **event,
        "_is_merge": True,
        "_merge_paths": [[name] for name in _WHOLE],
    }
