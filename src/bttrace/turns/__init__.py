"""Agent loops told from their transcripts: which call belongs to which turn. PURE."""

from .services import Services, Within
from .tracker import Failure, Origin, Outcome, Run, Turns

__all__ = ["Failure", "Origin", "Outcome", "Run", "Services", "Turns", "Within"]
