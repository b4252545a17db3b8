"""The session: whether this process is traced.

Owns the only mutable global. A session begins in two steps, because a Python that starts
must not pay for what it may never use: `enable` reads the settings and puts the import
hook in place, with light modules only; the rest is loaded, and wired once, when the
application imports the first SDK.
"""

from __future__ import annotations

import os
import sys
from _thread import TIMEOUT_MAX, LockType, allocate_lock

from . import config
from .guard import forget, guarded, say, say_once
from .imports import ImportHook
from .providers import SDKS
from .registries import REGISTRIES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType
    from typing import Any

    from .extensions import Extensions
    from .model import Provider
    from .report import Status
    from .surroundings.correlated import Correlated
    from .wiring import Parts, Wiring


class Session:
    """Everything of ours that is in this process, from `enable` to `disable`."""

    def __init__(self, settings: config.Config, parts: Parts | None) -> None:
        self.settings = settings
        self.wiring: Wiring | None = None
        self.carries = _carries
        self._parts = parts
        self._extensions: Extensions | None = None
        self._locks: dict[int, LockType] = {}  # by process: a child's must not be one that its parent holds
        self._hook = ImportHook()

    def start(self) -> None:
        """Waits for the SDKs to be imported, and patches those that were."""
        import atexit  # a built-in module, which a start-up without a key does not need

        self._hook.install()
        atexit.register(_ended, self)
        for sdk in SDKS:
            self._hook.watch(sdk, self._imported)
        self._hook.watch_part("_base_client", self._part_imported)
        for module in REGISTRIES:
            self._hook.watch(module, lambda loaded: self._wired().observe(loaded))
        for module in config.modules(self.settings.tools):
            self._hook.watch(module, self._tools_imported)
        named = ",".join(filter(None, (self.settings.workflows, self.settings.tasks)))
        for name in config.modules(named):
            watch = self._hook.watch_below if name.endswith(".*") else self._hook.watch
            watch(name.removesuffix(".*"), self._declared)
        if config.run_workflow(os.environ):
            self._wired()

    def _declared(self, module: ModuleType) -> None:
        """Wraps the functions of a module that are workflows and tasks."""
        self._wired().workflows.wrap(module)

    def _imported(self, sdk: ModuleType) -> None:
        """Patches an SDK, and says what is wrong with the providers that users named."""
        self._patch(sdk)
        if self.settings.providers:
            self._described().named()

    def _tools_imported(self, module: ModuleType) -> None:
        """Wraps the tools that users named in a module."""
        self._wired().declared.patch(module)

    def _part_imported(self, part: ModuleType) -> None:
        """Patches an SDK that only its users describe, whose part that all of them have was loaded.

        The rest of it may be on its way: we did not know the name to wait for. What the seam
        patches is there, for `_base_client.py` imports `_streaming` and `_response` itself.
        """
        package = part.__name__.rpartition(".")[0]
        provider = self._described().provider(package)
        if provider is not None:
            self._patch(sys.modules[package], provider)

    def _described(self) -> Extensions:
        from .extensions import Extensions

        if self._extensions is None:
            self._extensions = Extensions(self.settings.providers or "")
        return self._extensions

    def _patch(self, sdk: ModuleType, provider: Provider | None = None) -> None:
        """Patches an SDK."""
        self._wired().patch(sdk, provider)

    def _wired(self) -> Wiring:
        """Gives what traces; wires everything when the first module is there to be patched."""
        from .wiring import Parts, Wiring

        # Two of them can be imported in two threads at once.
        with self._locks.setdefault(os.getpid(), allocate_lock()):
            if self.wiring is None:
                self.wiring = Wiring(self.settings, self._parts or Parts(), self._hook)
                if self.carries:
                    self.wiring.carry()
        return self.wiring

    def carry(self) -> None:
        """Takes it that the application has said what is around its calls, in pools of threads too."""
        self.carries = True
        if self.wiring is not None:
            self.wiring.carry()

    def stop(self) -> list[str]:
        """Undoes everything; gives the attributes that could not be put back."""
        import atexit

        self._hook.remove()
        atexit.unregister(_ended)
        return self.wiring.undo(self.settings.exit_timeout) if self.wiring is not None else []

    def end(self) -> None:
        """Comes to rest at the exit of the process, after the application's own exit handlers."""
        if self.wiring is not None:
            self.wiring.recorder.end()

    def introduction(self) -> str:
        """Gives the line that says what is traced and where it goes."""
        settings = self.settings
        named = settings.project_id or settings.project
        project = f"project {named!r}, " if "braintrust" in settings.exporters else ""
        seams = self.wiring.seams if self.wiring is not None else {}
        seen = ", ".join(f"{name} {seam.version}" for name, seam in seams.items())
        first, second, *rest = SDKS
        expected = f"{first}, {second} and {len(rest)} of their kin, once they are imported"
        return f"{project}exporter {', '.join(settings.exporters)}, SDKs: {seen or expected}"


