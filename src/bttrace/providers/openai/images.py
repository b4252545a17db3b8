"""OpenAI images: made, edited, varied. PURE.

Source: openai 3.52, `types/images_response.py` and `types/image_gen_*_event.py`. The tokens
of the model that writes an SVG (`svg_usage`) are another model's, and not counted here.
"""

from __future__ import annotations

from dataclasses import replace

from ...model import Endpoint, Json
from ...values import field, members, plain, text
from .rules import given
from .terms import COST

_NOT_IN_RESPONSE = frozenset({"b64_json", "created_at", "partial_image_index", "type"})


def is_first_token(chunk: object) -> bool:
    """Tells whether an event carries an image, be it a partial one."""
    return bool(field(chunk, "b64_json"))


class ImageFold:
    """Puts image events together into a response: the finished images, else the latest partial one."""

    def __init__(self) -> None:
        self._head: Json = {}
        self._done: list[object] = []
        self._partial: list[object] = []

    def add(self, chunk: object) -> None:
        """Takes the next event."""
        kind = text(field(chunk, "type")) or ""
        image = field(chunk, "b64_json")
        if image is None:
            return
        for name, value in members(chunk).items():
            if name not in _NOT_IN_RESPONSE:
                self._head[name] = plain(value)
        created = field(chunk, "created_at")
        if created is not None:
            self._head["created"] = created
        if kind.endswith(".completed"):
            self._done.append({"b64_json": image})
            self._partial = []
        else:
            self._partial = [{"b64_json": image}]

    def response(self) -> Json:
        """Gives the images so far; an empty object when none came."""
        images = [*self._done, *self._partial]
        return {**self._head, "data": images} if images else {}


GENERATIONS = Endpoint(
    path="/images/generations",
    api="images.generate",
    braintrust_name="Image Generation",
    request_model="openai.types.image_generate_params.ImageGenerateParamsBase",
    response_model="openai.types.ImagesResponse",
    chunk_model="openai.types.ImageGenStreamEvent",
    input=lambda request: request.get("prompt"),
    output=("data",),
    usage={
        "prompt_tokens": ("usage.input_tokens",),
        "completion_tokens": ("usage.output_tokens",),
        "tokens": ("usage.total_tokens",),
        "completion_image_tokens": ("usage.output_tokens_details.image_tokens",),
        "estimated_cost": COST,
    },
    parameters={
        "response_format": ("response_format",),
        "stream": ("stream",),
    },
    is_first_token=is_first_token,
    fold=ImageFold,
)

EDITS = replace(
    GENERATIONS,
    path="/images/edits",
    api="images.edit",
    braintrust_name="Image Edit",
    request_model="openai.types.image_edit_params.ImageEditParamsBase",
    chunk_model="openai.types.ImageEditStreamEvent",
    input=given("prompt", "image", "mask", "markup"),
)

VARIATIONS = replace(
    GENERATIONS,
    path="/images/variations",
    api="images.create_variation",
    braintrust_name="Image Variation",
    request_model="openai.types.ImageCreateVariationParams",
    chunk_model=None,
    input=given("image"),
    parameters={"response_format": ("response_format",)},
)

ROWS = (GENERATIONS, EDITS, VARIATIONS)
