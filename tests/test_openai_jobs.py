"""Batches and videos: what is begun and what has ended, each a task of its own."""

from typing import Any

import pytest

from bttrace.model import Attachment
from tests.apis import BEGUN
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import openai_batch, video
from tests.ways import Make, row, rows

TIMES = {"start": BEGUN, "end": BEGUN}
each_kind = pytest.mark.parametrize("aio", [False, True], ids=["sync", "async"])
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def batched(client: Any) -> Any:
    return client.batches.create(
        endpoint="/v1/chat/completions", input_file_id="file-in", completion_window="24h"
    )


def batch_retrieved(client: Any) -> Any:
    return client.batches.retrieve("batch_loopback")


def filmed(client: Any) -> Any:
    return client.videos.create(prompt="A fjord", model="sora-2", seconds="4")


def video_retrieved(client: Any) -> Any:
    return client.videos.retrieve("video_loopback")


class TestBatches:
    @each_kind
    def test_one_from_its_beginning_to_its_end(self, aio: bool, provider: ProviderServer) -> None:
        provider.route("/v1/batches", openai_batch())
        provider.route(
            "/v1/batches/batch_loopback",
            openai_batch("in_progress", completed=1),
            openai_batch("finalizing", completed=2),
            openai_batch("completed", completed=2, failed=1),
        )
        polls: list[Make] = [batch_retrieved] * 5
        began, ended = rows(provider, batched, *polls, aio=aio)
        assert len(provider.requests) == 6
        assert began["span_attributes"] == {"name": "batches", "type": "task"}
        assert began["input"] == {
            "endpoint": "/v1/chat/completions",
            "input_file_id": "file-in",
            "completion_window": "24h",
        }
        assert began["output"] == {
            "id": "batch_loopback",
            "status": "validating",
            "request_counts": {"total": 3, "completed": 0, "failed": 0},
        }
        assert began["metrics"] == TIMES
        assert began["metadata"] == {
            "provider": "openai",
            "api": "batches",
            "request_id": "req_loopback_batches",
        }
        assert ended["span_attributes"] == {"name": "batches.retrieve", "type": "task"}
        assert ended["input"] == {"batch_id": "batch_loopback"}
        assert ended["output"] == {
            "id": "batch_loopback",
            "status": "completed",
            "request_counts": {"total": 3, "completed": 2, "failed": 1},
            "output_file_id": "file-out",
        }
        assert ended["metrics"] == TIMES

    @pytest.mark.parametrize("status", ["failed", "expired", "cancelled"])
    def test_other_ends(self, status: str, provider: ProviderServer) -> None:
        failed = status == "failed"
        provider.route(
            "/v1/batches/batch_loopback", openai_batch(status, error="invalid_line" if failed else None)
        )
        found = row(provider, batch_retrieved)
        assert found["output"]["status"] == status
        assert found.get("error") == ("invalid_line: Bad line." if failed else None)

    def test_what_else_is_asked_of_batches_is_no_span(self, provider: ProviderServer) -> None:
        provider.route("/v1/batches/batch_loopback/cancel", openai_batch("cancelling"))
        assert rows(provider, lambda client: client.batches.cancel("batch_loopback")) == []


class TestVideos:
    @each_kind
    def test_one_from_its_beginning_to_its_end(self, aio: bool, provider: ProviderServer) -> None:
        provider.route("/v1/videos", video())
        provider.route("/v1/videos/video_loopback", video("in_progress"), video("completed"))
        began, ended = rows(provider, filmed, video_retrieved, video_retrieved, video_retrieved, aio=aio)
        assert began["span_attributes"] == {"name": "videos", "type": "task"}
        assert began["input"] == {"prompt": "A fjord", "seconds": "4"}
        told = {"id": "video_loopback", "seconds": "4", "size": "720x1280"}
        assert began["output"] == {**told, "status": "queued", "progress": 0}
        assert began["metadata"]["model"] == "sora-2"
        assert began["metrics"] == TIMES
        assert ended["span_attributes"] == {"name": "videos.retrieve", "type": "task"}
        assert ended["output"] == {**told, "status": "completed", "progress": 100}

    @each_kind
    @pytest.mark.parametrize(
        ("path", "make", "given"),
        [
            (
                "/v1/videos",
                lambda client: client.videos.create(prompt="A fjord", input_reference=("a.png", b"PNG")),
                {"prompt": "A fjord", "input_reference": Attachment("image/png", b"PNG", "a.png")},
            ),
            (
                "/v1/videos/video_1/remix",
                lambda client: client.videos.remix("video_1", prompt="At night"),
                {"video_id": "video_1", "prompt": "At night"},
            ),
            (
                "/v1/videos/edits",
                lambda client: client.videos.edit(prompt="Snow", video=("a.mp4", b"MP4")),
                {"video": Attachment("video/mp4", b"MP4", "a.mp4"), "prompt": "Snow"},
            ),
            (
                "/v1/videos/extensions",
                lambda client: client.videos.extend(prompt="On", seconds="4", video=("a.mp4", b"MP4")),
                {"video": Attachment("video/mp4", b"MP4", "a.mp4"), "prompt": "On", "seconds": "4"},
            ),
        ],
        ids=["with a picture", "remixed", "edited", "extended"],
    )
    def test_what_begins_one(
        self, path: str, make: Make, given: Any, aio: bool, provider: ProviderServer
    ) -> None:
        provider.route(path, video())
        found = row(provider, make, aio=aio)
        assert found["input"] == given
        assert found["output"]["id"] == "video_loopback"
        assert found["span_attributes"]["type"] == "task"

    def test_one_that_fails(self, provider: ProviderServer) -> None:
        provider.route("/v1/videos/video_loopback", video("failed", error="moderated"))
        assert row(provider, video_retrieved)["error"] == "moderated: It failed."