_session: Session | None = None
_carries = False  # a block was entered, maybe before there is a session
_reason = "bttrace.enable() was not called"
_left_behind: list[str] = []


def _enable(parts: Parts | None = None, **options: object) -> None:
    """Starts a session unless there is one. See `bttrace.enable`."""
    global _session, _reason
    if _session is not None:
        return
    settings = config.read(os.environ, options)
    forget()
    if settings.log != "warning" and (settings.exporters or settings.problems):
        from . import log

        log.choose_level(settings.log)
    for problem in settings.problems:
        say_once(problem)
    if not settings.exporters and parts is None:
        _reason = settings.reason
        return
    _session = Session(settings, parts)
    _start(_session)
    if settings.log in ("info", "debug"):
        say(_session.introduction(), level="info")


def _disable() -> None:
    """Ends the session, if there is one. See `bttrace.disable`."""
    global _session, _carries, _reason, _left_behind
    session, _session, _carries = _session, None, False
    if session is not None:
        _reason = "bttrace.disable() was called"
        _left_behind = _stop(session) or []
        if session.settings.log != "warning":
            from . import log

            log.choose_level("notset")  # as it was


def _flush(timeout: float) -> bool:
    """Delivers what ended. See `bttrace.flush`."""
    wiring = _session.wiring if _session is not None else None
    if wiring is None:
        return True
    seconds = min(max(0.0, timeout), TIMEOUT_MAX / 2)
    return wiring.recorder.flush(seconds) if seconds else wiring.recorder.has_delivered


def _carry() -> None:
    global _carries
    _carries = True
    if _session is not None and not _session.carries:
        _session.carry()


def context(session_id: object, user_id: object, tags: object, metadata: Any) -> Correlated:
    """Gives a block in which what begins has a correlation. See `bttrace.context`."""
    from .surroundings.correlated import Correlated, Given

    kept = _kept(metadata) if hasattr(metadata, "items") else None
    return Correlated(Given(session_id, user_id, tags, metadata if kept is None else kept), carry)


def _copied(metadata: Mapping[str, object]) -> dict[str, object]:
    """Gives what is in a mapping now: the application may change it while the block lasts."""
    from .seams.snapshots import snapshots

    return snapshots(metadata)


def _unread(_fault: Exception) -> None:
    """Says nothing of a mapping that can't be read: the block says that it is none."""


_kept = guarded(_copied, retires=False, theirs=_unread)


def _headers() -> dict[str, str]:
    wiring = _session.wiring if _session is not None else None
    return {} if wiring is None else wiring.outgoing.headers()


carry = guarded(_carry)
headers = guarded(_headers, retires=False)
_start = guarded(Session.start)
_stop = guarded(Session.stop)
_ended = guarded(Session.end)
enable = guarded(_enable, retires=False)
disable = guarded(_disable, retires=False)
flush = guarded(_flush, retires=False)


def wired() -> Wiring | None:
    """Gives what traces in this process, once there is an SDK to be traced."""
    return _session.wiring if _session is not None else None


def status() -> Status:
    """Gives the session's status. See `bttrace.status`."""
    from .installed import is_installed, version
    from .report import Seen, Status

    session = _session
    if session is None:
        return Status(enabled=False, reason=_reason, left_behind=tuple(_left_behind))
    settings, wiring = session.settings, session.wiring
    seams = wiring.seams if wiring is not None else {}
    tools = wiring.tools.missing if wiring is not None else {}
    declared = wiring.declared.waiting if wiring is not None else (settings.tools or "").split()
    sinks = wiring.recorder.sinks if wiring is not None else ()
    journals = [str(path) for sink in sinks if (path := getattr(sink, "path", None))]
    return Status(
        enabled=True,
        exporters=settings.exporters,
        project=(settings.project_id or settings.project) if "braintrust" in settings.exporters else None,
        patched=tuple(Seen(name, seam.version, tuple(seam.coverage.missing)) for name, seam in seams.items()),
        tools=tuple(Seen(name, version(name), tuple(missing)) for name, missing in tools.items()),
        waiting_for=(*(sdk for sdk in SDKS if sdk not in seams and is_installed(sdk)), *declared),
        sinks={sink.name: sink.counts() for sink in sinks},
        sampled_out=wiring.sampling.left_out if wiring is not None and wiring.sampling is not None else 0,
        unwritten=wiring.recorder.waiting if wiring is not None else 0,
        dropped=wiring.recorder.dropped if wiring is not None else 0,
        journal=journals[0] if journals else None,
    )
