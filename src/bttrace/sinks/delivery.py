"""Log rows on their way to Braintrust, over its REST API.

Owns in what order and what batches rows are sent, and what is cut down or given up: first what
overflowed to the disk, then what waits in memory, then what other processes left. All of it runs
on the courier's thread, or at exit on the one that asks for a flush.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..config import Config
from ..guard import say_once
from ..model import Json
from ..process.native import Event, allocate_lock
from ..spans.encode import bounded
from .backoff import Backoff
from .courier import Courier
from .spooling.estate import Estate
from .spooling.segments import Loaded, Row
from .spooling.spool import Spool
from .waiting import Waiting

if TYPE_CHECKING:
    from .answers import Refused, Unsuitable
    from .api import BraintrustApi
    from .transport import Unavailable, Why

_CUT_BYTES = 2**16  # of a row that was too large nevertheless
_BATCH_ROWS = 1_000
_BATCH_BYTES = 3 * 2**20  # half of what braintrust 0.47 (`logger.py`) sends at the most
_PATIENCE = 0.1  # seconds that a thread has to end which may be inside a request
_PARTING = 1.0  # seconds that an exit leaves at least to keep what waits after a refusal
_TRY_TIMEOUT = 30.0  # seconds that one delivery outside a flush may take
Load = Waiting | Loaded


class Delivery:
    """Sends what waits in batches, in order, and again after a failure; calls `then` when nothing waits."""

    def __init__(
        self, config: Config, waiting: Waiting, spool: Spool, estate: Estate, then: Callable[[], None]
    ) -> None:
        self.refused = False
        self.trouble = ""  # what the last failure was, unless all is well since
        self.why: Why | None = None  # the same, for programs
        self._config = config
        self._waiting = waiting
        self._spool = spool
        self._estate = estate
        self._then = then
        self._batch_rows = _BATCH_ROWS
        self._inserts = 0  # that went well
        self._closed = False
        self._placing = allocate_lock()
        self._parted = Event()  # all was kept after a refusal, and that was said
        # Rows that were too large though small, and the inserts until then.
        self._doubted: dict[str, int] = {}
        self._api: BraintrustApi | None = None
        self._is_new = False  # and nothing is known of the project
        self._courier = Courier(
            "bttrace-delivery",
            self._send,
            self.waits,
            _TRY_TIMEOUT,
            idles=self._idles,
            connect=self._connect,
        )

    @property
    def project(self) -> Json:
        """Gives the project that rows go to: `project_id` and `project_name`, as far as they are known."""
        config = self._config
        identity = config.project_id if self._api is None else self._api.project_id
        return {"project_id": identity, "project_name": None if config.project_id else config.project}

    @property
    def host(self) -> str:
        """Gives whom rows are sent to, as far as that is known."""
        return urlsplit(self._config.api_url or self._config.app_url).netloc.rpartition("@")[2]

    def connected(self) -> BraintrustApi:
        """Gives the API; no request is made for it."""
        from .api import BraintrustApi

        self._api = self._api or BraintrustApi(self._config)
        return self._api

    def warm(self) -> None:
        """Lets the project be found, before there is a row for it. Never blocks."""
        self.connected()
        self._is_new = True
        self._courier.rouse()

    def waits(self) -> bool:
        """Tells whether rows of this process shall be sent."""
        return not self.refused and (bool(self._waiting) or self._spool.has_backlog())

    def _idles(self) -> bool:
        return not self.refused and (self._is_new or self._estate.waits())

    def rouse(self) -> None:
        """Lets what waits be sent. Never blocks."""
        if self.waits():
            self._courier.rouse()
        else:
            self._then()

    def inherit(self) -> None:
        """Lets what dead processes left be sent, if there is anything. Never blocks."""
        if self._estate.look():
            self._courier.rouse()

    def flush(self, deadline: float, *, is_last: bool) -> bool:
        """Sends what waits, trying a few times until the deadline; tells whether all of that went."""
        before = self._waiting.identities()
        if self.waits():
            self._courier.flush(deadline, is_last=is_last)
        if self.refused:
            self._parted.wait(max(deadline - time.monotonic(), _PARTING))
        return not (self.refused or self._spool.has_backlog() or self._waiting.holds(before))

    def finish(self, deadline: float) -> None:
        """Sends what dead processes left, until the deadline."""
        if self._idles() and not self._is_new:
            self._courier.idle(deadline)

    def close(self) -> None:
        """Ends the thread and closes the connections."""
        self._closed = True
        self._courier.end(_PATIENCE)
        if not self._courier.is_alive():
            self._estate.close()
        if self._api is not None:
            self._api.close()

    def _connect(self) -> None:
        """Connects, if there is anything to send, of which much that others have is not ours to take."""
        if self.waits() or (self._idles() and self._estate.claimed() is not None):
            self.connected()

    def _send(self, deadline: float, backoff: Backoff) -> None:
        """Sends what there is, until the deadline."""
        if self._api is None:
            return
        from .answers import Refused
        from .transport import Unavailable

        try:
            if self._insert(self._api, deadline, backoff):
                self._then()
        except Unavailable as fault:
            self._put_off(fault, backoff)
        except Refused as fault:
            self._refuse(fault)
        finally:
            self._waiting.returned()
            if self._closed:
                self._estate.close()

    def _insert(self, api: BraintrustApi, deadline: float, backoff: Backoff) -> bool:
        """Inserts batch after batch; tells whether it got through. Raises what the API does."""
        from .answers import Unsuitable

        if self._is_new:
            self._is_new = False
            api.prepare(deadline)
        while not self._stops():
            load, batch = self._next()
            if load is None and self._courier.has_time:
                load = self._estate.load(partial(api.project, deadline))
                batch = [] if load is None else load.batch(self._batch_rows, _BATCH_BYTES)
            if load is None or not batch:
                break  # what waits is on its way to the disk
            try:
                confirmed = api.insert([row.data for row in batch], deadline)
            except Unsuitable as fault:
                self._narrow(load, batch, fault)
                continue
            self._settle(load, batch, confirmed)
            backoff.succeeded()
            if not self._courier.is_hurried:
                deadline = time.monotonic() + _TRY_TIMEOUT
            elif time.monotonic() >= deadline:
                return False
        return True

    def _stops(self) -> bool:
        return self._closed or self._courier.is_parked

    def _next(self) -> tuple[Load | None, list[Row]]:
        """Gives what of this process is sent next, and a batch of it; no row of it is placed meanwhile."""
        with self._placing:
            load: Load | None = self._spool.load()
            if load is None and self._waiting:
                load = self._waiting
            return load, [] if load is None else load.batch(self._batch_rows, _BATCH_BYTES)

    def _settle(self, load: Load, batch: list[Row], confirmed: int) -> None:
        self._inserts += 1
        self._batch_rows = _BATCH_ROWS
        self.trouble, self.why = "", None
        self._take(load, batch[:confirmed], sent=True)
        self._take(load, batch[confirmed:], sent=False)

    def _take(self, load: Load, rows: list[Row], *, sent: bool) -> None:
        load.take(rows, sent=sent)
        if isinstance(load, Waiting):
            self._spool.settle()
        elif load.segment is not None:
            self._spool.done(load)
        else:
            self._estate.done(load)

    def _narrow(self, load: Load, batch: list[Row], fault: Unsuitable) -> None:
        """Makes batches smaller, until the row that is not taken is alone; cuts it down, or gives it up."""
        if len(batch) > 1:
            self._batch_rows = len(batch) // 2
            return
        [row] = batch
        if fault.too_large:
            if len(row.data) > _CUT_BYTES:
                cut = bounded(json.loads(row.data), _CUT_BYTES)
                if len(cut) < len(row.data):
                    load.replace(row, cut)
                    return
            elif self._doubts(load, row, fault):
                return
        self._take(load, batch, sent=False)
        say_once(f"a span of {len(row.data):,} bytes was not taken: {fault}", about=str(fault))

    def _doubts(self, load: Load, row: Row, fault: Unsuitable) -> bool:
        """Puts a row behind all others that was too large though it is small: the API may be what is wrong.

        It is the row's own fault when others were taken meanwhile. While none is, the API is unavailable.
        """
        from .transport import Unavailable

        before = self._doubted.setdefault(row.identity, self._inserts)
        if before != self._inserts:
            del self._doubted[row.identity]
            return False
        load.postpone(row)
        if sum(inserts == before for inserts in self._doubted.values()) >= len(load):
            raise Unavailable(str(fault), why="rejected")
        return True

    def _put_off(self, fault: Unavailable, backoff: Backoff) -> None:
        self.trouble, self.why = str(fault), fault.why
        backoff.failed(fault.retry_after)
        if backoff.failures > 1 and not self._courier.is_ending:
            self.say_waiting()
            if self._spool.is_on and not (self._spool.is_first or self._courier.is_hurried):
                # Nobody asks us first where a signal that is not handled ends the process.
                self.place(self._waiting.rest)

    def place(self, taken: Callable[[], list[Row]]) -> tuple[int, int]:
        """Lets the spool have rows that are taken out of what waits; gives how many they are, and it has.

        One thread at a time, or the later row of a span could come before an earlier one there.
        """
        with self._placing:
            rows = taken()
            kept = self._spool.keep(rows) if rows else 0
            self._waiting.placed(rows)
            return len(rows), kept

    def say_waiting(self) -> None:
        """Says, once, what does not go well."""
        trouble = self.trouble or f"{self.host} does not answer in time"
        spans = len(self._waiting) + self._spool.spans
        say_once(
            f"{trouble}: {spans} {'span waits and is' if spans == 1 else 'spans wait and are'} tried again. "
            "Check the network, BRAINTRUST_API_URL and BRAINTRUST_APP_URL.",
            about=trouble,
        )

    def _refuse(self, fault: Refused) -> None:
        self.refused = True
        self.trouble, self.why = str(fault), fault.why
        self._estate.close()
        self._then()
        kept = f"; until then spans are kept in {self._spool.folder}" if self._spool.is_on else ""
        say_once(f"{fault} Nothing is sent to Braintrust until the program is started again{kept}.")
        self._parted.set()
