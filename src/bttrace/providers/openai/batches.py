"""OpenAI batches: begun by one call, and ended unseen hours later. PURE.

Source: openai 3.52, `types/batch.py`. The tokens of a batch are no metrics, because they are
those of many answers, at another price.
"""

from __future__ import annotations

from dataclasses import replace

from ...model import Endpoint, Json
from ...values import json_object, objects
from .rules import given, settled_when


def _failure(response: Json) -> object:
    return next(objects(json_object(response.get("errors")).get("data")), None)


BATCHES = Endpoint(
    path="/batches",
    api="batches",
    braintrust_name="openai.batches.create",
    type="task",
    request_model="openai.types.BatchCreateParams",
    response_model="openai.types.Batch",
    input=given("endpoint", "input_file_id", "completion_window"),
    output=("id", "status", "request_counts"),
    failure=_failure,
    settles=settled_when("completed", "failed", "expired", "cancelled"),
)

RETRIEVED = replace(
    BATCHES,
    method="get",
    path="/batches/{batch_id}",
    api="batches.retrieve",
    braintrust_name="openai.batches.retrieve",
    request_model=None,
    input=given("batch_id"),
    output=("id", "status", "request_counts", "usage", "output_file_id", "error_file_id"),
    polls=True,
)

ROWS = (BATCHES, RETRIEVED)
