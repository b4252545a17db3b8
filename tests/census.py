"""What an SDK of the Stainless family can be asked for, read from its source: nothing of it is imported.

Resource: a class under `resources` that is, or extends, an `APIResource`.
Request: a verb and a path, with `{placeholders}`; the verb of a page of a list is "list".
Lead: from a method that makes no request itself to one that does, of the same resource or of another.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

Function = ast.FunctionDef | ast.AsyncFunctionDef
Request = tuple[str, str]

UNKNOWN = "?"
"""The path of a request that this walk cannot read: it is found nowhere, and so the census fails."""

_VERBS = {f"_{verb}": verb for verb in ("get", "post", "put", "patch", "delete", "request")}
_LISTS = {"_get_api_list", "_request_api_list"}
_RAW = {"with_raw_response", "with_streaming_response"}
_NO_METHOD = ("overload", "property")


@dataclass(frozen=True)
class Method:
    """A public method of a resource, sync or its `twin`, with every request that it can lead to."""

    name: str
    twin: bool
    requests: frozenset[Request]

    def __str__(self) -> str:
        return f"async {self.name}" if self.twin else self.name


@dataclass
class _Found:
    """What a piece of source says by itself: requests, and leads by name, `.name` for one of the same resource."""

    requests: set[Request] = field(default_factory=set)
    leads: set[str] = field(default_factory=set)


def methods(package: Path) -> list[Method]:
    """Gives every public method of every resource of the package in this folder."""
    found: dict[tuple[str, bool], _Found] = {}
    for file in sorted((package / "resources").rglob("*.py")):
        module = _Module.of(file)
        for cls in module.definitions.values():
            base = module.resource(cls)
            for method in _public(cls) if base else ():
                key = f"{_dotted(file, package)}.{method.name}", base.startswith("Async")
                said = found.setdefault(key, _Found())
                _follow(method, module, {"self"}, said, set())
    return [Method(*key, frozenset(_reached(key, found, set()))) for key in found]


def _reached(key: tuple[str, bool], found: dict[tuple[str, bool], _Found], seen: set[str]) -> set[Request]:
    name, twin = key
    if key not in found or name in seen:
        return set()
    seen.add(name)
    own = name.rpartition(".")[0]
    leads = {own + lead if lead.startswith(".") else lead for lead in found[key].leads}
    return found[key].requests.union(*(_reached((lead, twin), found, seen) for lead in leads))


def _dotted(file: Path, package: Path) -> str:
    """Gives the accessors that lead to a file's resource: a folder and the module of its name are one."""
    parts: list[str] = []
    for part in file.relative_to(package / "resources").with_suffix("").parts:
        if part != "__init__" and parts[-1:] != [part]:
            parts.append(part)
    return ".".join(parts)


def _public(cls: ast.AST) -> Iterator[Function]:
    for node in cls.body if isinstance(cls, ast.ClassDef) else ():
        if isinstance(node, Function) and not node.name.startswith("_"):
            marks = [ast.unparse(mark) for mark in node.decorator_list]
            if not any(word in mark for mark in marks for word in _NO_METHOD):
                yield node


class _Module:
    """One file: what it defines, and what the names mean that it imports from its own package."""

    def __init__(self, file: Path) -> None:
        self._file = file
        tree = ast.parse(file.read_text(encoding="utf-8"))
        self.definitions: dict[str, ast.AST] = {
            node.name: node for node in tree.body if isinstance(node, Function | ast.ClassDef)
        }
        self._imports = {
            alias.asname or alias.name: (node.level, node.module or "", alias.name)
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.level
            for alias in node.names
        }

    @staticmethod
    @cache
    def of(file: Path) -> "_Module":
        return _Module(file)

    def definition(self, name: str) -> tuple[ast.AST, "_Module"] | None:
        """Gives the class or function that a name means, and where it is defined; None if it is not the package's."""
        if name in self.definitions:
            return self.definitions[name], self
        if name not in self._imports:
            return None
        level, dotted, original = self._imports[name]
        place = (
            self._file.parents[level - 1].joinpath(*dotted.split("."))
            if dotted
            else self._file.parents[level - 1]
        )
        for file in (place.with_suffix(".py"), place / "__init__.py"):
            if file.is_file() and file != self._file:
                return _Module.of(file).definition(original)
        return None

    def resource(self, cls: ast.AST) -> str:
        """Gives the `APIResource` that a class extends, however remotely; nothing if it is no resource."""
        for base in cls.bases if isinstance(cls, ast.ClassDef) else ():
            name = ast.unparse(base).rpartition(".")[2]
            if name.endswith("APIResource"):
                return name
            meant = self.definition(name)
            if meant is not None and meant[0] is not cls and (found := meant[1].resource(meant[0])):
                return found
        return ""


