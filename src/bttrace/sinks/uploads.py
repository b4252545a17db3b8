"""Attachments on their way to Braintrust.

Owns the bytes that wait to be uploaded, the key by which rows refer to them, when an
upload is tried again, and what is given up. An upload is announced, put and reported done.

Uploads run on a thread of their own, so that no row ever waits for one. What is kept in the spool
is read back when its turn comes.
"""

from __future__ import annotations

import hashlib
import uuid
from collections import OrderedDict, deque
from pathlib import Path

from ..guard import say_once
from ..model import Attachment, Json
from ..spans.encode import described
from .answers import Refused, Unsuitable
from .api import BraintrustApi
from .backoff import Backoff
from .courier import Courier
from .spooling.files import kept_attachment
from .spooling.folders import Held
from .spooling.spool import Spool
from .transport import Unavailable
from .upload import Upload

_WAITING = 1_000  # attachments
_WAITING_BYTES = 64 * 2**20
_KEYS = 10_000  # attachments of which it is remembered that they were uploaded, the latest used
_TRY_TIMEOUT = 300.0  # seconds that uploads may take outside a flush
_DROPPED = "dropped by bttrace: too much was waiting to be uploaded"
_GONE = "dropped by bttrace: the file that it was kept in is gone"


class Uploads:
    """Uploads equal bytes once, however many rows hold them, and again after a failure."""

    def __init__(self, api: BraintrustApi, spool: Spool) -> None:
        self.sent = 0
        self.kept = 0
        self.inherited = 0  # of dead processes, that were uploaded
        self.trouble = ""  # what the last failure was, unless all is well since
        self._api = api
        self._spool = spool
        self._waiting: deque[Upload] = deque()
        self._keys: OrderedDict[tuple[bytes, str], str] = OrderedDict()
        self._dropped = 0  # counted by the thread that gives references
        self._failed = 0  # counted by the one that uploads
        self._refused = False
        self._courier = Courier(
            "bttrace-uploads", self._send, lambda: bool(self._own()), _TRY_TIMEOUT, idles=self._idles
        )

    @property
    def waiting(self) -> int:
        """How many of this process are not uploaded yet."""
        return len(self._own())

    def _own(self) -> list[Upload]:
        return [upload for upload in list(self._waiting) if upload.held is None]

    def _idles(self) -> bool:
        return bool(self._waiting)

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
            self._take(Upload(reference, attachment.data, digest))
        return reference

    def adopt(self, path: Path, held: Held) -> None:
        """Takes one that a dead process left in the spool."""
        try:
            reference, _ = kept_attachment(path)
        except (OSError, ValueError) as fault:
            say_once(f"spool file {path} is damaged ({fault}); it is deleted.")
            Upload({}, None, kept=path, held=held).discard()
            return
        self._waiting.append(Upload(reference, None, kept=path, held=held))

    def _take(self, upload: Upload) -> None:
        waiting = list(self._waiting)
        if self._spool.is_first:
            self._keep(upload)
        held = sum(len(other.data or b"") for other in waiting) + len(upload.data or b"")
        if (held > _WAITING_BYTES and not self._keep(upload)) or len(waiting) >= _WAITING:
            upload.discard()
            upload.data, upload.kept, upload.fault = None, None, _DROPPED
            self._dropped += 1
            self._forget(upload)
            say_once(
                "attachments come faster than Braintrust takes them, or are too large; some are dropped."
            )
        if len(waiting) < _WAITING:
            self._waiting.append(upload)

    def _keep(self, upload: Upload) -> bool:
        """Lets the disk hold the bytes of one; tells whether it does."""
        if upload.kept is None and upload.data is not None:
            upload.kept = self._spool.keep_attachment(upload.reference, upload.data)
            if upload.kept is not None:
                upload.data = None
        return upload.kept is not None

    def _forget(self, upload: Upload) -> None:
        if upload.digest is not None:
            self._keys.pop(upload.digest, None)

    def rouse(self) -> None:
        """Lets uploads begin, unless a failure asks for a pause. Never blocks."""
        if self._waiting:
            self._courier.rouse()

    def flush(self, deadline: float, *, is_last: bool) -> bool:
        """Uploads what waits, trying a few times until the deadline; tells whether it all went."""
        if self._own():
            self._courier.flush(deadline, is_last=is_last)
        if self._own() and not is_last:
            say_once(f"{self.waiting} attachments are not uploaded yet: their host does not answer in time.")
        return not self._own() and not self.lost

    def finish(self, deadline: float) -> None:
        """Uploads what dead processes left, until the deadline."""
        if self._waiting:
            self._courier.idle(deadline)

    def keep(self) -> tuple[int, int]:
        """Lets the spool have what waits; gives how many it has, and how many are lost."""
        kept = lost = 0
        while self._waiting:
            upload = self._waiting.popleft()
            if upload.held is not None:
                upload.held.let_go()
            elif upload.fault is not None:
                continue
            elif self._keep(upload):
                kept += 1
            else:
                lost += 1
            self._forget(upload)
        self.kept += kept
        self._failed += lost
        return kept, lost

    def close(self) -> None:
        """Ends the thread."""
        self._courier.end(0.0)

    def forget(self) -> None:
        """Lets go, in a forked child, of folders that the parent holds."""
        for upload in list(self._waiting):
            if upload.held is not None:
                upload.held.let_go()

    def give_up(self) -> None:
        """Lets go of what waits, and takes nothing more."""
        self._refused = True
        while self._waiting:
            upload = self._waiting.popleft()
            if upload.held is None:
                self._failed += upload.fault is None
                upload.discard()

    def _send(self, deadline: float, backoff: Backoff) -> None:
        """Uploads one after the other."""
        while not self._courier.is_parked and (upload := self._next()) is not None:
            try:
                self._upload(upload, deadline)
            except Unavailable as fault:
                self.trouble = str(fault)
                backoff.failed(fault.retry_after)
                if backoff.failures > 1 and not self._courier.is_ending:
                    say_once(f"{fault}: attachments wait and are tried again.", about=f"attachments: {fault}")
                return
            except Refused as fault:
                say_once(f"{fault} Attachments are not uploaded until the program is started again.")
                self.give_up()
                return
            backoff.succeeded()
            self.trouble = ""
            upload.discard()
            if upload in self._waiting:  # it is gone when all was given up meanwhile
                self._waiting.remove(upload)

    def _next(self) -> Upload | None:
        """Gives one of this process, if there is any; of a dead one only if there is time."""
        own = self._own()
        return next(iter(own if own or not self._courier.has_time else list(self._waiting)), None)

    def _upload(self, upload: Upload, deadline: float) -> None:
        """Takes one attachment all the way, or says there why it does not come."""
        api = self._api
        try:
            if not upload.put:
                self._put(upload, deadline)
            if upload.fault is None:
                api.report(upload.reference, None, deadline)
                self.sent += upload.held is None
                self.inherited += upload.held is not None
                return
        except Unsuitable as unsuitable:
            if upload.fault is None:
                self._lose(upload, str(unsuitable))
        try:
            api.report(upload.reference, upload.fault, deadline)
        except (Refused, Unsuitable):
            return  # not even the reason is wanted

    def _put(self, upload: Upload, deadline: float) -> None:
        data = upload.data
        if upload.kept is not None:
            try:
                _, data = kept_attachment(upload.kept)
            except (OSError, ValueError):
                raise Unsuitable(_GONE) from None
        address, headers = self._api.signed(upload.reference, deadline)
        if data is not None:
            self._api.put(address, headers, data, deadline)
        upload.put = True

    def _lose(self, upload: Upload, fault: str) -> None:
        about = (
            f"{upload.reference.get('filename')}" if upload.data is None else f"{len(upload.data):,} bytes"
        )
        say_once(f"an attachment of {about} was not taken: {fault}", about=fault)
        self._failed += upload.held is None
        self._forget(upload)
        upload.fault, upload.data, upload.put = fault, None, True
