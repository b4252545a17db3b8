"""What the environment asks for: values that are not allowed, names that are not known, and what is off."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from ..config import Config, known_variables
from .findings import Finding, found

_OURS = "BTTRACE_"
_NO_KEY = "there is no BRAINTRUST_API_KEY"
_OTHERS = ("BTTRACE_STRICT", "BTTRACE_RUN_PID", "BTTRACE_RUN_WORKFLOW")  # that are read, and no settings


def settings_findings(settings: Config, environ: Mapping[str, str]) -> list[Finding]:
    """Gives what is wrong with the settings, or keeps spans from Braintrust."""
    return [
        *(
            found("settings", "bad-value", problem.rstrip("."))
            for problem in settings.problems
            if _NO_KEY not in problem  # which is a finding of its own
        ),
        *_unknown(environ),
        *_off(settings),
        *_sampled(settings),
    ]


def _unknown(environ: Mapping[str, str]) -> list[Finding]:
    known = (*known_variables(), *_OTHERS)
    told = []
    for name in sorted(environ):
        if name.startswith(_OURS) and name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"; near it: {near[0]}" if near else ""
            told.append(found("settings", "unknown-variable", f"{name} is set, and read by nobody{hint}"))
    return told


def _off(settings: Config) -> list[Finding]:
    """Gives what keeps all spans from Braintrust: the first that does."""
    if settings.disabled:
        return [found("settings", "disabled", "BTTRACE_DISABLED is set: nothing is traced")]
    if not settings.exporters and settings.exporter is not None and "none" in settings.exporter:
        return [found("settings", "exporter-none", "BTTRACE_EXPORTER is none: nothing is traced")]
    if settings.api_key is None and (settings.exporter is None or "braintrust" in settings.exporter):
        said = "there is none, neither in BRAINTRUST_API_KEY nor in an .env.braintrust"
        return [found("key", "no-key", said)]
    if settings.exporters and "braintrust" not in settings.exporters:
        names = ", ".join(settings.exporters)
        return [found("settings", "not-to-braintrust", f"spans go to {names}, and not to Braintrust")]
    return []


def _sampled(settings: Config) -> list[Finding]:
    if settings.sample_rate >= 1:
        return []
    if not settings.sample_rate:
        return [found("settings", "all-left-out", "BTTRACE_SAMPLE_RATE is 0: no trace is kept")]
    said = f"BTTRACE_SAMPLE_RATE keeps {settings.sample_rate:.0%} of the traces"
    return [found("settings", "left-out", said)]
