"""The Braintrust sink: log rows of ours over the REST API, or spans of the application's own.

Owns which way a span takes, what waits to be sent, when it is tried again, and what is cut
down or given up. All runs on the writer thread; `uploads` has what is uploaded beside the rows.
"""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING

from ..config import Config
from ..contracts import Counts, Told
from ..encode import bounded
from ..guard import guarded, say_once
from ..model import Attachment, Json, Span
from .adoption import Adopted, is_imported
from .backoff import Backoff
from .waiting import Row, Waiting

if TYPE_CHECKING:
    from .api import BraintrustApi, Unsuitable
    from .transport import Unavailable
    from .uploads import Uploads

_ROW_BYTES = 5 * 2**20  # one such row in a request is less than braintrust 0.47 (`logger.py`) sends at most
_CUT_BYTES = 2**16  # of a row that was too large nevertheless
_BATCH_ROWS = 200
_BATCH_BYTES = 3 * 2**20  # half of what braintrust 0.47 (`logger.py`) sends at the most
_FLUSH_TRIES = 3
_TRY_TIMEOUT = 30.0  # seconds that one delivery outside a flush may take
_LOOK = 0.05  # seconds until the writer looks again how a delivery goes
# Below these a merge does not look: what is not there any more would stay (Braintrust's API, `_merge_paths`).
_WHOLE = ("input", "output", "metadata", "metrics")
_EMPTIED = ("input", "output", "error")  # what a later row of a span may lack, and a merge would keep


class BraintrustSink:
    """Delivers spans in batches, in order, and again after a failure.

    `adopted` are those that hang in the application's own.
    """

    name = "braintrust"

    def __init__(self, config: Config) -> None:
        self._config = config
        self.adopted = Adopted()
        self._runs = guarded(self._run, retires=False)
        self._start()

    def _start(self) -> None:
        self._api: BraintrustApi | None = None
        self._waiting = Waiting()
        self._uploads: Uploads | None = None
        self._backoff = Backoff()
        self._refused = False
        self._batch_rows = _BATCH_ROWS
        self._thread: threading.Thread | None = None

    @property
    def project(self) -> Json:
        """Gives the project that rows go to: `project_id` and `project_name`, as far as they are known."""
        known = self._config.project_id if self._api is None else self._api.project_id
        return {
            "project_id": known,
            "project_name": None if self._config.project_id else self._config.project,
        }

    def write(self, span: Span, parent: object | None) -> None:
        """Takes a span: into the application's own trace, if it happened in one, else to be sent.

        A span that another tracer tells Braintrust of is left to it.
        """
        if isinstance(parent, Told):
            return
        if parent is not None:
            taken = self.adopted.write(span, parent)
            self._waiting.count(span.row_id, again=span.merges, sent=taken)
        elif self._refused:
            self._waiting.count(span.row_id, again=span.merges, sent=False)
        else:
            # Imported here, on the writer thread, because urllib3 costs the importing thread 50 ms;
            # and not while delivering, because a fork waits for the writer at all other times.
            from . import api  # noqa: F401

            merges = self._waiting.merges(span.row_id, again=span.merges)
            data = bounded(_event(span, merges=merges), _ROW_BYTES, self._reference)
            if self._waiting.add(Row(span.row_id, data, merges), again=span.merges):
                say_once("Braintrust takes spans slower than they end; the oldest are dropped.")

    def _reference(self, attachment: Attachment) -> Json:
        """Gives what stands for an attachment in a row."""
        from .uploads import Uploads

        if self._uploads is None:
            self._uploads = Uploads(self._connected())
        return self._uploads.reference(attachment)

    def deliver(self) -> float | None:
        """Sends what waits, unless a failure asks for a pause; gives the seconds to the next try.

        In a program that traces with braintrust itself, a thread of its own waits for the API's
        answers: a tool there may wait for the writer.
        """
        if self._is_running():
            return _LOOK
        if self._waiting:
            pause = self._backoff.left()
            if pause <= 0:
                self._connected()
                if is_imported() and self._begin():
                    return _LOOK
                pause = self._deliver(time.monotonic() + _TRY_TIMEOUT)
            if self._waiting:
                return pause
        return None if self._uploads is None else self._uploads.deliver()

    def _begin(self) -> bool:
        """Delivers in a thread; tells whether one could be started."""
        thread = threading.Thread(target=self._runs, name="bttrace-delivery", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            return False  # the interpreter is going down
        self._thread = thread
        return True

    def _run(self) -> None:
        self._deliver(time.monotonic() + _TRY_TIMEOUT)

    def _is_running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def flush(self, deadline: float) -> bool:
        """Sends what waits, trying a few times until the deadline."""
        if self._thread is not None:
            self._thread.join(max(deadline - time.monotonic(), 0.0))
        for _ in range(_FLUSH_TRIES):
            if self._is_running() or not self._waiting:
                break
            pause = self._deliver(deadline)
            if self._waiting and time.monotonic() + pause >= deadline:
                break
            if self._waiting:
                time.sleep(pause)
        if self._is_running():
            say_once(
                f"Braintrust does not answer in time; {len(self._waiting)} of the spans are not sent yet. "
                "Check the network, or set BTTRACE_EXIT_TIMEOUT higher."
            )
        if self._waiting:
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
        if self._api is not None:
            self._api.close()

    def _connected(self) -> BraintrustApi:
        from .api import BraintrustApi

        self._api = self._api or BraintrustApi(self._config)
        return self._api

    def _deliver(self, deadline: float) -> float:
        """Sends batch after batch; gives the seconds to pause after a failure, 0 without one."""
        from .api import Refused, Unsuitable
        from .transport import Unavailable

        api = self._connected()
        while batch := self._waiting.batch(self._batch_rows, _BATCH_BYTES):
            try:
                confirmed = api.insert([row.data for row in batch], deadline)
            except Unsuitable as fault:
                self._narrow(batch, fault)
                continue
            except Unavailable as fault:
                return self._pause(fault)
            except Refused as fault:
                self._refuse(str(fault))
                return 0.0
            self._waiting.take(batch[:confirmed], sent=True)
            self._waiting.take(batch[confirmed:], sent=False)
            self._batch_rows = _BATCH_ROWS
            self._backoff.succeeded()
        return 0.0

    def _narrow(self, batch: list[Row], fault: Unsuitable) -> None:
        """Makes batches smaller, until the row that is not taken is alone; cuts it down, or gives it up."""
        if len(batch) > 1:
            self._batch_rows = len(batch) // 2
            return
        [row] = batch
        if fault.too_large and len(row.data) > _CUT_BYTES:
            cut = bounded(json.loads(row.data), _CUT_BYTES)
            if len(cut) < len(row.data):
                self._waiting.replace(row, cut)
                return
        self._waiting.take(batch, sent=False)
        say_once(f"a span of {len(row.data):,} bytes was not taken: {fault}", about=str(fault))

    def _pause(self, fault: Unavailable) -> float:
        pause = self._backoff.failed(fault.retry_after)
        say_once(
            f"{fault}: {len(self._waiting)} spans wait and are tried again. "
            "Check the network, BRAINTRUST_API_URL and BRAINTRUST_APP_URL.",
            about=str(fault),
        )
        return pause

    def _refuse(self, message: str) -> None:
        self._refused = True
        self._waiting.clear()
        if self._uploads is not None:
            self._uploads.give_up()
        say_once(f"{message} Nothing is sent to Braintrust until the program is started again.")


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
