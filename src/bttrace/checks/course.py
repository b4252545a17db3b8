"""The course of a check: everything at once, within one deadline.

The trial that is ready first sends the test trace, once it is known that there is a project: what
delivery would make on its own, the check does not make unasked. All others keep their span to
themselves. No trial touches the application's spool or journal.
"""

from __future__ import annotations

import os
import queue
import shutil
import tempfile
import time
from collections.abc import Sequence
from typing import Any

from ..classes import dataclass
from ..config import Config
from .doors import door, hook_finding
from .findings import Finding, found, well
from .questions import Heard, Question
from .sdks import Sdk
from .seams import died, sdk_finding
from .settings import settings_findings
from .trials import Trial, begun

_DEADLINE = 13.5  # seconds from the beginning until all is told, whatever does not answer
_ASKING = 7.0  # of them, for what the account says
_CONFIRMING = 6.0  # seconds that Braintrust has to confirm the test trace
_LEAVING = 0.7  # of those until the deadline, for a child to say that there was no answer


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was found, in the order in which it is read; `arrived` says that the span of a call did."""

    findings: Sequence[Finding]
    arrived: bool
    door: str | None
    trace: dict[str, Any] | None
    sdks: dict[str, str]

    @property
    def is_well(self) -> bool:
        """Whether a span of a real call would arrive."""
        return self.arrived and not any(finding.level == "failed" for finding in self.findings)


class Course:
    """One check. `enables` says that the program calls `bttrace.enable()`; `makes`, to make the project."""

    def __init__(
        self, settings: Config, sdks: Sequence[Sdk], began: float, *, enables: bool, makes: bool
    ) -> None:
        self._settings = settings
        self._enables = enables
        self._deadline = began + _DEADLINE
        self._asking = began + _ASKING
        self._heard: Heard = queue.SimpleQueue()
        self._sender: Trial | None = None
        self._sends = False
        self._folder = tempfile.mkdtemp(prefix="bttrace-check-") if "local" in settings.exporters else ""
        variables = self._variables()
        self._delivers = "braintrust" in settings.exporters
        self._trials = [Trial(sdk, variables, self._heard) for sdk in sdks if sdk.version is not None]
        self._absent = [sdk for sdk in sdks if sdk.version is None]
        if not self._trials:
            self._trials.append(Trial(None, variables, self._heard))  # which tells of the hook
        begun(self._trials)
        asks = settings.api_key is not None and (self._delivers or not settings.exporters)
        from .account import Account  # loads urllib3, for which the trials shall not wait

        self._account = Account(settings, self._heard, self._asking, makes=makes) if asks else None
        self._storage = Question(self._looked, self._heard)

    def _variables(self) -> dict[str, str]:
        """Gives what is different in a trial's environment."""
        own = {
            "BTTRACE_LOG": "warning",
            "BTTRACE_SAMPLE_RATE": "1",
            "BTTRACE_SPOOL": "off",
        }
        if not self._settings.exporters:  # so that the door and the SDKs can be tried
            own |= {"BTTRACE_DISABLED": "false", "BTTRACE_EXPORTER": "console"}
        if self._folder:
            own["BTTRACE_JOURNAL_DIR"] = self._folder
        return own

    def run(self) -> Outcome:
        """Waits for everything, until the deadline; gives what was found."""
        settings, account = self._settings, self._account
        while time.monotonic() < self._deadline and not self._has_ended():
            self._direct()
            until = self._deadline if time.monotonic() >= self._asking else self._asking
            try:
                self._heard.get(timeout=max(until - time.monotonic(), 0.0))
            except queue.Empty:
                continue
        for trial in self._trials:
            trial.stop()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
        arrived, trace = self._trace()
        findings = [
            *settings_findings(settings, os.environ),
            *self._tried(),
            *(account.findings(arrived=arrived) if account is not None else ()),
            *self._stored(),
            *self._warned(arrived=arrived),
        ]
        codes = {finding.code for finding in findings if finding.level == "failed"}
        findings += [one for one in self._trace_findings(trace, arrived=arrived) if one.code not in codes]
        started = next((trial.started for trial in self._trials if trial.started), None)
        through = (started and door(started)) or ("enable" if self._enables else None)
        sdks = {trial.sdk.distribution: str(trial.sdk.version) for trial in self._trials if trial.sdk}
        return Outcome(findings, arrived, through, trace, sdks)

    def _has_ended(self) -> bool:
        settled = self._account is None or self._account.is_settled
        return settled and self._storage.settled.is_set() and all(trial.has_ended for trial in self._trials)

    def _direct(self) -> None:
        """Tells the trials that are ready what to do."""
        left = min(self._deadline - _LEAVING - time.monotonic(), _CONFIRMING)
        for trial in [trial for trial in self._trials if trial.waits]:
            if not trial.is_fit:
                trial.tell("leave", 0)
                continue
            self._sender = self._sender or trial
            if trial is not self._sender:
                trial.tell("keep", left)
            elif not self._delivers or self._account is None:
                trial.tell("send", left)
            elif self._account.is_settled:
                self._sends = self._account.takes
                trial.tell("send" if self._sends else "keep", left)

    def _tried(self) -> list[Finding]:
        """Gives what the trials say of the hook and the SDKs."""
        told = next((trial.started for trial in self._trials if trial.started), None)
        hook = (
            died(self._trials[0])
            if told is None
            else hook_finding(told, enables=self._enables, off=not self._settings.exporters)
        )
        seams = [finding for trial in self._trials if (finding := sdk_finding(trial)) is not None]
        absent = [
            found(sdk.distribution, "no-sdk", "is not installed in this Python") for sdk in self._absent
        ]
        if not seams and not absent and told is not None:
            absent = [found("SDKs", "no-sdk", "none that bttrace traces is installed in this Python")]
        return [hook, *seams, *absent]

    def _looked(self) -> list[Finding]:
        """Looks through the folders; what waits there can be much."""
        from .storage import journal_findings, spool_findings  # as heavy as `account`

        spool = [] if self._account is None else spool_findings(self._settings)
        return [*spool, *(journal_findings(self._settings) if "local" in self._settings.exporters else ())]

    def _stored(self) -> list[Finding]:
        """Gives what is known of the folders by now."""
        if self._storage.fault is not None:
            return [found("spool", "spool-not-usable", str(self._storage.fault))]
        if self._storage.settled.is_set():
            return self._storage.answer or []
        return [found("spool", "spool-not-empty", "there is more in it than could be looked through in time")]

    def _warned(self, *, arrived: bool) -> list[Finding]:
        """Gives what bttrace said in the trials, but for what is a finding of its own."""
        lines: dict[str, None] = {}
        for trial in self._trials:
            own = f"{trial.sdk.package} " if trial.sdk is not None else "\n"
            said = trial.warnings(of_the_call=arrived or trial is not self._sender)
            lines.update(dict.fromkeys(line for line in said if not line.startswith(own)))
        return [
            found("bttrace", "warned", line.rstrip("."))
            for line in lines
            if line not in self._settings.problems
        ]

    def _trace(self) -> tuple[bool, dict[str, Any] | None]:
        """Tells whether the span of a call arrived where it shall go, and gives the trace, if it was sent."""
        called = self._sender.called if self._sender is not None else None
        if called is None or not called["rows"]:
            return False, None
        if not self._delivers:
            wanted = [name for name in self._settings.exporters if name in called["counts"]]
            return bool(wanted) and all(sum(called["counts"][name][:2]) for name in wanted), None
        if not self._sends or self._account is None:
            return False, None
        row = called["rows"][0]
        arrived = called["counts"]["braintrust"][0] > 0
        return arrived, {"id": row, "link": self._account.link(row), "seconds": called["seconds"]}

    def _trace_findings(self, trace: dict[str, Any] | None, *, arrived: bool) -> list[Finding]:
        called = self._sender.called if self._sender is not None else None
        if called is None:
            return []
        if not self._delivers:
            names = ", ".join(self._settings.exporters)
            return [well("trace", f"written by the exporter {names}")] if arrived else []
        if trace is None:
            return []
        if arrived:
            where = f": {trace['link']}" if trace["link"] else ""
            return [well("trace", f"confirmed by Braintrust in {trace['seconds']} s{where}")]
        lost = called["counts"]["braintrust"][2]
        said = self._sender.warnings(of_the_call=True) if self._sender is not None and lost else []
        told = called["trouble"] or (said[-1] if said else f"not confirmed in {trace['seconds']} s")
        code = called["why"] or ("rejected" if lost else "no-answer")
        return [found("trace", code, told.rstrip("."))]
