"""OpenAI moderations and decisions: models that judge what they are given. PURE."""

from __future__ import annotations

from ...model import Endpoint
from .responses import USAGE

MODERATIONS = Endpoint(
    path="/moderations",
    api="moderations",
    braintrust_name="Moderation",
    request_model="openai.types.ModerationCreateParams",
    response_model="openai.types.ModerationCreateResponse",
    input=lambda request: request.get("input"),
    output=("results",),
    details={"response_id": "id"},
)

DECISIONS = Endpoint(
    path="/decisions",
    api="decisions",
    braintrust_name="openai.decisions.create",
    request_model="openai.types.decision_create_params.DecisionCreateParams",
    response_model="openai.types.decision.Decision",
    input=lambda request: {"input": request.get("input"), "questions": request.get("questions")},
    output=("answers",),
    usage=USAGE,
)

ROWS = (MODERATIONS, DECISIONS)
