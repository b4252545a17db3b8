"""Putting the rooms together, when the application has imported its first SDK.

Owns what belongs to a session while it traces: one recorder with its sinks, one ledger,
one seam for each SDK. Everything that costs an import is imported here, so that a Python
which never imports an SDK never loads it; and what many programs have no use for, when it is needed.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from functools import cached_property, partial
from types import ModuleType
from typing import TYPE_CHECKING, Literal

from . import choices
from .classes import dataclass
from .clock import Clock, Ids, RandomIds, SystemClock
from .config import RUN_VARIABLE, Config, run_workflow
from .contracts import Sink
from .environment import freezes
from .guard import guarded, say_once
from .imports import ImportHook
from .model import Json, Provider
from .patch import Ledger
from .providers import SDKS
from .record import Recorder
from .registries import REGISTRIES
from .screens.known_secrets import remember
from .seams.calls import Call
from .seams.coverage import not_covered
from .seams.executions import Executions
from .seams.finding.discovery import Discovery
from .seams.stainless import Seam
from .seams.web.entrances import FRAMEWORKS, QUEUES
from .seams.web.servers import MODULE, Servers
from .sinks.neighbours import Tracers
from .surroundings.correlation import Correlation

if TYPE_CHECKING:
    from .registries.row import Registry
    from .seams.declared import Declared
    from .seams.tools import Tools
    from .seams.web.errands import Errands
    from .seams.web.frameworks import Frameworks
    from .seams.web.incoming import Incoming
    from .seams.web.outgoing import Outgoing
    from .seams.web.queues import Queues
    from .seams.websockets.connections import Connections
    from .seams.workflows import Workflows


@dataclass(frozen=True, slots=True)
class Parts:
    """What stands in for the real sinks, clock and ids; `None` for the real one."""

    sinks: Sequence[Sink] | None = None
    clock: Clock | None = None
    ids: Ids | None = None


class Wiring:
    """One recorder, one ledger, and a seam for each SDK that was imported."""

    def __init__(self, settings: Config, parts: Parts, hook: ImportHook) -> None:
        remember("BRAINTRUST_API_KEY", settings.api_key)
        sinks = choices.sinks(settings) if parts.sinks is None else parts.sinks
        if os.environ.get(RUN_VARIABLE) == str(os.getpid()):
            # Before the recorder is made: exit handlers run last to first, and its last flush comes first.
            choices.show_at_exit(sinks)
        self.sampling = choices.sampling(settings)
        self._ids = parts.ids or RandomIds()
        self.recorder = Recorder(
            sinks,
            choices.style(settings, sinks),
            parts.clock or SystemClock(),
            self._ids,
            settings.exit_timeout,
            partial(choices.screens, settings, self.sampling),
            Correlation(settings.session_id, settings.user_id, settings.tags, settings.metadata),
        )
        if freezes(os.environ):
            from .process.serverless import Haste

            self.recorder.hasten(Haste(self.recorder))
        self.seams: dict[str, Seam] = {}
        self._connections: dict[str, Connections] = {}
        self._hook = hook
        self._carries = False
        self._current: ContextVar[Call | None] = ContextVar("bttrace_call", default=None)
        self._ledger = Ledger()
        to_braintrust = "braintrust" in settings.exporters
        self._neighbours = Tracers(
            self.recorder.exit_sooner,
            to_braintrust=to_braintrust,
            api_url=settings.api_url,
            nesting=choices.nesting(settings, sinks, self.sampling) if to_braintrust else None,
        )
        self.executions = Executions(self.recorder, self._neighbours)
        self._discovery = Discovery(self.executions) if settings.discover_tools else None
        self._settings = settings
        hook.watch(MODULE, Servers(self.recorder.leave, self._ledger).patch)
        for module in FRAMEWORKS:
            hook.watch(module, self._serve)
        hook.watch(QUEUES, self._work)
        if settings.tools:
            guarded(self.declared.look)()
        if settings.workflows or settings.tasks:
            self.carry()
        if workflow := run_workflow(os.environ):
            from .seams.runs import RunRoot

            RunRoot(workflow, self.recorder, self.executions).begin()

    def carry(self) -> None:
        """Lets what is handed to pools of threads run in what is around it, from now on."""
        if not self._carries:
            self._carries = True
            from .seams.carrying import patch

            self._hook.watch("concurrent.futures.thread", lambda pools: patch(pools, self._ledger))

    def _serve(self, module: ModuleType) -> None:
        """Patches a web framework, one of whose modules has been imported."""
        self.carry()
        self.frameworks.patch(module)

    def _work(self, signals: ModuleType) -> None:
        """Has Celery tell of the tasks that it runs."""
        self.carry()
        self.queues.patch(signals)

    @cached_property
    def incoming(self) -> Incoming:
        """Gives what reads the headers that say where something comes from."""
        from .seams.web.incoming import Incoming

        return Incoming(self.project)

    def project(self) -> Json:
        """Gives the project that spans go to: `project_id` and `project_name`, as far as they are known."""
        for sink in self.recorder.sinks:
            project: Json | None = getattr(sink, "project", None)
            if project is not None:
                return project
        settings = self._settings
        return {
            "project_id": settings.project_id,
            "project_name": None if settings.project_id else settings.project,
        }

    @cached_property
    def frameworks(self) -> Frameworks:
        """Gives the web frameworks whose requests are traced."""
        from .seams.web.frameworks import Frameworks
        from .seams.web.requests import Requests

        return Frameworks(Requests(self.errands, self.incoming), self._ledger)

    @cached_property
    def errands(self) -> Errands:
        """Gives what is told of only once something begins in it."""
        from .seams.web.errands import Errands

        ids = None if run_workflow(os.environ) else self._ids  # all of them stand in the run's span
        return Errands(self.executions, self.recorder, self._neighbours, ids)

    @cached_property
    def outgoing(self) -> Outgoing:
        """Gives what tells another process which span something is sent in."""
        from .seams.web.outgoing import Outgoing

        is_left_out = None if self.sampling is None else self.sampling.is_left_out
        return Outgoing(self.recorder, self._neighbours, self.project, is_left_out)

    @cached_property
    def queues(self) -> Queues:
        """Gives the tasks of queues that are traced."""
        from .seams.web.queues import Queues

        return Queues(self.errands, self.incoming, self.outgoing if self._settings.propagate else None)

    @cached_property
    def tools(self) -> Tools:
        """Gives the registries of tools that are observed."""
        from .seams.tools import Tools

        return Tools(self.executions, self._ledger)

    @cached_property
    def declared(self) -> Declared:
        """Gives the tools that the user names."""
        from .seams.declared import Declared
        from .seams.observed import Observed

        return Declared(self._settings.tools or "", Observed(self.executions), self._ledger)

    @cached_property
    def workflows(self) -> Workflows:
        """Gives the functions that the user names as workflows and tasks."""
        from .seams.observed import Observed
        from .seams.workflows import Workflows

        settings = self._settings
        named: dict[Literal["workflow", "task"], str | None] = {
            "workflow": settings.workflows,
            "task": settings.tasks,
        }
        return Workflows(named, Observed(self.executions), self._ledger)

    def patch(self, sdk: ModuleType, provider: Provider | None = None) -> None:
        """Patches an SDK that has been imported, and says what of it could not be.

        `provider` describes one that is not among `SDKS`.
        """
        name = sdk.__name__
        described: Provider = provider or importlib.import_module(SDKS[name]).PROVIDER
        seam = Seam(described, self.recorder, self._neighbours, self._current, self._discovery)
        seam.patch(sdk, self._ledger)
        self.seams[name] = seam
        if not seam.coverage.known:
            say_once(f"{name} {seam.version} is not an SDK that bttrace knows, and is not traced.")
            return
        for module in described.stream_helpers:
            self._hook.watch(module, lambda loaded: self._patch_later(seam, seam.patch_helpers, loaded))
        for module in {module for row in described.connections for module in (*row.classes, *row.lanes)}:
            self._hook.watch(module, lambda loaded: self._connect(seam, described, loaded))
        _say_missing(seam.coverage.missing, name, seam.version)

    def observe(self, module: ModuleType) -> None:
        """Patches the gates of a registry of tools that stand in a module which has been imported."""
        from .installed import version

        registry: Registry = importlib.import_module(REGISTRIES[module.__name__]).REGISTRY
        missing = self.tools.patch(registry, module)
        if missing:
            say_once(
                f"the tools of {registry.package} {version(registry.distribution)} are observed in part: "
                f"{', '.join(missing)} could not be patched. The application is not affected."
            )

    def _connect(self, seam: Seam, described: Provider, module: ModuleType) -> None:
        """Patches the connections of an SDK, in one of its modules."""
        connections = self._connections.get(described.sdk)
        if connections is None:
            from .seams.websockets.connections import Connections

            connections = Connections(described, self.recorder, self._neighbours, seam.coverage.missing)
            self._connections[described.sdk] = connections
        self._patch_later(seam, connections.patch, module)

    def _patch_later(
        self, seam: Seam, patch: Callable[[ModuleType, Ledger], None], module: ModuleType
    ) -> None:
        """Patches what is in one of the SDK's own modules, which it imports late."""
        before = len(seam.coverage.missing)
        patch(module, self._ledger)
        _say_missing(seam.coverage.missing[before:], module.__name__, seam.version)

    def undo(self, timeout: float) -> list[str]:
        """Puts back what was patched, delivers and ends the recorder; gives what could not be put back."""
        left_behind = self._ledger.restore()
        if "queues" in vars(self):
            self.queues.close()
        if self._discovery is not None:
            self._discovery.close()
        self.recorder.close(timeout)
        return left_behind


def _say_missing(missing: Sequence[str], name: str, version: str) -> None:
    if missing:
        say_once(
            f"{name} {version} is traced in part. Not covered: {not_covered(missing)}; "
            "bttrace.status() names what is missing. The application is not affected."
        )