def _follow(node: ast.AST, module: _Module, me: set[str], said: _Found, seen: set[int]) -> None:
    """Adds what a function or class says of the resource that it knows by the names `me`, and what it hands it to."""
    if id(node) in seen:
        return
    seen.add(id(node))
    placed: set[int] = set()
    for call in (inner for inner in ast.walk(node) if isinstance(inner, ast.Call)):
        # The path follows the verb: `self._post("/x")`, and `partial(self._post, "/x")`.
        for asked, path in zip([call.func, *call.args], [*call.args, None], strict=True):
            verb = _verb(asked, me)
            if verb is not None:
                said.requests.add((_real_verb(verb, call), _path(path, call)))
                placed.add(id(asked))
        _follow_callee(call, module, me, said, seen)
    for named in ast.walk(node):
        if isinstance(named, ast.Attribute):
            if _verb(named, me) is not None and id(named) not in placed:
                said.requests.add((str(_verb(named, me)), UNKNOWN))
            _lead(named, me, said)


def _follow_callee(call: ast.Call, module: _Module, me: set[str], said: _Found, seen: set[int]) -> None:
    given = [*enumerate(call.args), *((word.arg, word.value) for word in call.keywords)]
    handed = [place for place, value in given if any(_is_me(part, me) for part in ast.walk(value))]
    callee = call.func
    while isinstance(callee, ast.Attribute | ast.Subscript):
        callee = callee.value
    meant = module.definition(callee.id) if handed and isinstance(callee, ast.Name) else None
    if meant is None:
        return
    definition, where = meant
    names: set[str] = set()
    if isinstance(definition, Function):
        arguments = [argument.arg for argument in (*definition.args.posonlyargs, *definition.args.args)]
        names = {arguments[place] if isinstance(place, int) else str(place) for place in handed}
    _follow(definition, where, names, said, seen)


def _is_me(node: ast.AST, me: set[str]) -> bool:
    return isinstance(node, ast.Name) and node.id in me


def _verb(node: ast.AST, me: set[str]) -> str | None:
    """Gives the verb of `self._post` and of `self._client.post`; None of anything else."""
    if not isinstance(node, ast.Attribute):
        return None
    of_client = isinstance(node.value, ast.Attribute) and node.value.attr == "_client"
    if not of_client and not _is_me(node.value, me):
        return None
    name = f"_{node.attr}" if of_client and not node.attr.startswith("_") else node.attr
    return "list" if name in _LISTS else _VERBS.get(name)


def _real_verb(verb: str, call: ast.Call) -> str:
    """Gives the verb of a call: a list may be asked for by another than GET."""
    named = [
        word.value.value
        for word in call.keywords
        if word.arg == "method" and isinstance(word.value, ast.Constant)
    ]
    return str(named[0]) if named else verb


def _path(node: ast.AST | None, call: ast.Call) -> str:
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("path_template") and node.args:
        node = node.args[0]
    if isinstance(node, ast.JoinedStr):
        pieces = (piece.value if isinstance(piece, ast.Constant) else "{}" for piece in node.values)
        return "".join(str(piece) for piece in pieces).partition("?")[0]
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value.partition("?")[0]
    # An address that came with an answer: anthropic says beside it which route that is (2.11, `resources/messages/batches.py`).
    routes = [
        word.value for word in ast.walk(call) if isinstance(word, ast.keyword) and word.arg == "span_route"
    ]
    return str(routes[0].value) if routes and isinstance(routes[0], ast.Constant) else UNKNOWN


def _lead(node: ast.Attribute, me: set[str], said: _Found) -> None:
    holder = node.value
    if isinstance(holder, ast.Attribute) and holder.attr in _RAW:
        holder = holder.value
    if _is_me(holder, me):
        said.leads.add(f".{node.attr}")
        return
    _, client, name = ast.unparse(node).rpartition("_client.")
    if client:
        said.leads.add(name)
