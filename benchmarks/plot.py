"""The picture of the headlines: bars of what each peer adds, for a light page and for a dark one.

Owns a small writer of SVG. Knows figures, not how they were measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from .headlines import Told, cell, peers, told, unit
from .results import FLOOR, OURS, Entry

PICTURED = ("start, openai", "call, thread", "stream, thread", "call, process", "memory", "exit")
_COLUMNS = 2
_WIDTH, _LEFT, _RIGHT = 430, 104, 78  # of a panel, of its names, of its numbers
_ROW, _BAR, _HEAD, _FOOT, _GAP, _CAPTION = 21, 12, 50, 22, 24, 16
_FONT = "-apple-system,BlinkMacSystemFont,'Segoe UI',Helvetica,Arial,sans-serif"


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours on one kind of page."""

    text: str
    faint: str
    bar: str
    floor: str
    ours: str
    line: str


PALETTES = {
    "light": Palette("#1f2328", "#59636e", "#c4cdd8", "#9aa5b1", "#0a66c2", "#59636e"),
    "dark": Palette("#f0f6fc", "#9198a1", "#4a5360", "#6b7684", "#58a6ff", "#9198a1"),
}


def draw(folder: Path) -> list[Path]:
    """Writes the pictures of a folder's results beside them; gives their paths."""
    headlines = [one for one in told(folder) if one.headline.title in PICTURED]
    paths = []
    for name, palette in PALETTES.items():
        path = folder / f"overhead-{name}.svg"
        path.write_text(picture(headlines, palette), encoding="utf-8")
        paths.append(path)
    return paths


def picture(headlines: Sequence[Told], palette: Palette) -> str:
    """Gives the picture: panels in two columns."""
    names = peers(headlines)
    height = _HEAD + _ROW * len(names) + _FOOT
    rows = -(-len(headlines) // _COLUMNS)
    width, whole = _COLUMNS * _WIDTH + _GAP, rows * height + _CAPTION
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {whole}" width="{width}" '
        f'height="{whole}" font-family="{_FONT}" role="img">'
    )
    parts = [head, "<title>What each tracer adds to a program that has none</title>"]
    for index, one in enumerate(headlines):
        across, down = index % _COLUMNS * (_WIDTH + _GAP), index // _COLUMNS * height
        parts.append(f'<g transform="translate({across},{down})">')
        parts += _panel(one, names, palette)
        parts.append("</g>")
    parts.append(_text(0, whole - 6, _caption(headlines), palette.faint, size=11))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _caption(headlines: Sequence[Told]) -> str:
    said = "Bars are medians, lines the middle half of the rounds; less is better."
    for one in headlines[:1]:
        said += f" {one.results.date}, Python {one.results.python}, {one.results.machine}."
    return said


def _panel(one: Told, names: Sequence[str], palette: Palette) -> Iterator[str]:
    shown: Mapping[str, Entry] = {
        name: one.figure.entries[name] for name in names if name in one.figure.entries
    }
    most = max((entry.adds[2] for entry in shown.values() if entry.adds), default=1.0) or 1.0
    title, _, more = one.headline.explained.replace("`", "").partition(", ")
    added = f"{unit(one)} more than without"
    yield _text(0, 18, f"{title[0].upper()}{title[1:]}", palette.text, size=14, weight=600)
    yield _text(0, 36, f"{more}; {added}" if more else added, palette.faint, size=12)
    for index, name in enumerate(names):
        middle = _HEAD + _ROW * index + _ROW / 2
        strong = 600 if name == OURS else 400
        yield _text(_LEFT - 8, middle + 4, name, palette.text, size=12, weight=strong, anchor="end")
        entry = shown.get(name)
        if entry is None or entry.adds is None:
            yield _text(_LEFT, middle + 4, "has nothing for it", palette.faint, size=11)
            continue
        low, value, high = (_across(number, most) for number in entry.adds)
        colour = {OURS: palette.ours, FLOOR: palette.floor}.get(name, palette.bar)
        yield (
            f'<rect x="{_LEFT}" y="{middle - _BAR / 2:g}" width="{max(value, 1):.1f}" height="{_BAR}" '
            f'rx="2" fill="{colour}"/>'
        )
        yield (
            f'<path d="M{_LEFT + low:.1f} {middle:g}H{_LEFT + high:.1f}" stroke="{palette.line}" '
            'stroke-width="1.5"/>'
        )
        number_at = _LEFT + max(value, high) + 7
        yield _text(number_at, middle + 4, cell(one, name), palette.text, size=12, weight=strong)


def _across(value: float, most: float) -> float:
    """Gives how far to the right a number is; noise can be less than nothing."""
    return max(0.0, value) / most * (_WIDTH - _LEFT - _RIGHT)


def _text(
    x: float, y: float, text: str, colour: str, *, size: int, weight: int = 400, anchor: str = "start"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" fill="{colour}" '
        f'text-anchor="{anchor}">{escape(text)}</text>'
    )
