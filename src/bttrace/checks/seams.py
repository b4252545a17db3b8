"""What the trials say of the SDKs: whether each can be imported and patched, and makes spans."""

from __future__ import annotations

import os
from importlib import metadata

from .findings import Finding, found, well
from .sdks import Sdk
from .trials import Trial


def sdk_finding(trial: Trial) -> Finding | None:
    """Gives what a trial says of its SDK; `None` if it had none, or ended before it came to that."""
    sdk = trial.sdk
    if sdk is None or (trial.started is None and trial.has_ended):
        return None
    version = str(sdk.version)
    told = trial.imported
    if told is None:
        if trial.has_ended:
            said = f"{version} ends the Python that imports it. {_last(trial)}".strip()
            return _found(sdk, "sdk-broken", said)
        return _found(sdk, "too-slow", f"{version} was not imported in time")
    if told["error"]:
        return _found(sdk, "sdk-broken", f"{version} can't be imported: {told['error']}")
    if told["missing"] and sdk.is_too_old(version):
        least = ".".join(map(str, sdk.least))
        return _found(
            sdk, "sdk-too-old", f"{version} is older than {least}, the first that can be traced in full"
        )
    if not told["known"]:
        file = told["file"]
        if file is None or not _is_of(sdk, file):
            return _found(sdk, "sdk-hidden", f"import gives {file}, which is not the SDK")
        return _found(sdk, "sdk-unknown", f"{version} has none of the places that bttrace patches")
    return _call_finding(trial, sdk, version)


def _call_finding(trial: Trial, sdk: Sdk, version: str) -> Finding:
    called, gaps = trial.called, (trial.imported or {})["gaps"]
    if called is None:
        if trial.has_ended:
            return _found(
                sdk, "call-failed", f"{version}: a call through it ended Python. {_last(trial)}".strip()
            )
        return _found(sdk, "too-slow", f"{version}: a call through it did not end in time")
    if called["error"]:
        return _found(sdk, "call-failed", f"{version}: a call through it failed: {called['error']}")
    if not called["rows"]:
        return _found(sdk, "no-span", f"{version}: a call through it became no span")
    if gaps:
        return _found(sdk, "sdk-in-part", f"{version} is traced in part; not covered: {gaps}")
    return well(sdk.distribution, f"{version}: patched, and a call through it became a span")


def _found(sdk: Sdk, code: str, said: str) -> Finding:
    return found(sdk.distribution, code, said, package=sdk.distribution)


def _last(trial: Trial) -> str:
    """Gives the last line that came from a child: of a traceback, the exception."""
    return trial.lines[-1] if trial.lines else ""


def died(trial: Trial) -> Finding:
    """Gives that a child did not come so far as to say anything."""
    said = f"a Python that is started here ends before it runs anything. {_last(trial)}".strip()
    return (
        found("hook", "python-failed", said)
        if trial.has_ended
        else found("hook", "too-slow", "a Python that is started here did not start in time")
    )


def _is_of(sdk: Sdk, file: str) -> bool:
    """Tells whether a module's file stands where the SDK is installed."""
    try:
        root = os.path.realpath(str(metadata.distribution(sdk.distribution).locate_file("")))
    except metadata.PackageNotFoundError:
        return False
    return os.path.realpath(file).startswith(os.path.join(root, ""))
