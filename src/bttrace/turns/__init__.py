"""Agent loops told from their transcripts: which call belongs to which turn. PURE."""

from .events import Failure, Origin, Outcome, Run
from .tracker import RUNNING, Turns

__all__ = ["RUNNING", "Failure", "Origin", "Outcome", "Run", "Turns"]
