"""Inline SVG marks: shape and position carry the meaning, colour repeats it. No script, no font, no request.

Colours are CSS variables of the page, so that one drawing serves light, dark and print. Charts with a time axis come
in three sizes that CSS switches (README of the visual reference, 3); marks within a row use percentages of its width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from markupsafe import Markup, escape

SIZES = (("cw", 620, 250), ("cn", 340, 220), ("cp", 440, 190))
Point = tuple[float, float]

_MARKS = {
    "confirmed": '<path d="M6 0l6 6-6 6-6-6z" class="{fill}"/>',
    "check_first": '<path d="M0 2h12L6 11z" class="fl"/>',
    "within_noise": '<circle cx="6" cy="6" r="4.6" fill="none" class="sm" stroke-width="1.8"/>',
    "stale": '<path d="M1 1h10L1 11h10z" fill="none" stroke="currentColor" stroke-width="1.6"/>',
}


def mark(verdict: str, *, is_gain: bool = False) -> Markup:
    """The sign of a verdict; nothing where none can be given."""
    shape = _MARKS.get(verdict)
    if shape is None:
        return Markup("")
    inner = shape.replace("{fill}", "fd" if is_gain else "fl")
    return Markup('<svg width="12" height="12" viewBox="0 0 12 12" aria-hidden="true">' + inner + "</svg>")


def bullet(
    value: float | None, target: float | None, label: str, ranges: Sequence[tuple[float, float, str]] = ()
) -> Markup:
    """A bar from 0 (or, with ranges, a dot upon them) and a thick tick for the target. Not drawn without a target."""
    if value is None or target is None:
        return Markup("")
    top = max([value, target, *(high for _, high, _ in ranges)], default=0) * 1.04
    if top <= 0:
        return Markup("")

    def at(x: float) -> str:
        return f"{max(0.0, 100 * x / top):.2f}%"

    parts = ['<line x1="0" x2="100%" y1="92%" y2="92%" class="gr"/>']
    for low, high, css in ranges:
        parts.append(f'<rect x="{at(low)}" width="{at(high - max(low, 0))}" y="10%" height="76%" class="{css}"/>')
    if ranges:
        dot = f'<circle cx="{at(value)}" cy="48%" r="5" class="fd" stroke="var(--paper)" stroke-width="1.5"/>'
        parts.append(dot)
    else:
        parts.append(f'<rect x="0" width="{at(value)}" y="32%" height="32%" class="fd"/>')
    parts.append(f'<line x1="{at(target)}" x2="{at(target)}" y1="2%" y2="94%" class="tg"/>')
    return _picture('class="bullet"', label, parts)


def spark(
    values: Sequence[float | None], label: str, *, band: tuple[float, float] | None = None, stale: bool = False
) -> Markup:
    """A line of weeks on its own scale, with an end dot; dashed, without a dot, over stale data. Needs two weeks."""
    known = [(i, v) for i, v in enumerate(values) if v is not None]
    if len(known) < 2:
        return Markup("")
    inside = [v for _, v in known] + ([*band] if band else [])
    low, high = min(inside), max(inside)
    spread = (high - low) or 1.0

    def xy(i: int, v: float) -> Point:
        return 94 * i / (len(values) - 1), 94 - 88 * (v - low) / spread if high > low else 50.0

    parts = []
    if band and high > low:
        top, bottom = xy(0, band[1])[1], xy(0, band[0])[1]
        parts.append(f'<rect x="0" width="94%" y="{top:.1f}%" height="{bottom - top:.1f}%" class="fn"/>')
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in (xy(i, v) for i, v in known))
    css, dash = ("sm", ' stroke-dasharray="3 3"') if stale else ("sd", "")
    parts.append(
        '<svg viewBox="0 0 100 100" preserveAspectRatio="none" width="100%" height="100%">'
        f'<polyline points="{points}" fill="none" class="{css}" stroke-width="1.8"{dash}'
        ' vector-effect="non-scaling-stroke"/></svg>'
    )
    if not stale:
        x, y = xy(*known[-1])
        parts.append(f'<circle cx="{x:.1f}%" cy="{y:.1f}%" r="3.2" class="fd"/>')
    return _picture('class="spark"', label, parts)


def fan(
    path: Sequence[dict[str, Any]],
    begin: int,
    end: int,
    target: tuple[float, str] | None,
    texts: dict[str, str],
    label: str,
) -> Markup:
    """What was won and what was forecast on each day of the quarter; `path` has x (a day), won, mid, low, high."""
    top = max([*(p["high"] for p in path), target[0] if target else 0, 1.0]) * 1.08

    def draw(width: int, height: int) -> list[str]:
        left, right, under, over = 6, width - 96, height - 22, 24

        def xy(day: float, v: float) -> Point:
            return left + (right - left) * (day - begin) / max(end - begin, 1), under - (under - over) * v / top

        now = path[-1]
        parts = [f'<line x1="{left}" x2="{right}" y1="{under}" y2="{under}" class="ax"/>']
        upper = [xy(p["x"], p["high"]) for p in path]
        lower = [xy(p["x"], p["low"]) for p in reversed(path)]
        parts.append(f'<polygon points="{_points(upper + lower)}" class="fn"/>')
        ends = [xy(now["x"], now["won"]), xy(end, now["high"]), xy(end, now["low"])]
        parts.append(f'<polygon points="{_points(ends)}" class="f80"/>')
        parts.append(f'<polyline points="{_points([xy(p["x"], p["mid"]) for p in path])}" class="dash"/>')
        parts.append(
            f'<polyline points="{_points([ends[0], xy(end, now["mid"])])}" class="ln" style="stroke-width:1.4"/>'
        )
        parts.append(
            f'<polyline points="{_points([xy(p["x"], p["won"]) for p in path])}" class="ln" style="stroke-width:3"/>'
        )
        if target:
            y = xy(begin, target[0])[1]
            parts.append(f'<line x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" class="tg"/>')
            parts.append(_text(left + 4, y - 6, target[1], "b"))
        placed = _apart([xy(end, now[k])[1] + 4 for k in ("high", "mid", "low")], 15, over + 4, under - 2)
        for y, key, css in zip(placed, ("high", "mid", "low"), ("m", "d", "m"), strict=True):
            parts.append(_text(right + 6, y, texts[key], css))
        x, y = ends[0]
        is_left = x < width / 3
        parts.append(
            _text(x + (6 if is_left else -6), max(y - 8, over + 26), texts["won"], "d", "start" if is_left else "end")
        )
        parts.append(_text(left, height - 5, texts["begin"], "m"))
        parts.append(_text(right, height - 5, texts["end"], "m", "end"))
        return parts

    return _three(draw, label)


def misses(values: Sequence[float], low: str, high: str, label: str) -> Markup:
    """A dot for each earlier quarter, no miss in the middle."""
    reach = max((abs(v) for v in values), default=0) * 1.1 or 1.0
    parts = [
        '<line x1="0" x2="100%" y1="45%" y2="45%" class="ax"/><line x1="50%" x2="50%" y1="10%" y2="80%" class="tg"/>'
    ]
    for v in values:
        parts.append(f'<circle cx="{50 + 50 * v / reach:.1f}%" cy="45%" r="4.5" class="fd" fill-opacity=".75"/>')
    parts.append(f'<text x="0" y="97%" class="m">{escape(low)}</text>')
    parts.append(f'<text x="100%" y="97%" text-anchor="end" class="m">{escape(high)}</text>')
    return _picture('class="err" width="100%" height="54"', label, parts)


def change_bar(start: float, stop: float, low: float, high: float, css: str) -> Markup:
    """A row of the waterfall: a bar from start to stop, or a thick mark where both are one total."""
    spread = (high - low) or 1.0
    a, b = (100 * (v - low) / spread for v in (start, stop))
    if css == "total":
        inner = f'<line x1="{a:.2f}%" x2="{a:.2f}%" y1="8%" y2="92%" stroke="var(--total)" stroke-width="5"/>'
    else:
        inner = f'<rect x="{min(a, b):.2f}%" width="{max(abs(b - a), 0.4):.2f}%" y="22%" height="56%" class="{css}"/>'
        inner += f'<line x1="{b:.2f}%" x2="{b:.2f}%" y1="50%" y2="150%" class="con"/>'
    return Markup('<svg aria-hidden="true">' + inner + "</svg>")


def shift(weeks: Sequence[dict[str, Any]], since: int, texts: dict[str, str], label: str) -> Markup:
    """A dot a week (value), what is usual and its limits (usual, low, high), where the shift begins (an index)."""
    seen = [w[k] for w in weeks for k in ("value", "usual", "low", "high") if w[k] is not None]
    if len(seen) < 2:
        return Markup("")
    bottom, top = min(seen), max(seen)
    spread = (top - bottom) or 1.0

    def draw(width: int, height: int) -> list[str]:
        left, right, under, over = 10, width - 10, height - 22, 24

        def xy(i: int, v: float) -> Point:
            return left + (right - left) * i / max(len(weeks) - 1, 1), under - (under - over) * (v - bottom) / spread

        parts = [f'<line x1="{left}" x2="{right}" y1="{under}" y2="{under}" class="ax"/>']
        banded = [(i, w) for i, w in enumerate(weeks) if w["low"] is not None and w["high"] is not None]
        if banded:
            edge = [xy(i, w["high"]) for i, w in banded] + [xy(i, w["low"]) for i, w in reversed(banded)]
            parts.append(f'<polygon points="{_points(edge)}" class="fn"/>')
        usual = [xy(i, w["usual"]) for i, w in enumerate(weeks) if w["usual"] is not None]
        parts.append(f'<polyline points="{_points(usual)}" class="dash"/>')
        x = xy(max(since, 0), bottom)[0] - 4
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{over}" y2="{under}" class="ax" stroke-dasharray="2 3"/>')
        for i, w in enumerate(weeks):
            if w["value"] is not None:
                px, py = xy(i, w["value"])
                parts.append(f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3.4" class="{"fl" if i >= since else "fd"}"/>')
        parts.append(_text(left, 14, texts["before"], "b"))
        parts.append(_text(right, 14, texts["since"], "b", "end"))
        parts.append(_text(left, height - 5, texts["first"], "m"))
        parts.append(_text(right, height - 5, texts["last"], "m", "end"))
        return parts

    return _three(draw, label)


def interval(low: float, high: float, dot: float | None, tick: float | None, top: float, tone: str) -> Markup:
    """A line for the interval, a dot for the value, a tick for what is expected; dashed and without a dot when few."""
    colour = {"above": "var(--data)", "below": "var(--loss)"}.get(tone, "var(--muted)")

    def at(v: float) -> str:
        return f"{100 * v / (top or 1):.2f}%"

    dash = ' stroke-dasharray="3 3"' if dot is None else ""
    parts = [f'<line x1="{at(low)}" x2="{at(high)}" y1="50%" y2="50%" stroke="{colour}" stroke-width="3"{dash}/>']
    if tick is not None:
        parts.append(f'<line x1="{at(tick)}" x2="{at(tick)}" y1="12%" y2="88%" stroke="var(--ink)" stroke-width="2"/>')
    if dot is not None:
        parts.append(
            f'<circle cx="{at(dot)}" cy="50%" r="5" fill="{colour}" stroke="var(--paper)" stroke-width="1.5"/>'
        )
    return Markup('<svg aria-hidden="true">' + "".join(parts) + "</svg>")


def _three(draw: Callable[[int, int], list[str]], label: str) -> Markup:
    return Markup("").join(
        _picture(f'class="{css}" viewBox="0 0 {width} {height}"', label, draw(width, height))
        for css, width, height in SIZES
    )


def _picture(attributes: str, label: str, parts: Sequence[str]) -> Markup:
    return Markup(f'<svg {attributes} role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>')


def _text(x: float, y: float, text: str, css: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{css}">{escape(text)}</text>'


def _points(points: Sequence[Point]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _apart(wanted: Sequence[float], gap: float, top: float, bottom: float) -> list[float]:
    """Places of labels from above to below, moved apart so that they do not overlap."""
    placed: list[float] = []
    for y in wanted:
        placed.append(max(y, placed[-1] + gap if placed else top))
    over = placed[-1] - bottom
    if over > 0:
        placed[-1] -= over
        for i in range(len(placed) - 2, -1, -1):
            placed[i] = min(placed[i], placed[i + 1] - gap)
    return placed
