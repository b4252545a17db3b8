"""Registries of tools as they are patched: each tool that runs through a gate is an execution.

Owns what is put around a gate, and which gates were not there. Knows no registry: a row says
which functions these are, and reads what they are given.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Mapping
from functools import wraps
from types import FrameType, ModuleType
from typing import Any

from ..executions import EXECUTING, Execution
from ..guard import guarded
from ..installed import UNKNOWN, version
from ..patch import Ledger, Wrapper
from ..registries.row import Carrier, Failure, Gate, Registry
from ..surroundings.suppression import is_suppressed
from .callers import LIBRARIES
from .carrying import carried, here
from .executions import Executions, itself


class Tools:
    """The registries of one session. `missing` names, by distribution, the gates that were not there."""

    def __init__(self, executions: Executions, ledger: Ledger) -> None:
        self._executions = executions
        self._ledger = ledger
        self.missing: dict[str, list[str]] = {}

    def patch(self, registry: Registry, module: ModuleType) -> list[str]:
        """Patches the gates that stand in a module; gives those that are not there.

        A package of the application's own, which is called as that of a registry, has none of them.
        """
        gates = [gate for gate in registry.gates if gate.module == module.__name__]
        missing = [str(gate) for gate in gates if not self._wrap(gate, module) and not gate.optional]
        others: list[tuple[Failure | Carrier, Wrapper]] = [
            *((failure, self._told(failure)) for failure in registry.failures),
            *((carrier, _carried) for carrier in registry.carriers),
        ]
        missing += [
            str(one)
            for one, wrapper in others
            if one.module == module.__name__ and not self._ledger.wrap(module, one.name, wrapper)
        ]
        if missing and version(registry.distribution) == UNKNOWN:
            return []
        packages = [sys.modules.get(name) for name in (registry.package, *registry.between)]
        folders = [folder for package in packages for folder in getattr(package, "__path__", ())]
        self._executions.pass_over(tuple(os.path.join(folder, "") for folder in folders))
        known = self.missing.setdefault(registry.distribution, [])
        known += [gate for gate in missing if gate not in known]
        return missing

    def _wrap(self, gate: Gate, module: ModuleType) -> bool:
        owner = getattr(module, gate.owner, None) if gate.owner else module
        if not isinstance(owner, (type, ModuleType)):
            return False
        wrapper = self._wrapper(gate)
        return any(self._ledger.wrap(owner, name, wrapper) for name in (gate.name, *gate.older))

    def _wrapper(self, gate: Gate) -> Wrapper:
        executions = self._executions

        def begin(instance: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Execution | None:
            asked = gate.asked(_local(gate.local) if gate.local else instance, args, kwargs)
            if asked is None:
                return None
            return executions.begin(
                gate.kind,
                asked.name,
                asked.arguments,
                call_id=asked.call_id,
                delegate=asked.delegate,
                returns=asked.returns,
            )

        begun = guarded(begin)

        def run(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
            return executions.run(begun(instance, args, kwargs), wrapped, args, kwargs, gate)

        def called(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
            # Called now, as without us: arguments that do not match its parameters are told to the caller.
            return awaited(wrapped(*args, **kwargs), instance, args, kwargs)

        async def awaited(
            inside: Awaitable[Any], instance: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
        ) -> Any:
            return await executions.arun(begun(instance, args, kwargs), itself, (inside,), {}, gate)

        return called if gate.is_async else run

    def _told(self, failure: Failure) -> Wrapper:
        executions = self._executions

        def tell(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
            execution, error = EXECUTING.get(), failure.error(args, kwargs)
            if execution is not None and not is_suppressed() and isinstance(error, BaseException):
                executions.fail(execution, error)

        telling = guarded(tell)

        def told(wrapped: Any, _instance: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
            telling(args, kwargs)
            return wrapped(*args, **kwargs)

        return told


def _carried(wrapped: Any, _instance: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Gives a carrier's decorator, with which what it decorates in an execution runs in that execution."""
    decorator, around = wrapped(*args, **kwargs), here()
    if around is None:
        return decorator

    def decorate(function: Any) -> Any:
        @wraps(function)
        def within(*args: Any, **kwargs: Any) -> Any:
            return carried(around, function, *args, **kwargs)

        return decorator(within)

    return decorate


def _local(name: str) -> object:
    """Gives what the function that called a gate has in a variable."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(LIBRARIES):
        frame = frame.f_back
    return None if frame is None else frame.f_locals.get(name)
