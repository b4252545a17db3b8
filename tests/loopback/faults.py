"""Faults on command: what a server does wrong, where, and how often."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class Fault:
    """One way to fail for every path that begins with `path_prefix`.

    `times` counts down; None is for ever. `delay` is in seconds and comes before everything else. `stored` says that the
    request takes its effect although its answer is lost or is an error. Without `status`, `hang` or `drop` the true answer
    follows, slowed by `delay`, or with `drip` by one second before each byte of its body, with `drip_head` of all of it; with
    `cut` the connection ends in the middle of the body.
    """

    path_prefix: str
    status: int | None = None
    times: int | None = 1
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"fault on command"
    delay: float = 0.0
    hang: bool = False
    drop: bool = False
    drip: bool = False
    drip_head: bool = False
    cut: bool = False
    stored: bool = False


@dataclass(slots=True)
class Faults:
    """The faults still to come, taken in the order in which they were added."""

    _pending: list[Fault] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, fault: Fault) -> None:
        """Appends a fault."""
        with self._lock:
            self._pending.append(fault)

    def clear(self) -> None:
        """Forgets every fault."""
        with self._lock:
            self._pending.clear()

    def taken(self, route: str) -> Fault | None:
        """The first fault for that path, counted as used; None if all is well there."""
        with self._lock:
            fault = next((item for item in self._pending if route.startswith(item.path_prefix)), None)
            if fault is not None and fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self._pending.remove(fault)
            return fault
