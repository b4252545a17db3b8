"""What Braintrust says of the key, the organisation and the project, asked as delivery asks it.

Each question has a thread, so that nobody waits for a host that does not answer, or for its name.
"""

from __future__ import annotations

import difflib
import os
import time
from typing import Any

from ..config import Config, nearest_env_file
from ..model import Json
from ..sinks.answers import Refused
from ..sinks.api import BraintrustApi
from ..sinks.transport import Unavailable, host
from ..values import text
from .findings import Finding, found, well
from .questions import Heard, Question

_NEAR = 3  # names that are shown
_ALIKE = 0.5  # as difflib has it
_SHOWN = 4  # characters of a key, of one that is much longer
_LONG = 20
_OF_THE_PROJECT = ("forbidden", "rejected", "unknown-project-id")


class Account:
    """Asks at once, until the deadline; with `makes`, a project that is missing is made."""

    def __init__(self, settings: Config, heard: Heard, deadline: float, *, makes: bool) -> None:
        self._settings = settings
        self._deadline = deadline
        self._makes = makes
        self._was_made = False
        self._names: list[str] = []  # of other projects, where there is none of that name
        self._api = BraintrustApi(settings)
        self._login = Question(lambda: self._api.organisations(deadline), heard)
        self._project = Question(self._asked_project, heard)

    @property
    def is_settled(self) -> bool:
        """Whether all is answered that delivery depends on, or it is too late."""
        in_time = time.monotonic() < self._deadline
        return not in_time or (self._login.settled.is_set() and self._project.settled.is_set())

    @property
    def project(self) -> Json | None:
        """Gives the project that spans go to, if there is one."""
        return self._project.answer

    @property
    def takes(self) -> bool:
        """Whether a span can be sent that makes no project: one is there, or may be of that id.

        A key that may not look a project up can still be one that may write to it.
        """
        code, _ = _trouble(self._project) or ("", "")
        by_id = self._settings.project_id is not None
        return self.project is not None or (by_id and code in _OF_THE_PROJECT)

    @property
    def organisations(self) -> list[str]:
        """Gives the names of the key's organisations, as far as they are known."""
        return [name for org in self._login.answer or () if (name := text(org.get("name")))]

    def link(self, row: str) -> str | None:
        """Gives the address of a row, as braintrust 0.47 (`logger.py`, `permalink`) forms it."""
        from urllib.parse import quote, urlencode

        name = self._organisation()
        identity = text((self.project or {}).get("id")) or self._settings.project_id
        if name is None or identity is None:
            return None
        query = urlencode({"object_type": "project_logs", "object_id": identity, "id": row})
        return f"{self._settings.app_url}/app/{quote(name, safe='')}/object?{query}"

    def _organisation(self) -> str | None:
        """Gives the name of the organisation that the project is in."""
        owner = (self.project or {}).get("org_id")
        known = self._login.answer or []
        own = [org for org in known if org.get("id") == owner] or known[:1]
        return self._settings.org_name or next((text(org.get("name")) for org in own), None)

    def _asked_project(self) -> Json | None:
        settings, login = self._settings, self._login
        if settings.api_url is None or settings.org_name is not None:
            login.settled.wait(max(self._deadline - time.monotonic(), 0.0))
            if login.answer is not None:
                self._api.organisation(self._deadline)
            elif settings.api_url is None:
                return None  # nobody knows where to ask
        project = self._api.known_project(self._deadline)
        if project is None and self._makes:
            project = self._api.made_project(self._deadline)
            self._was_made = True
        if project is None:
            self._names = self._api.project_names(self._deadline)
        return project

    def findings(self, *, arrived: bool) -> list[Finding]:
        """Gives what is known by now; `arrived` says that a span was taken."""
        login, project = _trouble(self._login), _trouble(self._project)
        told = [self._login_finding(login)]
        if login is None:
            told += self._organisation_findings()
        if project is None and (self._project.answer is not None or login is None):
            told.append(self._project_finding())
        elif project is not None and not self._is_told(project, login):
            about = "project" if project[0] in _OF_THE_PROJECT else "braintrust"
            told.append(found(about, *project, level="warning" if arrived else None))
        return told

    def _login_finding(self, trouble: tuple[str, str] | None) -> Finding:
        where = host(self._settings.app_url)
        if trouble is None:
            return well("key", f"{self._shown_key()}, accepted by {where}")
        code, said = trouble
        if code == "wrong-key":
            return found("key", code, f"{self._shown_key()}: {said}")
        if self._project.answer is not None:
            told = f"{said}. Spans are delivered without that, but no attachments"
            return found("braintrust", code, told, level="warning")
        return found("braintrust", code, said)

    def _organisation_findings(self) -> list[Finding]:
        names, wanted = self.organisations, self._settings.org_name
        told = ", ".join(map(repr, names)) or "none"
        if wanted is not None and wanted not in names:
            said = f"{wanted!r} is no organisation of this key; it has: {told}"
            return [found("organisation", "unknown-organisation", said)]
        if wanted is None and len(names) > 1:
            said = f"the key belongs to {told}, and spans go to {self._organisation()!r}"
            return [found("organisation", "several-organisations", said)]
        return [well("organisation", repr(wanted or self._organisation()))]

    def _project_finding(self) -> Finding:
        settings, project = self._settings, self._project.answer
        if project is not None:
            made = ", made just now" if self._was_made else ""
            by_id = f", by its id {settings.project_id}" if settings.project_id else ""
            return well("project", f"{text(project.get('name')) or settings.project!r}{by_id}{made}")
        lower = {name.casefold(): name for name in self._names}
        near = difflib.get_close_matches(settings.project.casefold(), lower, _NEAR, _ALIKE)
        told = f"near it: {', '.join(repr(lower[name]) for name in near)}" if near else "none is near it"
        said = f"{settings.project!r} is no project yet, and the first span would make it; {told}"
        return found("project", "no-such-project", said)

    def _shown_key(self) -> str:
        key = self._settings.api_key or ""
        ending = f"ends in {key[-_SHOWN:]}" if len(key) >= _LONG else "hidden"
        place = (
            "BRAINTRUST_API_KEY" if os.environ.get("BRAINTRUST_API_KEY", "").strip() else nearest_env_file()
        )
        return f"{ending}, from {place}"

    def _is_told(self, trouble: tuple[str, str], login: tuple[str, str] | None) -> bool:
        """Tells whether what is wrong with the project was told of the login, or the organisation."""
        if login is None:
            return trouble[0] == "unknown-organisation"
        settings = self._settings
        is_one_host = host(settings.api_url or "") == host(settings.app_url)
        return login[0] == trouble[0] and (is_one_host or trouble[0] == "wrong-key")


def _trouble(question: Question[Any]) -> tuple[str, str] | None:
    """Gives a code and a sentence, if there is no answer."""
    fault = question.fault
    if fault is None:
        return None if question.settled.is_set() else ("no-answer", "there is no answer in time")
    code = fault.why if isinstance(fault, (Refused, Unavailable)) else "wrong-url"
    return code, fault.what if isinstance(fault, Refused) else str(fault) or type(fault).__name__
