"""Putting the rooms together, when the application has imported its first SDK.

Owns what belongs to a session while it traces: one recorder with its sinks, one ledger,
one seam for each SDK. Everything that costs an import is imported here, so that a Python
which never imports an SDK never loads it.
"""

from __future__ import annotations

import atexit
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType

from . import __version__
from .clock import Clock, Ids, RandomIds, SystemClock
from .config import RUN_VARIABLE, Config
from .contracts import Sink
from .guard import guarded, say_once
from .imports import ImportHook
from .journal import printed, rows
from .model import Provider
from .patch import Ledger
from .providers import SDKS
from .record import Recorder
from .seams.connections import Connections
from .seams.stainless import Seam
from .shape import Style
from .sinks.adoption import current_parent
from .sinks.braintrust import BraintrustSink
from .sinks.console import ConsoleSink
from .sinks.local import JournalSink

_MOST_TREES = 20  # that are printed when a program run by `bttrace run` ends


@dataclass(frozen=True, slots=True)
class Parts:
    """What stands in for the real sinks, clock and ids; `None` for the real one."""

    sinks: Sequence[Sink] | None = None
    clock: Clock | None = None
    ids: Ids | None = None


class Wiring:
    """One recorder, one ledger, and a seam for each SDK that was imported."""

    def __init__(self, settings: Config, parts: Parts, hook: ImportHook) -> None:
        sinks = _sinks(settings) if parts.sinks is None else parts.sinks
        if os.environ.get(RUN_VARIABLE) == str(os.getpid()):
            # Before the recorder is made: exit handlers run last to first, and its last flush comes first.
            _show_at_exit(sinks)
        style = Style(settings.span_names, settings.capture_content, __version__)
        self.recorder = Recorder(
            sinks, style, parts.clock or SystemClock(), parts.ids or RandomIds(), settings.exit_timeout
        )
        self.seams: dict[str, Seam] = {}
        self._hook = hook
        self._ledger = Ledger()
        self._parent = _parent_finder(self.recorder) if "braintrust" in settings.exporters else _no_parent

    def patch(self, sdk: ModuleType) -> None:
        """Patches an SDK that has been imported, and says what of it could not be."""
        name = sdk.__name__
        provider: Provider = importlib.import_module(SDKS[name]).PROVIDER
        seam = Seam(provider, self.recorder, self._parent)
        seam.patch(sdk, self._ledger)
        self.seams[name] = seam
        for module in provider.stream_helpers:
            self._hook.watch(module, lambda loaded: seam.patch_helpers(loaded, self._ledger))
        connections = Connections(provider, self.recorder, self._parent, seam.missing)
        for module in {module for row in provider.connections for module in (*row.classes, *row.lanes)}:
            self._hook.watch(module, lambda loaded: connections.patch(loaded, self._ledger))
        if seam.missing:
            say_once(
                f"{name} {seam.version} is not fully covered: {', '.join(seam.missing)} not found. "
                "The application is not affected; update bttrace."
            )

    def undo(self, timeout: float) -> list[str]:
        """Puts back what was patched, delivers and ends the recorder; gives what could not be put back."""
        left_behind = self._ledger.restore()
        self.recorder.close(timeout)
        return left_behind


def _sinks(settings: Config) -> list[Sink]:
    sinks: list[Sink] = []
    for exporter in settings.exporters:
        if exporter == "local":
            sinks.append(JournalSink(settings.journal_dir))
        elif exporter == "console":
            sinks.append(ConsoleSink())
        elif exporter == "braintrust":
            sinks.append(BraintrustSink(settings))
    return sinks


def _parent_finder(recorder: Recorder) -> Callable[[], object | None]:
    """Gives the function that finds the application's own braintrust span around a call."""
    sooner = False

    def parent() -> object | None:
        nonlocal sooner
        found: object | None = current_parent()
        if found is not None and not sooner:
            sooner = True
            recorder.exit_sooner()
        return found

    return parent


def _no_parent() -> None:
    return None


def _show_at_exit(sinks: Sequence[Sink]) -> None:
    for sink in sinks:
        if isinstance(sink, JournalSink):
            atexit.register(guarded(_show), sink)


def _show(sink: JournalSink) -> None:
    """Prints the trees of this process."""
    out = sys.stderr
    if sink.path is None or out is None:
        return
    trees = "\n".join(printed(rows(sink.path)[0], out, most=_MOST_TREES))
    out.write(f"\n{trees}\n\nkept in {os.path.relpath(sink.path)}; to see it again: bttrace show\n")
