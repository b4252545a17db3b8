"""The HTTP clients that tests leave open, as programs do: closed when their test has ended.

An SDK's client closes itself when it is collected. But it is in cycles, of which the collector may
finalize a socket first; and that warns, in whichever test is running then (CPython, `_PyGC_Finalize`
in no promised order; openai 3.52, `SyncHttpxClientWrapper.__del__` in `_base_client.py`).
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
from typing import Any
from weakref import WeakSet

_open: WeakSet[Any] = WeakSet()


def follow() -> None:
    """Knows every client that is made from now on."""
    for library in ("httpx", "httpx2"):
        if importlib.util.find_spec(library):
            client: Any = importlib.import_module(library).Client
            client.__init__ = _followed(client.__init__)


def _followed(made: Any) -> Any:
    @functools.wraps(made)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        made(self, *args, **kwargs)
        _open.add(self)

    return init


def close() -> None:
    """Closes all that are open still."""
    for client in list(_open):
        client.close()
    _open.clear()
    openai = module_of_openai()
    if openai is not None:
        # Or the module goes on with its own, which is closed, and makes its next with the same connections.
        openai._client = openai.http_client = None


def module_of_openai() -> Any:
    """The module whose settings and client `openai.chat` and its like take, or None before it is imported.

    Not always `sys.modules["openai"]` where tests import that again: what loads the client was bound
    to whichever was there at its first use (openai 3.52, `lib/_module_runtime.py`).
    """
    runtime: Any = sys.modules.get("openai.lib._module_runtime")
    return sys.modules.get("openai") if runtime is None else runtime._sdk
