"""The `anthropic` SDK. PURE."""

from __future__ import annotations

from ...model import Provider
from .batches import BATCH_RESULTS, CREATE_BATCH, RETRIEVE_BATCH
from .completions import COMPLETE
from .messages import MESSAGES
from .tokens import COUNT_TOKENS

PROVIDER = Provider(
    sdk="anthropic",
    name="anthropic",
    endpoints=(MESSAGES, COUNT_TOKENS, CREATE_BATCH, RETRIEVE_BATCH, BATCH_RESULTS, COMPLETE),
)
