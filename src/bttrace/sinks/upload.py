"""One attachment on its way to Braintrust, and where its bytes are until it is there."""

from __future__ import annotations

from pathlib import Path

from ..classes import dataclass
from ..model import Json
from .spooling.folders import Held


@dataclass(slots=True, eq=False)
class Upload:
    """One attachment. `put` when its bytes are there; `fault` says why they never will be.

    Its bytes are in memory, or in the file `kept`; `held` is the folder, if a dead process left it.
    """

    reference: Json
    data: bytes | None
    digest: tuple[bytes, str] | None = None
    put: bool = False
    fault: str | None = None
    kept: Path | None = None
    held: Held | None = None

    def discard(self) -> None:
        """Deletes the file, because it is needed no more."""
        if self.kept is not None:
            self.kept.unlink(missing_ok=True)
        if self.held is not None:
            self.held.tidy()
