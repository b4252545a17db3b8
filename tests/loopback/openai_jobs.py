"""Replies of OpenAI's /v1/batches and /v1/videos: work that goes on after the answer."""

from tests.loopback.reply import Reply, whole

_CREATED = 1767225600


def openai_batch(
    status: str = "validating", *, completed: int = 0, failed: int = 0, error: str | None = None
) -> Reply:
    """A batch of three requests."""
    errors = None if error is None else {"object": "list", "data": [{"code": error, "message": "Bad line."}]}
    told = {
        "id": "batch_loopback",
        "object": "batch",
        "endpoint": "/v1/chat/completions",
        "input_file_id": "file-in",
        "completion_window": "24h",
        "created_at": _CREATED,
        "status": status,
        "output_file_id": "file-out" if completed else None,
        "errors": errors,
        "request_counts": {"total": 3, "completed": completed, "failed": failed},
    }
    return whole(told, {"x-request-id": "req_loopback_batches"})


def video(status: str = "queued", error: str | None = None) -> Reply:
    """A video of four seconds."""
    told = {
        "id": "video_loopback",
        "object": "video",
        "model": "sora-2",
        "created_at": _CREATED,
        "status": status,
        "progress": 100 if status == "completed" else 0,
        "seconds": "4",
        "size": "720x1280",
        "error": None if error is None else {"code": error, "message": "It failed."},
    }
    return whole(told, {"x-request-id": "req_loopback_videos"})
