"""OpenAI videos: begun by one call, and ended unseen minutes later. PURE.

Source: openai 3.52, `types/video.py`.
"""

from __future__ import annotations

from dataclasses import replace

from ...model import Endpoint
from .rules import given, settled_when

VIDEOS = Endpoint(
    path="/videos",
    api="videos",
    braintrust_name="openai.videos.create",
    type="task",
    request_model="openai.types.VideoCreateParams",
    response_model="openai.types.Video",
    input=given("prompt", "input_reference", "seconds", "size"),
    output=("id", "status", "progress", "seconds", "size"),
    settles=settled_when("completed", "failed"),
)

REMIXED = replace(
    VIDEOS,
    path="/videos/{video_id}/remix",
    api="videos.remix",
    braintrust_name="openai.videos.remix",
    request_model="openai.types.VideoRemixParams",
    input=given("video_id", "prompt"),
)

EDITED = replace(
    VIDEOS,
    path="/videos/edits",
    api="videos.edit",
    braintrust_name="openai.videos.edit",
    request_model="openai.types.VideoEditParams",
    input=given("video", "prompt"),
)

EXTENDED = replace(
    VIDEOS,
    path="/videos/extensions",
    api="videos.extend",
    braintrust_name="openai.videos.extend",
    request_model="openai.types.VideoExtendParams",
    input=given("video", "prompt", "seconds"),
)

RETRIEVED = replace(
    VIDEOS,
    method="get",
    path="/videos/{video_id}",
    api="videos.retrieve",
    braintrust_name="openai.videos.retrieve",
    request_model=None,
    input=given("video_id"),
    polls=True,
)

ROWS = (VIDEOS, REMIXED, EDITED, EXTENDED, RETRIEVED)
