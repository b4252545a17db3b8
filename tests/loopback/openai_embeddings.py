"""Replies of OpenAI's POST /v1/embeddings."""

import base64
import struct
from collections.abc import Sequence

from tests.loopback.reply import Reply, whole


def embeddings(
    vectors: Sequence[Sequence[float]] = ((0.25, -0.5, 0.75),),
    model: str = "text-embedding-3-small",
    prompt_tokens: int = 4,
    *,
    encoded: bool = True,
) -> Reply:
    """The vectors, `encoded` as base64 of little-endian 32-bit floats: what OpenAI's SDK asks for by itself."""
    data = [
        {"object": "embedding", "index": index, "embedding": _base64(vector) if encoded else list(vector)}
        for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": prompt_tokens, "total_tokens": prompt_tokens}
    listing = {"object": "list", "data": data, "model": model, "usage": usage}
    return whole(listing, {"x-request-id": "req_loopback_embeddings"})


def _base64(vector: Sequence[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
