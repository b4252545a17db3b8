"""How an outcome is printed, for people and for programs, without a secret in it."""

from __future__ import annotations

import json
import platform
import sys
from typing import Any

from .. import __version__
from ..config import Config
from ..log import clean
from ..screens.known_secrets import remember
from .course import Outcome
from .findings import Finding

_HIDDEN = "(hidden)"
_LEAST = 8  # characters of a key that can't be part of ordinary text


class Page:
    """What is printed of one outcome."""

    def __init__(self, outcome: Outcome, settings: Config, seconds: float) -> None:
        self._outcome = outcome
        self._key = settings.api_key or ""
        self._seconds = seconds
        remember("BRAINTRUST_API_KEY", settings.api_key)

    def text(self) -> str:
        """Gives a line for each finding, each remedy on a line below it, and what all of it means."""
        outcome = self._outcome
        python = f"{platform.python_version()}, {sys.executable}, bttrace {__version__}"
        findings = [Finding("python", "ok", python), *outcome.findings]
        width = max(len(finding.about) for finding in findings)
        lines = []
        for finding in findings:
            code = f" ({finding.code})" if finding.code else ""
            lines.append(f"{finding.level:<8} {finding.about:<{width}}  {self._clean(finding.said)}{code}")
            if finding.remedy:
                lines.append(f"{'':<{width + 10}} {finding.remedy}")
        return "\n".join([*lines, "", self._conclusion()])

    def _conclusion(self) -> str:
        outcome = self._outcome
        if outcome.is_well:
            return "Spans arrive: that of a real call did."
        failed = [finding.about for finding in outcome.findings if finding.level == "failed"]
        return f"Spans do not arrive yet: see {', '.join(dict.fromkeys(failed))}."

    def json(self) -> str:
        """Gives one object; `bttrace.check` says what is in it."""
        outcome = self._outcome
        told: dict[str, Any] = {
            "ok": outcome.is_well,
            "bttrace": __version__,
            "python": {"version": platform.python_version(), "executable": sys.executable},
            "door": outcome.door,
            "sdks": outcome.sdks,
            "trace": outcome.trace,
            "seconds": round(self._seconds, 3),
            "findings": [
                {
                    "about": finding.about,
                    "level": finding.level,
                    "code": finding.code,
                    "said": self._clean(finding.said),
                    "remedy": finding.remedy,
                }
                for finding in outcome.findings
            ],
        }
        return json.dumps(told, indent=2)

    def _clean(self, said: str) -> str:
        """Gives a sentence on one line, without secrets: hosts and SDKs have a part in what is said."""
        told = clean(" ".join(said.split()))
        return told.replace(self._key, _HIDDEN) if len(self._key) >= _LEAST else told
