"""The session: whether this process is traced, and by what.

Owns the only mutable global, and wires everything once. It does so in two steps, because
a Python that starts must not pay for what it may never use: `enable` reads the settings
and puts the import hook in place, importing only the light modules; the rest is loaded
and wired when the application imports the first SDK.
"""

from __future__ import annotations

import os
import sys
from _thread import allocate_lock

from . import __version__, config
from .guard import forget, guarded, say, say_once
from .imports import ImportHook
from .providers import SDKS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

    from .clock import Clock, Ids
    from .contracts import Sink
    from .model import Provider
    from .patch import Ledger
    from .record import Recorder
    from .report import Status
    from .seams.stainless import Seam
    from .sinks.journal import JournalSink

RUN_VARIABLE = "BTTRACE_RUN_PID"  # names the process whose trees `bttrace run` is to print


class Session:
    """Everything of ours that is in this process, from `enable` to `disable`."""

    def __init__(self, settings: config.Config, wiring: Wiring | None = None) -> None:
        self.settings = settings
        self.recorder: Recorder | None = None
        self.seams: dict[str, Seam] = {}
        self._wiring = wiring or Wiring()
        self._wiring_lock = allocate_lock()
        self._ledger: Ledger | None = None
        self._hook = ImportHook()

    def start(self) -> None:
        """Waits for the SDKs to be imported, and patches those that were."""
        self._hook.install()
        for sdk in SDKS:
            self._hook.watch(sdk, self._imported)

    def _imported(self, sdk: ModuleType) -> None:
        """Patches an SDK; wires everything when it is the first."""
        from .seams.stainless import Seam

        with self._wiring_lock:
            recorder = self._recorder()
            if self._ledger is None:
                from .patch import Ledger

                self._ledger = Ledger()
        name = sdk.__name__
        seam = Seam(_provider(SDKS[name]), recorder, _parent_finder(self.settings, recorder))
        seam.patch(sdk, self._ledger)
        self.seams[name] = seam
        if seam.missing:
            say_once(
                f"{name} {seam.version} is not fully covered: {', '.join(seam.missing)} not found. "
                "The application is not affected; update bttrace."
            )

    def _recorder(self) -> Recorder:
        if self.recorder is None:
            from .clock import RandomIds, SystemClock
            from .record import Recorder
            from .shape import Style

            settings, wiring = self.settings, self._wiring
            style = Style(
                span_names=settings.span_names,
                capture_content=settings.capture_content,
                origin=__version__,
            )
            sinks = wiring.sinks if wiring.sinks is not None else _sinks(settings)
            if os.environ.get(RUN_VARIABLE) == str(os.getpid()):
                # Before the recorder is made, so that its last flush, registered later, runs earlier.
                _show_at_exit(sinks)
            self.recorder = Recorder(
                sinks, style, wiring.clock or SystemClock(), wiring.ids or RandomIds(), settings.exit_timeout
            )
        return self.recorder

    def stop(self) -> list[str]:
        """Undoes everything; gives the attributes that could not be put back."""
        self._hook.remove()
        left_behind = self._ledger.restore() if self._ledger is not None else []
        if self.recorder is not None:
            self.recorder.close(self.settings.exit_timeout)
        return left_behind

    def missing_sdks(self) -> list[str]:
        """Gives the SDKs that the application has not imported."""
        return [sdk for sdk in SDKS if sdk not in self.seams]


class Wiring:
    """What a test puts in the place of the real sinks, clock and ids; `None` for the real one."""

    def __init__(
        self, sinks: Sequence[Sink] | None = None, clock: Clock | None = None, ids: Ids | None = None
    ) -> None:
        self.sinks = sinks
        self.clock = clock
        self.ids = ids


_session: Session | None = None
_reason = "bttrace.enable() was not called"
_left_behind: list[str] = []


