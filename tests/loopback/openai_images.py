"""Replies of OpenAI's POST /v1/images/..., whole and as a stream, whose images are given as base64."""

from collections.abc import Sequence

from tests.loopback.reply import STREAM, Reply, sse, whole

Object = dict[str, object]

_HEADERS = {"x-request-id": "req_loopback_images"}
_LOOK: Object = {"background": "opaque", "output_format": "png", "quality": "low", "size": "1024x1024"}
IMAGE_USAGE: Object = {
    "input_tokens": 10,
    "input_tokens_details": {"image_tokens": 4, "text_tokens": 6},
    "output_tokens": 20,
    "total_tokens": 30,
}


def images(pictures: Sequence[str] = ("aW1hZ2U=",), usage: Object | None = IMAGE_USAGE) -> Reply:
    """The finished images."""
    data = [{"b64_json": picture} for picture in pictures]
    told = {} if usage is None else {"usage": usage}
    return whole({"created": 1767225600, **_LOOK, "data": data, **told}, _HEADERS)


def images_stream(
    pictures: Sequence[str] = ("aW1hZ2U=",),
    partial: Sequence[str] = ("cGFydA==", "cGFydHM="),
    kind: str = "image_generation",
) -> Reply:
    """Partial images, and then the finished ones; `kind` is `image_generation` or `image_edit`."""
    steps: list[Object] = [
        {"type": f"{kind}.partial_image", "b64_json": picture, "partial_image_index": index}
        for index, picture in enumerate(partial)
    ]
    steps += [
        {"type": f"{kind}.completed", "b64_json": picture, "usage": IMAGE_USAGE} for picture in pictures
    ]
    events = [sse({"created_at": 1767225600, **_LOOK, **step}, str(step["type"])) for step in steps]
    return Reply(headers={**STREAM, **_HEADERS}, events=tuple(events))
