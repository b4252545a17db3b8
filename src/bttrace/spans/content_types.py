"""What kind of content it is: by file extension, by first bytes, and what to call it. PURE.

Python's own `mimetypes` reads the machine's files, and so tells different things on different machines.
"""

from __future__ import annotations

import re

# extension -> content type; of several for one type the first names files
_EXTENSIONS = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "svg": "image/svg+xml",
    "pdf": "application/pdf",
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "opus": "audio/opus",
    "ogg": "audio/ogg",
    "m4a": "audio/mp4",
    "pcm": "audio/pcm",
    "pcm16": "audio/pcm",
    "mp4": "video/mp4",
    "webm": "video/webm",
    "mov": "video/quicktime",
    "txt": "text/plain",
    "md": "text/markdown",
    "html": "text/html",
    "csv": "text/csv",
    "json": "application/json",
    "zip": "application/zip",
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "bin": "application/octet-stream",
}
_SIGNATURES = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
    (re.compile(rb"RIFF....WAVE", re.DOTALL), "audio/wav"),
    (re.compile(rb"\s*(<\?xml[^>]*>\s*)?<svg[\s>]"), "image/svg+xml"),
    (re.compile(rb"%PDF-"), "application/pdf"),
    (re.compile(rb"ID3|\xff[\xfa\xfb\xf2\xf3\xe2\xe3]"), "audio/mpeg"),
    (re.compile(rb"\xff[\xf0\xf1\xf8\xf9]"), "audio/aac"),
    (re.compile(rb"fLaC"), "audio/flac"),
    (re.compile(rb"OggS"), "audio/ogg"),
)
_SUBTYPE = re.compile(r"[a-z0-9]{1,10}")


def by_extension(extension: object) -> str | None:
    """Gives the content type of a file extension, in any case; `None` for one that is not known."""
    return _EXTENSIONS.get(extension.lower()) if isinstance(extension, str) else None


def by_signature(data: bytes) -> str | None:
    """Gives the content type that the first bytes tell; `None` when they tell none."""
    return next((kind for pattern, kind in _SIGNATURES if pattern.match(data)), None)


def extension(content_type: str) -> str:
    """Gives the file extension of a content type, without a dot."""
    known = next((name for name, kind in _EXTENSIONS.items() if kind == content_type), None)
    subtype = content_type.rpartition("/")[2].partition("+")[0].removeprefix("x-")
    return known or (subtype if _SUBTYPE.fullmatch(subtype) else "bin")


def filename(content_type: str) -> str:
    """Gives the name for content that came without one."""
    return f"attachment.{extension(content_type)}"
