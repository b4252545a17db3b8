"""The seam of connections: websockets on which a model answers with events.

Owns where the classes that a provider names as such are patched. `recv_bytes` gives every
message to every way of receiving one, the application's own included, and raises when the
connection breaks; `send_raw` takes what is sent, or `send` where that does not go through
it (openai 1.60 to 3.40, `resources`), and `close` ends it. What goes around these is seen at
`send` of a connection's manager, which keeps it until the connection is open, and of the
lanes of one (openai 3.52, `lib/responses_websocket/_session.py`).

Knows no provider: rows say which classes are connections.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from inspect import unwrap
from types import ModuleType
from typing import Any

from ...contracts import Neighbours
from ...guard import guarded
from ...model import Provider
from ...patch import Ledger, Wrapper
from ...record import Recorder
from ..callers import LIBRARIES, Libraries
from .marks import marks
from .watches import Watches


class Connections:
    """The connections of one SDK. What of a class could not be patched goes to `missing`."""

    def __init__(
        self, provider: Provider, recorder: Recorder, neighbours: Neighbours, missing: list[str]
    ) -> None:
        self._provider = provider
        self._missing = missing
        self._watches = watches = Watches(provider, recorder, neighbours)
        self._received = guarded(watches.take)
        self._asked = guarded(watches.ask)
        self._refused = guarded(watches.refuse)
        self._broken = guarded(watches.broke)
        self._ended = guarded(watches.end)
        self._kept = guarded(watches.hold)
        self._entered = guarded(watches.release)

    def patch(self, module: ModuleType, ledger: Ledger) -> None:
        """Patches those classes of a module that are connections; one that it lacks is no loss."""
        sdk = sys.modules.get(self._provider.sdk)
        folder = os.path.dirname(str(getattr(sdk, "__file__", ""))) + os.sep
        self._watches.libraries = Libraries((*LIBRARIES, folder))
        for row in self._provider.connections:
            for name in row.classes.get(module.__name__, ()):
                cls, manager = getattr(module, name, None), getattr(module, f"{name}Manager", None)
                if isinstance(cls, type):
                    self._watches.marks[cls] = marks(row)
                    self._wrap(cls, self._places(cls), ledger)
                if isinstance(manager, type) and "send" in vars(manager):
                    self._watches.marks[manager] = marks(row)
                    self._wrap(manager, self._manager_places(manager), ledger)
            for name in row.lanes.get(module.__name__, ()):
                lane = getattr(module, name, None)
                if isinstance(lane, type):
                    self._wrap(lane, {"send": self._asend if _is_async(lane) else self._send}, ledger)

    def _wrap(self, cls: type, places: Mapping[str, Wrapper], ledger: Ledger) -> None:
        for name, wrapper in places.items():
            owner = next((base for base in cls.__mro__ if name in vars(base)), cls)
            if not ledger.wrap(owner, name, wrapper):
                self._missing.append(f"{cls.__module__}.{cls.__qualname__}.{name}")

    def _places(self, cls: type) -> dict[str, Wrapper]:
        send = self._asend if _is_async(cls) else self._send
        places: dict[str, Wrapper] = {
            "recv_bytes": self._arecv_bytes if _is_async(cls) else self._recv_bytes,
            "close": self._close,
        }
        if hasattr(cls, "send_raw"):
            places["send_raw"] = send
        if "send_raw" not in _names_used(getattr(cls, "send", None)):
            places["send"] = send
        return places

    def _manager_places(self, manager: type) -> dict[str, Wrapper]:
        enter = self._aenter if _is_async(manager) else self._enter
        return {
            "send": self._keep,
            "enter": enter,
            "__aenter__" if _is_async(manager) else "__enter__": enter,
        }

    # What the SDK calls. Each passes everything on, and does no more of its own than
    # calling guarded functions.

    def _recv_bytes(
        self, wrapped: Any, connection: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        try:
            message = wrapped(*args, **kwargs)
        except BaseException as error:
            self._broken(connection, error)
            raise
        self._received(connection, message)
        return message

    async def _arecv_bytes(
        self, wrapped: Any, connection: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        try:
            message = await wrapped(*args, **kwargs)
        except BaseException as error:
            self._broken(connection, error)
            raise
        self._received(connection, message)
        return message

    def _send(self, wrapped: Any, connection: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        asked = self._asked(connection, args, kwargs)
        try:
            return wrapped(*args, **kwargs)
        except BaseException as error:
            if asked is not None:
                self._refused(asked, error)
            raise

    async def _asend(
        self, wrapped: Any, connection: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        asked = self._asked(connection, args, kwargs)
        try:
            return await wrapped(*args, **kwargs)
        except BaseException as error:
            if asked is not None:
                self._refused(asked, error)
            raise

    def _close(self, wrapped: Any, connection: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        self._ended(connection)
        return wrapped(*args, **kwargs)

    def _keep(self, wrapped: Any, manager: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        result = wrapped(*args, **kwargs)
        self._kept(manager, args, kwargs)
        return result

    def _enter(self, wrapped: Any, manager: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        connection = wrapped(*args, **kwargs)
        self._entered(manager, connection)
        return connection

    async def _aenter(
        self, wrapped: Any, manager: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        connection = await wrapped(*args, **kwargs)
        self._entered(manager, connection)
        return connection


def _is_async(cls: type) -> bool:
    return cls.__name__.startswith("Async")


def _names_used(function: Any) -> tuple[str, ...]:
    """Gives the names that a function's code uses, whoever may have wrapped it."""
    return tuple(getattr(getattr(unwrap(function), "__code__", None), "co_names", ()))
