"""Packages that tests write: a small SDK of the family, and whatever else stands in a folder."""

from pathlib import Path

PARTS = {
    "_base_client": {"SyncAPIClient": ["request", "_process_response"], "BaseClient": ["_build_request"]},
    "_streaming": {"Stream": ["__stream__", "close"], "AsyncStream": ["__stream__", "close"]},
    "_response": {"APIResponse": ["close", "iter_bytes", "iter_text", "iter_lines"]},
}
PARTS["_response"]["AsyncAPIResponse"] = PARTS["_response"]["APIResponse"]
PARTS["_base_client"]["AsyncAPIClient"] = PARTS["_base_client"]["SyncAPIClient"]
INIT = "__version__ = '9.9'\nfrom . import _base_client, _streaming, _response\n"


def small_sdk(init: str = INIT) -> dict[str, str]:
    """The files of a package that has the places we patch, and nothing else."""
    files = {"openai/__init__.py": init}
    for module, owners in PARTS.items():
        lines = []
        for owner, names in owners.items():
            lines.append(f"class {owner}:")
            lines += [f"    def {name}(self, *args, **kwargs): ..." for name in names]
        files[f"openai/{module}.py"] = "\n".join(lines) + "\n"
    return files


def written(folder: Path, files: dict[str, str]) -> Path:
    """Writes files, by their paths in a folder; gives the folder."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder
