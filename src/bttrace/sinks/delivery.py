"""Log rows on their way to Braintrust, over its REST API.

Owns in what batches what waits is sent, and what is cut down or given up. All of it runs
on the courier's thread, or at exit on the one that asks for a flush.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..config import Config
from ..encode import bounded
from ..guard import say_once
from .backoff import Backoff
from .courier import Courier
from .waiting import Row, Waiting

if TYPE_CHECKING:
    from .api import BraintrustApi, Unsuitable
    from .transport import Unavailable

_CUT_BYTES = 2**16  # of a row that was too large nevertheless
_BATCH_ROWS = 1_000
_BATCH_BYTES = 3 * 2**20  # half of what braintrust 0.47 (`logger.py`) sends at the most
_TRY_TIMEOUT = 30.0  # seconds that one delivery outside a flush may take


class Delivery:
    """Sends what waits in batches, in order, and again after a failure; calls `then` when nothing waits."""

    def __init__(self, config: Config, waiting: Waiting, then: Callable[[], None]) -> None:
        self.refused = False
        self._config = config
        self._waiting = waiting
        self._then = then
        self._batch_rows = _BATCH_ROWS
        self._api: BraintrustApi | None = None
        self._courier = Courier("bttrace-delivery", self._send, lambda: bool(waiting), _TRY_TIMEOUT)

    @property
    def project_id(self) -> str | None:
        """Gives the project that rows go to, if it is known."""
        return self._config.project_id if self._api is None else self._api.project_id

    def connected(self) -> BraintrustApi:
        """Gives the API; no request is made for it."""
        from .api import BraintrustApi

        self._api = self._api or BraintrustApi(self._config)
        return self._api

    def rouse(self) -> None:
        """Lets what waits be sent. Never blocks."""
        if self._waiting:
            self._courier.rouse()
        else:
            self._then()

    def flush(self, deadline: float) -> bool:
        """Sends what waits, trying a few times until the deadline; tells whether all of that went."""
        before = self._waiting.identities()
        return not before or self._courier.flush(deadline) or not self._waiting.holds(before)

    def close(self) -> None:
        """Ends the thread and closes the connections."""
        self._courier.end(0.0)
        if self._api is not None:
            self._api.close()

    def _send(self, deadline: float, backoff: Backoff) -> None:
        """Sends batch after batch."""
        from .api import Refused, Unsuitable
        from .transport import Unavailable

        api = self.connected()
        while not self._courier.is_parked and (batch := self._waiting.batch(self._batch_rows, _BATCH_BYTES)):
            try:
                confirmed = api.insert([row.data for row in batch], deadline)
            except Unsuitable as fault:
                self._narrow(batch, fault)
                continue
            except Unavailable as fault:
                self._put_off(fault, backoff)
                return
            except Refused as fault:
                self._refuse(str(fault))
                return
            self._waiting.take(batch[:confirmed], sent=True)
            self._waiting.take(batch[confirmed:], sent=False)
            self._batch_rows = _BATCH_ROWS
            backoff.succeeded()
        self._then()

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

    def _put_off(self, fault: Unavailable, backoff: Backoff) -> None:
        backoff.failed(fault.retry_after)
        say_once(
            f"{fault}: {len(self._waiting)} spans wait and are tried again. "
            "Check the network, BRAINTRUST_API_URL and BRAINTRUST_APP_URL.",
            about=str(fault),
        )

    def _refuse(self, message: str) -> None:
        self.refused = True
        self._waiting.clear()
        self._then()
        say_once(f"{message} Nothing is sent to Braintrust until the program is started again.")
