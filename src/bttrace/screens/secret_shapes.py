"""What secrets look like in text, and text without them. PURE.

Owns the shapes of keys, tokens, passwords and private keys, and what stands in their place:
`[secret: what it was]`. Almost no text holds one, so what may is found cheaply first: nearly
all are *runs*, of sixteen characters or more without a space or a quote, and the patterns
look only at a piece around a run that a sign or a name says something of. So they take no
longer than the pieces are long, whatever the text.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import chain

_LEAST = 16  # characters of a run
_BEFORE = 64  # characters before a run, in which its name stands
_AFTER = 300  # characters after the name of a password
_ROUNDS = 4  # of replacing, at most
_REMEMBERED = 4_096  # runs, each with what is before it
_PASSWORD, _MADE_UP, _UNBROKEN, _VARIED = 8, 10, 24, 5  # characters of what nobody would write as a word

# Where a key begins: after no letter or digit, unless these are an escape's.
_EDGE = (
    r"(?:(?<![A-Za-z0-9])|(?<=\\[bfnrt])|(?<=\\u[0-9a-fA-F]{4})|(?<=\\x[0-9a-fA-F]{2})|(?<=%[0-9a-fA-F]{2}))"
)
_DIGIT = r"(?=[a-zA-Z]{0,40}\d)"
_SHAPES: Mapping[str, tuple[str, str]] = {
    "anthropic key": ("sk-ant-", r"[\w-]{12,}"),
    "openrouter key": ("sk-or-", r"[\w-]{12,}"),
    "openai key": ("sk-(?:proj|svcacct|admin|None)-", r"[\w-]{12,}"),
    "langfuse key": ("sk-lf-", r"[\w-]{12,}"),
    "stripe key": ("(?:[rs]k_(?:live|test)|whsec)_", r"[A-Za-z0-9]{12,}"),
    "api key": ("sk-", r"[A-Za-z0-9]{20,}"),
    "braintrust key": ("bt-st-", r"[\w-]{12,}"),
    "groq key": ("gsk_", r"[A-Za-z0-9]{16,}"),
    "xai key": ("xai-", r"[A-Za-z0-9]{20,}"),
    "cerebras key": ("csk-", r"[A-Za-z0-9]{20,}"),
    "perplexity key": ("pplx-", r"[A-Za-z0-9]{20,}"),
    "together key": ("tgp_v1_", r"[\w-]{16,}"),
    "nvidia key": ("nvapi-", r"[\w-]{20,}"),
    "tavily key": ("tvly-", r"(?:dev-|prod-)?[A-Za-z0-9]{16,}"),
    "langsmith key": ("lsv2_(?:pt|sk)_", r"\w{20,}"),
    "google key": ("AIza", r"[\w-]{30,}"),
    "google token": (r"ya29\.", r"[\w-]{20,}"),
    "fireworks key": ("fw_", rf"{_DIGIT}[A-Za-z0-9]{{16,}}"),
    "huggingface token": ("(?:hf|api_org)_", rf"{_DIGIT}[A-Za-z0-9]{{20,}}"),
    "replicate token": ("r8_", rf"{_DIGIT}[A-Za-z0-9]{{20,}}"),
    "aws key id": ("(?:AKIA|ASIA)", r"[A-Z0-9]{16}(?![A-Za-z0-9])"),
    "github token": ("(?:gh[oprsu]|github_pat)_", r"\w{20,}"),
    "gitlab token": ("gl(?:pat|dt|rt|ptt|oas|soat)-", r"[\w.-]{16,}"),
    "slack token": ("(?:xox[a-z]|xapp)-", r"[A-Za-z0-9-]{12,}"),
    "npm token": ("npm_", rf"{_DIGIT}[A-Za-z0-9]{{30,}}"),
    "pypi token": ("pypi-", r"(?=[\w-]{0,40}\d)[\w-]{40,}"),
    "databricks token": ("dapi", r"[0-9a-f]{32}"),
    "sendgrid key": (r"SG\.", r"[\w-]{16,}\.[\w-]{16,}"),
    "signed token": ("eyJ", r"[\w-]{8,}\.[\w-]{8,}\.[\w-]{6,}(?:\.[\w-]+){0,2}"),
}
_WHAT = {f"s{place}": what for place, what in enumerate(_SHAPES)}
_KEY = re.compile(
    _EDGE + "(?:" + "|".join(f"(?P<{group}>{''.join(_SHAPES[what])})" for group, what in _WHAT.items()) + ")",
    re.ASCII,
)

_NAMES = (
    "api[-_ ]?(?:key|token|secret)"
    "|(?:secret|access|account|private|signing|master|subscription)[-_ ]?(?:access[-_ ]?)?key"
    "|secret|(?:auth|access|refresh|id|session|security|bearer|bot|oauth|csrf|personal)[-_ ]?token"
    "|authorization|credentials?|cookie|password|passwd|passphrase|pwd"
)
_SCHEME = "bearer|basic|token|apikey|api-key"
_QUOTE = r"\\{0,4}[\"'`]?"
_PAIR = re.compile(
    rf"(?<!\[)(?P<name>{_NAMES}){_QUOTE}\]?\s{{0,4}}(?::=|=>|[:=,])\s{{0,4}}b?{_QUOTE}"
    rf"(?:(?:{_SCHEME})\s{{1,4}})?(?P<value>[^\s\"'`\\,;<>(){{}}\[\]]{{8,}})",
    re.IGNORECASE,
)
_BEARER = re.compile(r"(?<![a-z])bearer\s{1,4}(?P<value>[\w.~+/=-]{16,})", re.IGNORECASE | re.ASCII)
_BASIC = re.compile(r"(?<![a-z])basic\s{1,4}(?P<value>[a-z0-9+/]{8,}={0,2})", re.IGNORECASE | re.ASCII)
_QUERY = re.compile(
    r"(?:[?&;#]|\\u0026)(?P<name>x-amz-(?:signature|credential|security-token)|x-goog-(?:signature|credential)"
    r"|key|token|auth|sig|signature|code|[\w-]{0,24}?(?:api[-_]?key|[-_]key|[-_]token|secret|passw(?:or)?d|pwd))"
    r"=(?P<value>[^&\s\"'`<>\\#;\[\]]{6,})",
    re.IGNORECASE | re.ASCII,
)
_SIGNED = ("sig", "x-")
_USER = re.compile(
    r"://(?:[^\s/?#@:\"'`<>\\\[\]]{0,128}:(?P<value>[^\s/?#@\"'`<>\\\[\]]{1,256})|(?P<alone>[^\s/?#@:\"'`<>\\\[\]]{16,256}))@"
)
_PRIVATE = "PRIVATE KEY"
_BEGIN = re.compile(rf"-----BEGIN [A-Z0-9 ]{{0,40}}{_PRIVATE}(?: BLOCK)?-----")
_END = re.compile(rf"-----END [A-Z0-9 ]{{0,40}}{_PRIVATE}(?: BLOCK)?-----")
_BODY = re.compile(r"(?:[A-Za-z0-9+/=\s]|\\+[nr])*")
_LEAST_BODY = 40

# What in a run tells of a secret, and what before it.
_SIGN = re.compile("|".join(sign for sign, _ in _SHAPES.values()), re.ASCII)
_NAMED_IN = re.compile(
    rf"(?:{_NAMES}|key|token|sig|signature|auth|code)(?:=|[^\w]{{0,4}}\Z)", re.IGNORECASE | re.ASCII
)
_NAMED_BEFORE = re.compile(
    rf"(?:{_NAMES}|bearer|basic)[^a-z0-9]{{1,24}}(?:(?:{_SCHEME}|value|b)[^a-z0-9]{{1,24}}){{0,2}}\Z",
    re.IGNORECASE,
)
_STEMS = ("key", "token", "secret", "authori", "credential", "cookie", "pass", "pwd", "bearer", "basic")
_ENDS = (
    "key",
    "token",
    "secret",
    "authorization",
    "credential",
    "credentials",
    "cookie",
    "word",
    "wd",
    "phrase",
)
_NAME = re.compile(rf"(?s:.{{0,48}}?)(?:{_NAMES})", re.IGNORECASE)
_REST = re.compile(r"[^\s\"'`]*")
_PARTS = re.compile(r"[._:\-]+|%[0-9a-f]{2}", re.IGNORECASE)
_CLASSES = bytes(
    ord("1" if chr(code).isascii() and (chr(code).isalnum() or chr(code) in "-_+/=.~%") else " ")
    for code in range(256)
)
_RUN = b"1" * _LEAST
_NONE: Mapping[str, str] = {}
_Piece = tuple[int, int]
_Found = tuple[int, int, str]


def suspected(text: str, known: Mapping[str, str] = _NONE) -> bool:
    """Tells whether a text may hold a secret; `known` are values by name.

    It may be several texts: joined by newlines, or the JSON of what they stand in.
    """
    return (
        any(value in text for value in known)
        or ("://" in text and "@" in text)
        or _PRIVATE in text
        or next(_pieces(text), None) is not None
    )


def replaced(text: str, known: Mapping[str, str] = _NONE) -> str:
    """Gives a text with what it was in place of each secret. `known` gives the names of values.

    Never raises; what it gives has no more to replace.
    """
    for value, name in known.items():
        if value in text:
            text = text.replace(value, _mark(name))
    for _ in range(_ROUNDS):  # a mark may bring what is beside it into the light
        found = sorted(_found(text))
        if not found:
            break
        text = _marked(text, found)
    return text


def _marked(text: str, found: Iterable[_Found]) -> str:
    parts: list[str] = []
    done = 0
    for start, end, what in found:
        if start >= done:
            parts += (text[done:start], _mark(what))
        done = max(done, end)
    return "".join((*parts, text[done:]))


def named(name: object, value: str) -> str | None:
    """Gives what stands in place of a value that a name says is secret; `None` if it is none."""
    if not isinstance(name, str) or value.startswith("[secret: ") or not _NAME.fullmatch(name):
        return None
    words = value.replace("=", " ").split()
    if len(words) > 2 and "cookie" not in name.lower():  # noqa: PLR2004 - a scheme, and what follows it
        return None
    return _mark("value") if any(_is_made_up(word) for word in words) else None


def _mark(what: str) -> str:
    return f"[secret: {what}]"


def _pieces(text: str) -> Iterator[_Piece]:
    """Yields the pieces of a text in which a secret may be, in order of what they are found by."""
    classes = text.encode("ascii", "replace").translate(_CLASSES)
    start = classes.find(_RUN)
    while start >= 0:
        end = classes.find(b" ", start)
        if end < 0:
            end = len(text)
        before = max(0, start - _BEFORE)
        tells = _is_told if end - start <= _AFTER else _is_told.__wrapped__
        if tells(text[before:end], start - before):
            rest = _REST.match(text, end)
            yield before, end if rest is None else rest.end()
        start = classes.find(_RUN, end)
    for stem in ("assw", "ASSW"):
        place = text.find(stem)
        while place >= 0:
            yield max(0, place - 1), place + _AFTER
            place = text.find(stem, place + _AFTER // 2)


@lru_cache(_REMEMBERED)  # an agent sends the same history again with each call
def _is_told(text: str, start: int) -> bool:
    """Tells whether something in a run, at the end of a text, or right before it is a sign of a secret."""
    if _SIGN.search(text, start) and _KEY.search(text, start):
        return True
    run = text[start : start + _AFTER].lower()
    if ("=" in run or run.rstrip("-_").endswith(_ENDS)) and _NAMED_IN.search(text, start):
        return True
    around = text[:start].lower().replace("tokens", "")
    for stem in _STEMS:
        if stem in around:
            return bool(_NAMED_BEFORE.search(text, 0, start))
    return False


def _found(text: str) -> Iterable[_Found]:
    """Gives where secrets are in a text, and what they are."""
    if _PRIVATE in text:
        yield from _private_keys(text)
    if "://" in text and "@" in text:
        for match in _USER.finditer(text):
            if match["value"] is not None:
                yield (*match.span("value"), "password")
            elif _is_made_up(match["alone"]):
                yield (*match.span("alone"), "password")
    for start, end in _pieces(text):
        yield from _in_piece(text, start, end)


def _in_piece(text: str, start: int, end: int) -> Iterator[_Found]:
    for match in _KEY.finditer(text, start, end):
        yield (*match.span(), _WHAT[match.lastgroup or ""])
    for match in _BEARER.finditer(text, start, end):
        if _is_made_up(match["value"]):
            yield (*match.span("value"), "bearer token")
    for match in _BASIC.finditer(text, start, end):
        if _is_login(match["value"]):
            yield (*match.span("value"), "basic login")
    asked: set[int] = set()
    for match in _QUERY.finditer(text, start, end):
        asked.add(match.start("value"))
        if match["name"].lower().startswith(_SIGNED) or _is_made_up(match["value"], _PASSWORD):
            yield (*match.span("value"), "value")
    for match in _PAIR.finditer(text, start, end):
        least = _PASSWORD if match["name"][0] in "pP" else _MADE_UP
        if match.start("value") not in asked and _is_made_up(match["value"], least):
            yield (*match.span("value"), "value")


def _private_keys(text: str) -> Iterator[_Found]:
    ends = chain((match.end() for match in _END.finditer(text)), [len(text) + 1])
    end = 0
    for match in _BEGIN.finditer(text):
        if match.start() < end:
            continue
        end = next((place for place in ends if place > match.end()), len(text) + 1)
        if end > len(text):
            body = _BODY.match(text, match.end())
            end = match.end() if body is None else body.end()
            if end - match.end() < _LEAST_BODY:
                continue
        yield match.start(), end, "private key"


def _is_login(value: str) -> bool:
    try:
        return b":" in b64decode(value + "=" * (-len(value) % 4), validate=True)
    except ValueError:
        return False


def _is_made_up(value: str, least: int = _MADE_UP) -> bool:
    """Tells whether a value is none that somebody would write as a word, a path or a name."""
    return any(
        len(part) >= least
        and len(set(part)) >= _VARIED
        and (
            len(part) >= _UNBROKEN
            or (not part.isalpha() and not part.isdigit() and any(map(str.isdigit, part)))
        )
        for part in _PARTS.split(value)
    )
