"""The Braintrust sink: log rows of ours over the REST API, or spans of the application's own.

Owns which way a span takes, what waits to be sent, when it is tried again, and what is cut
down or given up. All runs on the writer thread; `uploads` has what is uploaded beside the rows.
"""

from __future__ import annotations

import json
import time
from collections import deque
from typing import TYPE_CHECKING

from ..config import Config
from ..contracts import Counts, Told
from ..encode import bounded
from ..guard import say_once
from ..model import Attachment, Json, Span
from .adoption import adopt
from .backoff import Backoff

if TYPE_CHECKING:
    from .api import BraintrustApi, Unsuitable
    from .transport import Unavailable
    from .uploads import Uploads

_ROW_BYTES = 5 * 2**20  # one such row in a request is less than braintrust 0.47 (`logger.py`) sends at most
_CUT_BYTES = 2**16  # of a row that was too large nevertheless
_BATCH_ROWS = 200
_BATCH_BYTES = 3 * 2**20  # half of what braintrust 0.47 (`logger.py`) sends at the most
_WAITING_ROWS = 10_000
_WAITING_BYTES = 64 * 2**20
_FLUSH_TRIES = 3
_TRY_TIMEOUT = 30.0  # seconds that one delivery outside a flush may take


class BraintrustSink:
    """Delivers spans in batches, in order, and again after a failure."""

    name = "braintrust"

    def __init__(self, config: Config) -> None:
        self._config = config
        self._start()

    def _start(self) -> None:
        self._api: BraintrustApi | None = None
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._sent = 0
        self._lost = 0
        self._uploads: Uploads | None = None
        self._backoff = Backoff()
        self._refused = False
        self._batch_rows = _BATCH_ROWS

    def write(self, span: Span, parent: object | None) -> None:
        """Takes a span: into the application's own trace, if it happened in one, else to be sent.

        A span that another tracer tells Braintrust of is left to it.
        """
        if isinstance(parent, Told):
            return
        if parent is not None:
            adopt(span, parent)
            self._sent += 1
        elif self._refused:
            self._lost += 1
        else:
            # Imported here, on the writer thread, because urllib3 costs the importing thread 50 ms;
            # and not while delivering, because a fork waits for the writer at all other times.
            from . import api  # noqa: F401

            row = bounded(span.row(), _ROW_BYTES, self._reference)
            self._waiting.append(row)
            self._bytes += len(row)
            while len(self._waiting) > _WAITING_ROWS or self._bytes > _WAITING_BYTES:
                self._take(1)
                self._lost += 1
                say_once("Braintrust takes spans slower than they end; the oldest are dropped.")

    def _reference(self, attachment: Attachment) -> Json:
        """Gives what stands for an attachment in a row."""
        from .uploads import Uploads

        if self._uploads is None:
            self._uploads = Uploads(self._connected())
        return self._uploads.reference(attachment)

    def deliver(self) -> float | None:
        """Sends what waits, unless a failure asks for a pause; gives the seconds to the next try."""
        if self._waiting:
            pause = self._backoff.left()
            if pause <= 0:
                pause = self._deliver(time.monotonic() + _TRY_TIMEOUT)
            if self._waiting:
                return pause
        return None if self._uploads is None else self._uploads.deliver()

    def flush(self, deadline: float) -> bool:
        """Sends what waits, trying a few times until the deadline."""
        for _ in range(_FLUSH_TRIES):
            if not self._waiting:
                break
            pause = self._deliver(deadline)
            if self._waiting and time.monotonic() + pause >= deadline:
                break
            if self._waiting:
                time.sleep(pause)
        if self._waiting:
            return False
        uploaded = self._uploads is None or self._uploads.flush(deadline)
        return uploaded and not self._lost

    def counts(self) -> Counts:
        """Gives what arrived, what waits, and what is lost."""
        uploads = self._uploads
        attachments = Counts(uploads.sent, 0, uploads.waiting, uploads.lost) if uploads is not None else None
        return Counts(sent=self._sent, waiting=len(self._waiting), lost=self._lost, attachments=attachments)

    def after_fork(self) -> None:
        """Leaves the parent's rows and connections to the parent."""
        self._start()

    def close(self) -> None:
        """Gives up what still waits, and closes the connections."""
        waiting = len(self._waiting)
        if waiting:
            self._take(waiting)
            self._lost += waiting
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
        while self._waiting:
            batch = self._next_batch()
            try:
                self._sent += api.insert(batch, deadline)
            except Unsuitable as fault:
                self._narrow(batch, fault)
                continue
            except Unavailable as fault:
                return self._pause(fault)
            except Refused as fault:
                self._refuse(str(fault))
                return 0.0
            self._take(len(batch))
            self._batch_rows = _BATCH_ROWS
            self._backoff.succeeded()
        return 0.0

    def _narrow(self, batch: list[bytes], fault: Unsuitable) -> None:
        """Makes batches smaller, until the row that is not taken is alone; cuts it down, or gives it up."""
        if len(batch) > 1:
            self._batch_rows = len(batch) // 2
            return
        self._take(1)
        if fault.too_large and len(batch[0]) > _CUT_BYTES:
            cut = bounded(json.loads(batch[0]), _CUT_BYTES)
            if len(cut) < len(batch[0]):
                self._waiting.appendleft(cut)
                self._bytes += len(cut)
                return
        self._lost += 1
        say_once(f"a span of {len(batch[0]):,} bytes was not taken: {fault}", about=str(fault))

    def _next_batch(self) -> list[bytes]:
        batch: list[bytes] = []
        size = 0
        for row in self._waiting:
            size += len(row)
            if batch and (size > _BATCH_BYTES or len(batch) >= self._batch_rows):
                break
            batch.append(row)
        return batch

    def _take(self, count: int) -> None:
        for _ in range(count):
            self._bytes -= len(self._waiting.popleft())

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
        lost = len(self._waiting)
        self._take(lost)
        self._lost += lost
        if self._uploads is not None:
            self._uploads.give_up()
        say_once(f"{message} Nothing is sent to Braintrust until the program is started again.")