def _enable(wiring: Wiring | None = None, **options: object) -> None:
    """Starts a session unless there is one. See `bttrace.enable`."""
    global _session, _reason
    if _session is not None:
        return
    settings = config.read(os.environ, options)
    forget()
    if settings.log != "warning":
        from . import log

        log.choose_level(settings.log)
    for problem in settings.problems:
        say_once(problem)
    if not settings.exporters and wiring is None:
        _reason = settings.reason
        return
    _session = Session(settings, wiring)
    _start(_session)
    if settings.log in ("info", "debug"):
        say(_introduction(_session), level="info")


_start = guarded(Session.start)


def _disable() -> None:
    """Ends the session, if there is one. See `bttrace.disable`."""
    global _session, _reason, _left_behind
    session, _session = _session, None
    if session is not None:
        _reason = "bttrace.disable() was called"
        _left_behind = _stop(session) or []


_stop = guarded(Session.stop)


def status() -> Status:
    """Gives the session's status. See `bttrace.status`."""
    from .report import Seen, Status

    session = _session
    if session is None:
        return Status(enabled=False, reason=_reason, left_behind=tuple(_left_behind))
    recorder, settings = session.recorder, session.settings
    sinks = recorder.sinks if recorder is not None else ()
    journals = [str(path) for sink in sinks if (path := getattr(sink, "path", None))]
    return Status(
        enabled=True,
        exporters=settings.exporters,
        project=(settings.project_id or settings.project) if "braintrust" in settings.exporters else None,
        patched=tuple(Seen(name, seam.version, tuple(seam.missing)) for name, seam in session.seams.items()),
        waiting_for=tuple(session.missing_sdks()),
        sinks={sink.name: sink.counts() for sink in sinks},
        dropped=recorder.dropped if recorder is not None else 0,
        journal=journals[0] if journals else None,
    )


def _flush(timeout: float) -> bool:
    """Delivers what ended. See `bttrace.flush`."""
    session = _session
    if session is None or session.recorder is None:
        return True
    return session.recorder.flush(timeout)


enable = guarded(_enable, retires=False)
disable = guarded(_disable, retires=False)
flush = guarded(_flush, retires=False)


def _introduction(session: Session) -> str:
    settings = session.settings
    where = ", ".join(settings.exporters)
    project = (
        f"project {settings.project_id or settings.project!r}, " if "braintrust" in settings.exporters else ""
    )
    seen = ", ".join(f"{name} {seam.version}" for name, seam in session.seams.items())
    return f"{project}exporter {where}, SDKs {seen or ', '.join(SDKS) + ' once imported'}"


def _provider(module: str) -> Provider:
    __import__(module)
    provider: Provider = sys.modules[module].PROVIDER
    return provider


def _parent_finder(settings: config.Config, recorder: Recorder) -> Callable[[], object | None]:
    """Gives the function that finds the application's own braintrust span around a call."""
    if "braintrust" not in settings.exporters:
        return _no_parent
    from .sinks.adoption import current_parent

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
    """Prints the trees of this process when it ends, if it keeps a journal."""
    import atexit

    from .sinks.journal import JournalSink

    for sink in sinks:
        if isinstance(sink, JournalSink):
            atexit.register(guarded(_show), sink)


def _show(sink: JournalSink) -> None:
    from .journal import printed, rows

    if sink.path is not None and sys.stderr is not None:
        sys.stderr.write("\n")
        for line in printed(rows(sink.path)[0], sys.stderr, most=20):
            sys.stderr.write(f"{line}\n")
        sys.stderr.write(f"\nkept in {os.path.relpath(sink.path)}; to see it again: bttrace show\n")


def _sinks(settings: config.Config) -> list[Sink]:
    sinks: list[Sink] = []
    for exporter in settings.exporters:
        if exporter == "braintrust":
            from .sinks.braintrust import BraintrustSink

            sinks.append(BraintrustSink(settings))
        elif exporter == "local":
            from .sinks.journal import JournalSink

            sinks.append(JournalSink(settings.journal_dir))
        elif exporter == "console":
            from .sinks.console import ConsoleSink

            sinks.append(ConsoleSink())
    return sinks
