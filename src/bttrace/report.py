"""What `status()` tells: a picture of the session, for people and programs."""

from __future__ import annotations

from dataclasses import field

from .classes import dataclass
from .contracts import Counts


@dataclass(frozen=True, slots=True)
class Seen:
    """One SDK: what version, and which of its places could not be patched."""

    sdk: str
    version: str
    missing: tuple[str, ...] = ()

    def __str__(self) -> str:
        if not self.missing:
            return f"{self.sdk} {self.version}: patched"
        return f"{self.sdk} {self.version}: not covered: {', '.join(self.missing)}"


@dataclass(frozen=True, slots=True)
class Status:
    """What is traced, what is not and why, and what became of the spans.

    `reason` says why nothing is traced; `waiting_for` are SDKs that are installed, and tools that
    are declared, and not yet imported; `tools` are packages whose registries of tools are
    observed; `sinks` counts spans by exporter; `sampled_out` are spans of traces
    that BTTRACE_SAMPLE_RATE leaves out. Before all that, `unwritten` wait, calls and parts of streams,
    and `dropped` are spans, and parts of them, that came faster than they could be written.
    """

    enabled: bool
    reason: str = ""
    exporters: tuple[str, ...] = ()
    project: str | None = None
    patched: tuple[Seen, ...] = ()
    tools: tuple[Seen, ...] = ()
    waiting_for: tuple[str, ...] = ()
    sinks: dict[str, Counts] = field(default_factory=dict)
    sampled_out: int = 0
    unwritten: int = 0
    dropped: int = 0
    journal: str | None = None
    left_behind: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = ["bttrace is on" if self.enabled else f"bttrace is off: {self.reason}"]
        if self.exporters:
            lines.append(f"exporters: {', '.join(self.exporters)}")
        if self.project:
            lines.append(f"project: {self.project}")
        if self.journal:
            lines.append(f"journal: {self.journal}")
        lines += [str(seen) for seen in self.patched]
        lines += [f"tools of {seen}" for seen in self.tools]
        if self.waiting_for:
            lines.append(f"not imported yet: {', '.join(self.waiting_for)}")
        for name, counts in self.sinks.items():
            lines.append(f"{name}: {counts}")
        if self.sampled_out:
            lines.append(f"left out by BTTRACE_SAMPLE_RATE: {self.sampled_out}")
        if self.unwritten:
            lines.append(f"waiting to be written: {self.unwritten}")
        if self.dropped:
            lines.append(f"dropped before they were written: {self.dropped}")
        if self.left_behind:
            lines.append(
                f"could not be put back, somebody patched them after us: {', '.join(self.left_behind)}"
            )
        return "\n".join(lines)
