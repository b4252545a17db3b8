"""Agent loops told from their transcripts: which call belongs to which turn. PURE."""

from .events import Failure, Origin, Outcome, Run
from .services import Services, Within
from .tracker import RUNNING, Turns

__all__ = ["RUNNING", "Failure", "Origin", "Outcome", "Run", "Services", "Turns", "Within"]
