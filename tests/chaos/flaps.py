"""What goes wrong at Braintrust, one thing after the other, each for a while.

It owns the order and the lengths; the loopback server knows how to do each.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any

from tests.loopback.braintrust import BraintrustServer

if TYPE_CHECKING:
    from typing_extensions import Self

FLAPS: dict[str, dict[str, Any] | None] = {
    "refuses": None,
    "hangs": {"hang": True},
    "hangs after storing": {"hang": True, "stored": True},
    "drops": {"drop": True},
    "drops after storing": {"drop": True, "stored": True},
    "500": {"status": 500},
    "500 after storing": {"status": 500, "stored": True},
    "429": {"status": 429, "headers": {"retry-after": "1"}},
    "drips": {"drip": True},
}
_WELL = (0.3, 1.5)  # seconds between flaps, at least and at most
_ILL = (0.2, 1.2)  # seconds of a flap


class Flapping(AbstractContextManager["Flapping"]):
    """Flaps until the end of the block; then all is well at Braintrust. `seen` counts the flaps."""

    def __init__(self, server: BraintrustServer, chance: random.Random) -> None:
        self.seen: Counter[str] = Counter()
        self._server = server
        self._chance = chance
        self._stops = threading.Event()
        self._thread = threading.Thread(target=self._run, name="flapping", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stops.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            names = list(FLAPS)
            self._chance.shuffle(names)
            for name in names:
                self._flap(name, FLAPS[name])
                self._restart()  # or what hangs and drips would go on
                if self._stops.wait(self._chance.uniform(*_WELL)):
                    return

    def _flap(self, name: str, fault: dict[str, Any] | None) -> None:
        self.seen[name] += 1
        if fault is None:
            self._server.refuse()
        else:
            self._server.fault("", times=None, **fault)
        self._stops.wait(self._chance.uniform(*_ILL))
        self._server.heal()

    def _restart(self) -> None:
        self._server.refuse()
        self._server.listen()
