"""Findings: what was looked at, how it is, and what to do about it.

Owns every code that a finding can have, with its level and its remedy. The table in the README is
made of the same sentences.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from ..classes import dataclass

Level = Literal["ok", "warning", "failed"]

_NETWORK = "Check the network, and the host in BRAINTRUST_API_URL and BRAINTRUST_APP_URL."
_LATER = "Try again later; spans are kept meanwhile and sent then."
_BRAINTRUST = "Unset BTTRACE_EXPORTER, or name braintrust in it."
_UPGRADE = "Upgrade the SDK: pip install -U PACKAGE"
_UPGRADE_BOTH = "Upgrade bttrace, and the SDK: pip install -U PACKAGE"
_ORGANISATION = "Set BRAINTRUST_ORG_NAME to the one that is meant."
_START = (
    "Start the program with bttrace run, or export PYTHONPATH=$(python -m bttrace.path). "
    "If it calls bttrace.enable(): bttrace check --enable"
)
_REPORT = "See whether the same call fails without bttrace; if it does not, please report it."
_SAMPLE = "Set BTTRACE_SAMPLE_RATE higher, or unset it."

CODES: Mapping[str, tuple[Level, str]] = {
    "no-key": (
        "failed",
        "Create a key in the organisation's settings at Braintrust; export it as BRAINTRUST_API_KEY.",
    ),
    "disabled": ("failed", "Unset BTTRACE_DISABLED."),
    "exporter-none": ("failed", _BRAINTRUST),
    "not-to-braintrust": ("warning", _BRAINTRUST),
    "left-out": ("warning", _SAMPLE),
    "all-left-out": ("failed", _SAMPLE),
    "bad-value": ("warning", "Give the variable a value that is allowed."),
    "unknown-variable": ("warning", "Correct the name: the README lists every variable."),
    "warned": ("warning", "Do what the line says: a program says the same."),
    "not-on-path": ("failed", _START),
    "hidden": (
        "failed",
        "Put bttrace's folder first: export PYTHONPATH=$(python -m bttrace.path):$PYTHONPATH",
    ),
    "isolated": ("failed", "Start Python without that flag, or call bttrace.enable() in the program."),
    "not-started": ("failed", "Call bttrace.enable() in the program instead, and please report it."),
    "python-failed": ("failed", "Start python -c pass in this shell, and see to what it says."),
    "no-sdk": (
        "failed",
        "Run the check with the Python that runs the program, or install the SDK into this one.",
    ),
    "sdk-too-old": ("failed", _UPGRADE),
    "sdk-unknown": ("failed", _UPGRADE_BOTH),
    "sdk-in-part": ("warning", _UPGRADE_BOTH),
    "sdk-broken": ("failed", "Install the SDK anew: pip install --force-reinstall PACKAGE"),
    "sdk-hidden": ("failed", "Rename the file that bears the SDK's name, or take its folder off the path."),
    "call-failed": ("failed", _REPORT),
    "no-span": ("failed", _REPORT),
    "too-slow": ("failed", "Name the SDKs that the program uses: bttrace check openai"),
    "wrong-key": (
        "failed",
        "Check BRAINTRUST_API_KEY, or create another key in the organisation's settings.",
    ),
    "forbidden": ("failed", "Let the key's owner write to the project, in the organisation's settings."),
    "unknown-organisation": ("failed", _ORGANISATION),
    "several-organisations": ("warning", _ORGANISATION),
    "no-such-project": (
        "failed",
        "Set BRAINTRUST_PROJECT_NAME to a project that exists, or make this one: bttrace check --create",
    ),
    "unknown-project-id": ("failed", "Check BRAINTRUST_PROJECT_ID, or set BRAINTRUST_PROJECT_NAME instead."),
    "wrong-url": (
        "failed",
        "Correct BRAINTRUST_API_URL and BRAINTRUST_APP_URL; for Braintrust's own cloud, unset them.",
    ),
    "unknown-host": ("failed", _NETWORK),
    "connection-refused": ("failed", _NETWORK),
    "no-answer": ("failed", _NETWORK),
    "unreachable": ("failed", _NETWORK),
    "bad-certificate": (
        "failed",
        "Name the file with your network's certificates in SSL_CERT_FILE, or correct https:// to http://.",
    ),
    "bad-proxy": ("failed", "Correct HTTPS_PROXY and HTTP_PROXY, or name Braintrust's hosts in NO_PROXY."),
    "too-many-requests": ("failed", _LATER),
    "platform-error": ("failed", _LATER),
    "rejected": ("failed", "Please report it: Braintrust does not take what bttrace sends."),
    "spool-not-empty": ("warning", "Deliver it: bttrace replay"),
    "spool-not-usable": ("warning", "Name a folder of your own in BTTRACE_SPOOL_DIR."),
    "journal-not-usable": ("failed", "Name a folder in BTTRACE_JOURNAL_DIR that can be written."),
}
"""By code: how bad it is, and its remedy, in which PACKAGE stands for the package that is meant."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence about one thing; `code` and `remedy` are blank where all is well."""

    about: str
    level: Level
    said: str
    code: str = ""
    remedy: str = ""


def well(about: str, said: str) -> Finding:
    """Gives a finding that all is well."""
    return Finding(about, "ok", said)


def found(
    about: str, code: str, said: str, *, package: str = "PACKAGE", level: Level | None = None
) -> Finding:
    """Gives a finding that something is not."""
    usual, remedy = CODES[code]
    return Finding(about, level or usual, said, code, remedy.replace("PACKAGE", package))
