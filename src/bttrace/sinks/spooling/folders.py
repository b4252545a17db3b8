"""Where the spool is on disk, and whose each folder in it is.

Owns names, permissions and locks. A *destination* is what rows are for: one folder, however many
processes send there. In it each process that keeps something has a folder of its own, and holds
the lock of it for as long as it lives: who gets the lock of another's folder knows that its
owner is dead, and owns what is in it. Knows nothing of rows.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from pathlib import Path

from ...config import Config

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None  # type: ignore[assignment]

_LOCK = "lock"
_UNFINISHED = "."  # how the name of a folder begins whose lock nobody holds yet
_UNFINISHED_SECONDS = 3600.0


class Unusable(Exception):
    """There can be no spool there; the message says why and what to do."""


class Held:
    """A folder whose lock this process holds."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock: int | None = lock

    def files(self, suffix: str) -> list[Path]:
        """Gives its files of a kind, oldest first."""
        try:
            return sorted(path for path in self.path.iterdir() if path.name.endswith(suffix))
        except OSError:
            return []

    def tidy(self) -> bool:
        """Removes the folder and lets go of it, if nothing is left in it; tells whether."""
        try:
            if [path.name for path in self.path.iterdir()] != [_LOCK]:
                return False
            (self.path / _LOCK).unlink()
            self.path.rmdir()
        except OSError:
            return False
        self.let_go()
        return True

    def let_go(self) -> None:
        """Leaves what is in it to others."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


class Destination:
    """The folder of one destination. Nothing is touched before it is asked for."""

    def __init__(self, path: Path) -> None:
        self.root = path.parent
        self.path = path

    @classmethod
    def of(cls, config: Config) -> Destination:
        """Gives where a session's rows go; raises `OSError` and `Unusable` where no folder can be named."""
        # Not the key, which is a secret, and may change.
        told = [config.app_url, config.api_url, config.org_name, config.project_id or config.project]
        told.append("id" if config.project_id else "name")
        return cls(_root(config) / hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16])

    def names(self) -> list[str]:
        """Gives the folders of processes, living and dead, oldest first."""
        try:
            return sorted(name for name in os.listdir(self.path) if not name.startswith(_UNFINISHED))  # noqa: PTH208 - at start-up
        except OSError:
            return []

    def own(self) -> Held:
        """Makes a folder for this process; raises `OSError` and `Unusable`."""
        self._check_system()
        _private(self.root)
        _private(self.path)
        name = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}-{os.urandom(4).hex()}"
        unfinished = self.path / f"{_UNFINISHED}{name}"
        unfinished.mkdir(mode=0o700)
        lock = os.open(unfinished / _LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            _hold(lock)
            # Only now, when it is held: whoever finds it unlocked will think that its owner is dead.
            unfinished.rename(self.path / name)
        except OSError:
            os.close(lock)
            raise
        return Held(self.path / name, lock)

    def claim(self, name: str) -> Held | None:
        """Takes over the folder of a process, if that is dead and nobody else has done so."""
        path = self.path / name
        try:
            self._check_system()
            _private(self.root)
            _private(self.path)
            lock = os.open(path / _LOCK, os.O_RDWR)
        except (OSError, Unusable):
            return None
        try:
            _hold(lock)
            if os.fstat(lock).st_ino == (path / _LOCK).stat().st_ino:
                return Held(path, lock)
        except OSError:
            pass  # its owner lives, or somebody was faster
        os.close(lock)
        return None

    def size(self) -> int:
        """Gives the bytes of all files, whoever owns them; cleans up what was never finished."""
        total = 0
        for folder, _, files in os.walk(self.path):
            for name in files:
                total += _size(os.path.join(folder, name))
        for path in self.path.glob(f"{_UNFINISHED}*"):
            _sweep(path)
        return total

    @staticmethod
    def _check_system() -> None:
        if fcntl is None:
            raise Unusable("there is no spool on this system: what is not delivered by the exit is lost.")


def _root(config: Config) -> Path:
    """Gives the folder of all destinations; raises `OSError` and `Unusable`."""
    state = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(state):  # noqa: PTH117 - then it counts for nothing, as its specification has it
        state = "~/.local/state"
    named = os.path.expanduser(config.spool_dir or os.path.join(state, "bttrace", "spool"))  # noqa: PTH111
    if named.startswith("~"):
        raise Unusable(
            "there is no home folder to keep in what is not delivered: it is lost at the exit. "
            "Name a folder in BTTRACE_SPOOL_DIR."
        )
    return Path(named).absolute()


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116 - of many
    except OSError:
        return 0  # somebody has deleted it meanwhile


def _sweep(path: Path) -> None:
    """Removes a folder that a process has left which died while it made it."""
    try:
        if path.stat().st_mtime < time.time() - _UNFINISHED_SECONDS:
            (path / _LOCK).unlink(missing_ok=True)
            path.rmdir()
    except OSError:
        return  # it is finished, or somebody was faster


def _hold(lock: int) -> None:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _private(path: Path) -> None:
    """Makes a folder that is this user's alone, or sees that it is."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.stat()
    why = ""
    if found.st_uid != os.geteuid():
        why = "it belongs to somebody else"
    elif stat.S_IMODE(found.st_mode) & 0o077:
        why = f"it is open to others ({stat.S_IMODE(found.st_mode):o} instead of 700)"
    if why:
        raise Unusable(
            f"spool folder {path} is not used, because {why}: what is not delivered by the exit is lost. "
            "Name another folder in BTTRACE_SPOOL_DIR."
        )
