"""OpenAI embeddings. PURE.

Vectors are told by their length alone. The SDK by itself asks for base64, 32 bits a number
(openai 3.52, `resources/embeddings.py`).
"""

from __future__ import annotations

from ...model import Endpoint, Json
from ...spans.base64_text import decoded
from ...terms import tokens_alone
from ...values import items, objects
from .terms import COST

_BYTES = 4  # of a number


def _lengths(response: Json) -> object:
    vectors = [entry.get("embedding") for entry in objects(response.get("data"))]
    return {"embedding_length": _length(vectors[0]) if vectors else 0, "count": len(vectors)}


def _length(vector: object) -> int:
    if isinstance(vector, str):
        return len(decoded(vector) or b"") // _BYTES
    return len(items(vector))


EMBEDDINGS = Endpoint(
    path="/embeddings",
    api="embeddings",
    braintrust_name="Embedding",
    request_model="openai.types.EmbeddingCreateParams",
    response_model="openai.types.CreateEmbeddingResponse",
    input=lambda request: request.get("input"),
    output=_lengths,
    usage={
        "prompt_tokens": ("usage.prompt_tokens",),
        "tokens": ("usage.total_tokens",),
        "estimated_cost": COST,
    },
    terms=tokens_alone,
)

ROWS = (EMBEDDINGS,)
