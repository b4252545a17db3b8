"""Trials: child Pythons in the environment of the command, and what they tell.

Owns how they are started, listened to and ended. Knows not what their findings mean.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from ..guard import guarded
from ..interpreter import interpreter_flags
from .questions import Heard
from .sdks import Sdk

_CODE = "from bttrace.checks.rehearsal import main; main()"
_SAID = "bttrace: "  # how lines of our own begin
_LINES = 100  # that are remembered of what a child says


class Trial:
    """One child. `started`, `imported` and `called` are what it told, `None` until then; see `rehearsal`."""

    def __init__(self, sdk: Sdk | None, variables: Mapping[str, str], heard: Heard) -> None:
        self.sdk = sdk
        self.started: dict[str, Any] | None = None
        self.imported: dict[str, Any] | None = None
        self.called: dict[str, Any] | None = None
        self.has_ended = False
        self.is_told = False
        self.lines: list[str] = []
        """What else came from it, ours without their beginning."""
        self._variables = variables
        self._heard = heard
        self._mark = f"{uuid.uuid4().hex} "
        self._process: subprocess.Popen[str] | None = None
        self._is_stopped = False
        self._before_call = 0

    @property
    def waits(self) -> bool:
        """Whether it waits to be told what to do."""
        told = self.imported
        return told is not None and not (told["error"] or self.is_told or self.has_ended)

    @property
    def is_fit(self) -> bool:
        """Whether its SDK is patched, so that a call makes a span."""
        return bool(self.imported and self.imported["known"])

    def run(self) -> None:
        """Runs the child to its end."""
        guarded(self._run, retires=False, theirs=lambda fault: self.lines.append(str(fault)))()
        self.has_ended = True
        self._heard.put(self)

    def _run(self) -> None:
        package = self.sdk.package if self.sdk is not None else ""
        process = self._process = subprocess.Popen(
            [sys.executable, *interpreter_flags(), "-c", _CODE, self._mark, package],
            env={**os.environ, **self._variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,  # one stream, so that what comes before a report stands before it
            encoding="utf-8",
            errors="replace",
        )
        if self._is_stopped:
            process.kill()
        for line in process.stdout or ():
            said, mark, told = line.partition(self._mark)
            if said.strip() and len(self.lines) < _LINES:
                self.lines.append(said.strip())
            if mark:
                report = json.loads(told)
                setattr(self, report.pop("event"), report)
                if self.called is None:
                    self._before_call = len(self.lines)
                self._heard.put(self)
        process.wait()

    def tell(self, word: str, seconds: float) -> None:
        """Tells it to call, and to `send` the span, or to `keep` it to itself; or to `leave`."""
        self.is_told = True
        if self._process is None or self._process.stdin is None:
            return
        try:
            self._process.stdin.write(f"{word} {seconds:.3f}\n")
            self._process.stdin.flush()
        except OSError:
            pass  # it has died, and that is told

    def stop(self) -> None:
        """Ends it, at whatever it is."""
        self._is_stopped = True
        if self._process is not None and not self.has_ended:
            self._process.kill()

    def warnings(self, *, of_the_call: bool) -> list[str]:
        """Gives what bttrace said in it until it was told to call, or all."""
        lines = self.lines if of_the_call else self.lines[: self._before_call]
        return [line.removeprefix(_SAID) for line in lines if line.startswith(_SAID)]


def begun(trials: Sequence[Trial]) -> None:
    """Runs trials on threads, as many at once as there are processors. Does not wait."""
    waiting: Heard = queue.SimpleQueue()
    for trial in trials:
        waiting.put(trial)

    def work() -> None:
        while True:
            try:
                trial = waiting.get_nowait()
            except queue.Empty:
                return
            if isinstance(trial, Trial):
                trial.run()

    for _ in range(min(len(trials), max(2, os.cpu_count() or 1))):
        threading.Thread(target=work, daemon=True).start()
