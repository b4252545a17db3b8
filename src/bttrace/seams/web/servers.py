"""Web servers that end their process by a signal, past Python's exit handlers.

Owns that what is left is delivered before. uvicorn raises the signal that asked it to stop again
when it has shut down, and by then nobody handles it (uvicorn 0.54, `server.py`, `capture_signals`).
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from ...guard import guarded
from ...patch import Ledger

MODULE = "uvicorn.server"


class Servers:
    """Calls `deliver` when a server has shut down."""

    def __init__(self, deliver: Callable[[], object], ledger: Ledger) -> None:
        self._deliver = guarded(deliver, retires=False)
        self._ledger = ledger

    def patch(self, module: ModuleType) -> None:
        """Patches the class of servers; one that has no `shutdown` ends as it does without us."""
        server = getattr(module, "Server", None)
        if isinstance(server, type):
            self._ledger.wrap(server, "shutdown", self._shutdown)

    async def _shutdown(self, wrapped: Any, _instance: object, args: Any, kwargs: Any) -> Any:
        try:
            return await wrapped(*args, **kwargs)
        finally:
            self._deliver()
