"""Registries of tools as they are patched: each tool that runs through a gate is an execution.

Owns what is put around a gate, and which gates were not there. Knows no registry: a row says
which functions these are, and reads what they are given.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Mapping
from types import FrameType, ModuleType
from typing import Any

from ..executions import Execution
from ..guard import guarded
from ..patch import Ledger, Wrapper
from ..registries.row import Gate, Registry
from .callers import LIBRARIES
from .executions import Executions, itself


class Tools:
    """The registries of one session. `missing` names, by package, the gates that were not there."""

    def __init__(self, executions: Executions, ledger: Ledger) -> None:
        self._executions = executions
        self._ledger = ledger
        self.missing: dict[str, list[str]] = {}

    def patch(self, registry: Registry, module: ModuleType) -> list[str]:
        """Patches the gates that stand in a module; gives those that are not there."""
        packages = [sys.modules.get(name) for name in (registry.package, *registry.between)]
        folders = [folder for package in packages for folder in getattr(package, "__path__", ())]
        self._executions.pass_over(tuple(os.path.join(folder, "") for folder in folders))
        gates = [gate for gate in registry.gates if gate.module == module.__name__]
        missing = [str(gate) for gate in gates if not self._wrap(gate, module) and not gate.optional]
        known = self.missing.setdefault(registry.package, [])
        known += [gate for gate in missing if gate not in known]
        return missing

    def _wrap(self, gate: Gate, module: ModuleType) -> bool:
        owner = getattr(module, gate.owner, None) if gate.owner else module
        return isinstance(owner, (type, ModuleType)) and self._ledger.wrap(
            owner, gate.name, self._wrapper(gate)
        )

    def _wrapper(self, gate: Gate) -> Wrapper:
        executions = self._executions

        def begin(instance: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Execution | None:
            asked = gate.asked(_local(gate.local) if gate.local else instance, args, kwargs)
            if asked is None:
                return None
            return executions.begin("tool", asked.name, asked.arguments, call_id=asked.call_id)

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


def _local(name: str) -> object:
    """Gives what the function that called a gate has in a variable."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(LIBRARIES):
        frame = frame.f_back
    return None if frame is None else frame.f_locals.get(name)
