"""Attachments on their way to Braintrust.

Owns the bytes that wait to be uploaded, the key by which rows refer to them, when an
upload is tried again, and what is given up. An upload is announced, put and reported done.

Uploads run on a thread of their own, so that no row ever waits for one.
"""

from __future__ import annotations

import hashlib
import uuid
from collections import OrderedDict, deque
from dataclasses import dataclass

from ..encode import described
from ..guard import say_once
from ..model import Attachment, Json
from .api import BraintrustApi, Refused, Unsuitable
from .backoff import Backoff
from .courier import Courier
from .transport import Unavailable

_WAITING = 1_000  # attachments
_WAITING_BYTES = 64 * 2**20
_KEYS = 10_000  # attachments of which it is remembered that they were uploaded, the latest used
_TRY_TIMEOUT = 300.0  # seconds that uploads may take outside a flush
_DROPPED = "dropped by bttrace: too much was waiting to be uploaded"


@dataclass(slots=True, eq=False)
class _Upload:
    """One attachment. `put` when its bytes are there; `fault` says why they never will be."""

    reference: Json
    data: bytes | None
    digest: tuple[bytes, str]
    put: bool = False
    fault: str | None = None


class Uploads:
    """Uploads equal bytes once, however many rows hold them, and again after a failure."""

    def __init__(self, api: BraintrustApi) -> None:
        self.sent = 0
        self._api = api
        self._waiting: deque[_Upload] = deque()
        self._keys: OrderedDict[tuple[bytes, str], str] = OrderedDict()
        self._dropped = 0  # counted by the thread that gives references
        self._failed = 0  # counted by the one that uploads
        self._refused = False
        self._courier = Courier("bttrace-uploads", self._send, lambda: bool(self._waiting), _TRY_TIMEOUT)

    @property
    def waiting(self) -> int:
        """How many are not uploaded yet."""
        return len(self._waiting)

    @property
    def lost(self) -> int:
        """How many never will be."""
        return self._dropped + self._failed

    def reference(self, attachment: Attachment) -> Json:
        """Gives what stands for an attachment in a row, and sees to it that its bytes are uploaded.

        Once nothing is uploaded any more, that is what there is to say of it, instead of a key to nothing.
        """
        if self._refused:
            self._dropped += 1
            return described(attachment)
        content_type = attachment.content_type
        digest = (hashlib.sha256(attachment.data).digest(), content_type)
        key = self._keys.pop(digest, None)
        known = key is not None
        key = self._keys[digest] = key or str(uuid.uuid4())
        if len(self._keys) > _KEYS:
            self._keys.popitem(last=False)
        reference: Json = {
            "type": "braintrust_attachment",
            "content_type": content_type,
            "filename": attachment.filename,
            "key": key,
        }
        if not known:
            self._take(_Upload(reference, attachment.data, digest))
        return reference

    def _take(self, upload: _Upload) -> None:
        waiting = list(self._waiting)
        held = sum(len(other.data or b"") for other in waiting) + len(upload.data or b"")
        if held > _WAITING_BYTES or len(waiting) >= _WAITING:
            upload.data, upload.fault = None, _DROPPED
            self._dropped += 1
            self._keys.pop(upload.digest, None)
            say_once(
                "attachments come faster than Braintrust takes them, or are too large; some are dropped."
            )
        if len(waiting) < _WAITING:
            self._waiting.append(upload)

    def rouse(self) -> None:
        """Lets uploads begin, unless a failure asks for a pause. Never blocks."""
        if self._waiting:
            self._courier.rouse()

    def flush(self, deadline: float) -> bool:
        """Uploads what waits, trying a few times until the deadline; tells whether it all went."""
        if self._waiting and not self._courier.flush(deadline):
            say_once(
                f"{len(self._waiting)} attachments are not uploaded yet: their host does not answer in time."
            )
        return not self._waiting and not self.lost

    def give_up(self) -> None:
        """Lets go of what waits, and takes nothing more."""
        self._refused = True
        while self._waiting:
            self._failed += self._waiting.popleft().fault is None

    def _send(self, deadline: float, backoff: Backoff) -> None:
        """Uploads one after the other."""
        while not self._courier.is_parked and (upload := next(iter(list(self._waiting)), None)) is not None:
            try:
                self._upload(upload, deadline)
            except Unavailable as fault:
                say_once(f"{fault}: attachments wait and are tried again.", about=f"attachments: {fault}")
                backoff.failed(fault.retry_after)
                return
            except Refused as fault:
                say_once(f"{fault} Attachments are not uploaded until the program is started again.")
                self.give_up()
                return
            backoff.succeeded()
            if upload in self._waiting:  # it is gone when all was given up meanwhile
                self._waiting.remove(upload)

    def _upload(self, upload: _Upload, deadline: float) -> None:
        """Takes one attachment all the way, or says there why it does not come."""
        api = self._api
        try:
            if not upload.put:
                address, headers = api.signed(upload.reference, deadline)
                if upload.data is not None:
                    api.put(address, headers, upload.data, deadline)
                upload.put = True
            if upload.fault is None:
                api.report(upload.reference, None, deadline)
                self.sent += 1
                return
        except Unsuitable as unsuitable:
            if upload.fault is None:
                self._lose(upload, str(unsuitable))
        try:
            api.report(upload.reference, upload.fault, deadline)
        except (Refused, Unsuitable):
            return  # not even the reason is wanted

    def _lose(self, upload: _Upload, fault: str) -> None:
        say_once(f"an attachment of {len(upload.data or b''):,} bytes was not taken: {fault}", about=fault)
        self._failed += 1
        self._keys.pop(upload.digest, None)
        upload.fault, upload.data, upload.put = fault, None, True
