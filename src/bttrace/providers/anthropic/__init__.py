"""The `anthropic` SDK. PURE."""

from __future__ import annotations

from ...model import Provider
from .messages import MESSAGES

PROVIDER = Provider(sdk="anthropic", name="anthropic", endpoints=(MESSAGES,))
