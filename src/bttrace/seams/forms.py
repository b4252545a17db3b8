"""What a multipart request says.

Owns the reading of a request whose body is a form with files. Files that are given as
bytes are taken as they are, since nobody can change them; of one that is open, only its
name, because reading it would use up the application's own.
"""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Iterator, Mapping
from typing import Any

from ..model import Attachment, Json

_ANY = "application/octet-stream"


def form(options: Any) -> Json | None:
    """Gives the fields and files of a request's options; `None` when it is no form."""
    files = getattr(options, "files", None) or {}
    if not files and not _is_form(getattr(options, "headers", None)):
        return None
    fields: Json = {}
    for given in (options.json_data, getattr(options, "extra_json", None)):
        if isinstance(given, Mapping):
            fields.update(given)
    for name, file in _pairs(files):
        whole = name.removesuffix("[]")
        told = _told(file)
        held = fields.get(whole)
        if name == whole and held is None:
            fields[whole] = told
        else:
            fields[whole] = [*held, told] if isinstance(held, list) else [told]
    return fields


def held(form: Json | None) -> int:
    """Gives how many bytes of files a form keeps."""
    told = [] if form is None else list(form.values())
    files = [file for value in told for file in (value if isinstance(value, list) else [value])]
    return sum(len(file.data) for file in files if isinstance(file, Attachment))


def _is_form(headers: Any) -> bool:
    """Tells a form without files, which is multipart all the same (openai 3.52, `resources/videos.py`)."""
    return isinstance(headers, Mapping) and any(
        name.lower() == "content-type" and str(kind).startswith("multipart/")
        for name, kind in headers.items()
    )


def _pairs(files: Any) -> Iterator[tuple[str, Any]]:
    yield from files.items() if isinstance(files, Mapping) else files


def _told(file: Any) -> object:
    """Gives one file, which is its content, or a tuple that starts with its name (httpx, `_types.py`)."""
    name, content, kind = (*file, None, None)[:3] if isinstance(file, tuple) else (None, file, None)
    path = name or getattr(content, "name", None)
    filename = os.path.split(path)[1] if isinstance(path, str) else "upload"
    content_type = kind or mimetypes.guess_type(filename)[0] or _ANY
    if isinstance(content, str):
        return content
    if isinstance(content, bytes):
        return Attachment(content_type, content, filename)
    return {"filename": filename, "content_type": content_type}
