"""The organisations, projects and experiments of a loopback Braintrust.

Ids are derived from names, so that a server started anew on the same port knows the ids that it gave out before.
"""

import threading
import uuid
from collections.abc import Sequence

Entry = dict[str, object]

_NAMESPACE = uuid.UUID("6f1f0f3e-3c52-5d0e-9c64-7b1c8f7f2a11")
_CREATED = "2026-01-01T00:00:00.000Z"


def _id(*names: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, "/".join(names)))


class Catalog:
    """Knows entries by id and by name. Every method gives the entry itself, in the API's own shape."""

    def __init__(self, orgs: Sequence[str]) -> None:
        self._lock = threading.Lock()
        self._orgs = {name: _id("org", name) for name in orgs}
        self._projects: dict[str, Entry] = {}
        self._experiments: dict[str, Entry] = {}

    def org_info(self, url: str) -> list[Entry]:
        """What a login says of each organisation, all of them served at one address."""
        routing: Entry = {"api_url": url, "proxy_url": url, "realtime_url": url, "is_universal_api": True}
        return [
            {"id": org_id, "name": name, **routing, "git_metadata": None}
            for name, org_id in self._orgs.items()
        ]

    def org_id(self, name: str | None) -> str | None:
        """The id of the organisation of that name, or of the first one; None if there is none of that name."""
        return self._orgs.get(next(iter(self._orgs)) if name is None else name)

    def create_project(self, org_id: str, name: str, description: str | None = None) -> Entry:
        """The project of that name, made if it is new."""
        with self._lock:
            project_id = _id("project", org_id, name)
            fresh: Entry = {"id": project_id, "org_id": org_id, "name": name, "description": description}
            fresh.update(created=_CREATED, deleted_at=None, user_id=None, settings=None)
            return self._projects.setdefault(project_id, fresh)

    def project(self, project_id: str) -> Entry | None:
        """The project of that id."""
        return self._projects.get(project_id)

    def projects(self, name: str | None = None, org_id: str | None = None) -> list[Entry]:
        """The projects of that name and that organisation, where given."""
        wanted = {"name": name, "org_id": org_id}
        return [entry for entry in list(self._projects.values()) if _fits(entry, wanted)]

    def create_experiment(self, settings: Entry) -> Entry:
        """The experiment that POST /v1/experiment describes; `ensure_new` gives it a name of its own if that is taken."""
        with self._lock:
            project_id, name = str(settings["project_id"]), str(settings.get("name") or "experiment")
            taken = {
                str(entry["name"])
                for entry in self._experiments.values()
                if entry["project_id"] == project_id
            }
            if name in taken and (settings.get("ensure_new") or not settings.get("name")):
                name = next(
                    f"{name}-{count}" for count in range(1, len(taken) + 2) if f"{name}-{count}" not in taken
                )
            experiment_id = _id("experiment", project_id, name)
            fresh: Entry = {"id": experiment_id, "project_id": project_id, "name": name, "created": _CREATED}
            fresh.update({key: settings.get(key) for key in _SETTINGS}, public=bool(settings.get("public")))
            return self._experiments.setdefault(experiment_id, fresh)

    def experiment(self, experiment_id: str) -> Entry | None:
        """The experiment of that id."""
        return self._experiments.get(experiment_id)

    def experiments(self, name: str | None = None, project_id: str | None = None) -> list[Entry]:
        """The experiments of that name and that project, where given."""
        wanted = {"name": name, "project_id": project_id}
        return [entry for entry in list(self._experiments.values()) if _fits(entry, wanted)]


_SETTINGS = (
    "description",
    "repo_info",
    "commit",
    "base_exp_id",
    "dataset_id",
    "dataset_version",
    "metadata",
    "tags",
)


def _fits(entry: Entry, wanted: dict[str, str | None]) -> bool:
    return all(value is None or entry[key] == value for key, value in wanted.items())
