"""The dashboard's HTML, from figures. Every text from the data is escaped; only http links are links."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from html import escape
from typing import Any
from urllib.parse import urlsplit

from salesops.dashboard.figures import FEW, PERIODS, Filter, Measure, Record, Scope

MOST_ROWS = 500
TITLES = {
    "hit_rate": "Hit rate",
    "bookings": "Bookings",
    "pipeline_open": "Open pipeline",
    "pipeline_created": "Pipeline created",
    "cycle": "Sales cycle",
    "response": "Leads answered within SLA",
}
BUTTONS = {tile: "leads" if tile == "response" else "deals" for tile in TITLES}
_DAY = {
    **{tile: "Closed" for tile in ("hit_rate", "bookings", "cycle")},
    **{"pipeline_created": "Accepted", "response": "Created"},
}
_NBSP, _MINUS = "\N{NO-BREAK SPACE}", "\N{MINUS SIGN}"

STYLE = """<style>
.so,.dark .so{--ink:#191c20;--muted:#555c65;--rule:#dcd7cc;--panel:#f4f1ea;--stale:#6b5b13;--stalebg:#f7efcf;
  --link:#14538a;--data:#1d5f99}
.dark .so{--ink:#eceae5;--muted:#a8afb7;--rule:#31373d;--panel:#1b2024;--stale:#e3cf7a;--stalebg:#2d2914;
  --link:#93c5f2;--data:#7fb9ec}
.so{color:var(--ink);font:400 1rem/1.45 "Source Sans 3","Segoe UI",Arial,"Liberation Sans",sans-serif;
  font-variant-numeric:tabular-nums}
.so h1,.so h2,.so .big{font-family:"Source Serif 4",Charter,Georgia,"Liberation Serif",serif;font-weight:600}
.so h1{font-size:1.55rem;margin:0}
.so h2{font-size:1.32rem;margin:1.4rem 0 .3rem}
.so .tile h2{font:inherit;font-size:.95rem;font-weight:650;margin:0}
.so p{margin:.2rem 0;font-size:.875rem}
.so .sub{color:var(--muted);font-size:.8125rem}
.so-tiles{display:grid;gap:1.2rem 1.8rem;grid-template-columns:1fr}
@media(min-width:31rem){.so-tiles{grid-template-columns:1fr 1fr}}
@media(min-width:56rem){.so-tiles{grid-template-columns:repeat(3,1fr)}}
.so .tile{border-top:2px solid var(--ink);padding-top:.4rem;min-width:0}
.so .big{font-size:1.75rem;line-height:1.15;white-space:nowrap}
.so .few{color:var(--muted)}
.so .bar{height:.5rem;background:var(--rule);margin:.3rem 0}
.so .bar i{display:block;height:100%;background:var(--data)}
.so .strip{background:var(--stalebg);color:var(--stale);border-left:4px solid var(--stale);padding:.5rem .75rem;
  font-size:.875rem;margin:.5rem 0}
.so .scroll{overflow-x:auto}
.so table{border-collapse:collapse;width:100%;font-size:.9rem}
.so caption{text-align:left;color:var(--muted);font-size:.8125rem}
.so th{text-align:left;color:var(--muted);font-size:.8125rem;font-weight:600}
.so td,.so th{padding:.34rem .6rem .34rem 0;border-bottom:1px solid var(--rule)}
.so tbody th{color:var(--ink);font-size:.9rem;font-weight:500}
.so .r{text-align:right;white-space:nowrap}
.so a{color:var(--link);text-decoration:underline}
</style>"""


def head(scope: Scope) -> str:
    practice = " (the practice company, invented)" if scope.is_practice else ""
    return wrapped(
        f"{STYLE}<h1>Sales, {escape(scope.name_of('this_quarter'))}</h1>"
        f'<p class="sub">{escape(scope.company)}{practice}, state as of {scope.day:%a} {day_text(scope.day)};'
        f" publication {escape(scope.publication_id)}</p>",
        "About this page",
    )


def nothing_published(path: str) -> str:
    return wrapped(
        f"{STYLE}<h1>Nothing is published yet</h1><p>There is no file {escape(path)}. Run"
        " <code>salesops nightly</code>, then load this page again.</p>",
        "About this page",
    )


def unreadable(reason: str) -> str:
    return wrapped(
        f"{STYLE}<h1>The published file cannot be read</h1><p>{escape(reason)}</p>"
        "<p>Run <code>salesops nightly</code>, or <code>salesops publish --rollback</code>,"
        " then load this page again.</p>",
        "About this page",
    )


def status(stale: Sequence[tuple[str, str, str | None, Any]]) -> str:
    if not stale:
        return ""
    lines = "".join(
        f"<li>{escape(source)} {escape(name)}: {escape(reason or '')}{_since(since)}</li>"
        for source, name, reason, since in stale
    )
    text = f'<div class="strip" role="status">Not fresh; what rests on it is as old:<ul>{lines}</ul></div>'
    return wrapped(text, "Data status")


def tile(measure: Measure, scope: Scope, chosen: Filter, button: str) -> str:
    """One tile; `button` opens its deals, and is HTML already."""
    big, lines = _WORDS[measure.tile](measure, scope, chosen)
    period = "as of this day, whatever the period" if measure.tile == "pipeline_open" else scope.name_of(chosen.period)
    origin = f"{measure.origin}" if measure.origin else "counted from the records: no mart has this combination"
    texts = "".join(f"<p>{line}</p>" for line in lines)
    return (
        f'<section class="tile" data-tile="{measure.tile}"><h2>{TITLES[measure.tile]}</h2>{big}{texts}'
        f'<p class="sub">{escape(period)}; {escape(origin)}</p>{button}</section>'
    )


def tiles(parts: Sequence[str]) -> str:
    return wrapped('<div class="so-tiles">' + "".join(parts) + "</div>", "Figures")


def drill(tile: str, records: Sequence[Record], scope: Scope, chosen: Filter) -> str:
    """The records behind a tile."""
    period = f"as of {day_text(scope.day)}" if tile == "pipeline_open" else f"{PERIODS[chosen.period]}".lower()
    title = f"{TITLES[tile]}, {period}: {plural(len(records), BUTTONS[tile][:-1])}"
    if not records:
        return wrapped(f'<h2 id="drill">{escape(title)}</h2><p>Nothing in this filter.</p>', "Records")
    has_day, has_days = tile in _DAY, tile == "cycle"
    heads = ["Deal" if tile != "response" else "Lead", f"Amount, {escape(scope.currency)}", "Stage", "Seller", "State"]
    heads += ([_DAY[tile]] if has_day else []) + (["Days"] if has_days else [])
    numeric = {1, *({len(heads) - 1} if has_days else ())}
    head = "".join(f'<th scope="col"{_right(i in numeric)}>{name}</th>' for i, name in enumerate(heads))
    body = []
    for record in records[:MOST_ROWS]:
        cells = [_amount(record.amount), *(escape(text or "unknown") for text in (record.stage, record.owner))]
        cells.append(escape(record.outcome.replace("_", " ")))
        cells += [record.day.isoformat() if record.day else "no date"] if has_day else []
        cells += ["not known" if record.days is None else str(record.days)] if has_days else []
        row = "".join(f"<td{_right(i + 1 in numeric)}>{cell}</td>" for i, cell in enumerate(cells))
        body.append(f'<tr><th scope="row">{_link(record)}</th>{row}</tr>')
    more = f"<p>The first {MOST_ROWS} of {len(records)}; narrow the filter.</p>" if len(records) > MOST_ROWS else ""
    return wrapped(
        f'<h2 id="drill">{escape(title)}</h2>'
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(title)}">'
        f'<table data-drill="{tile}"><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table></div>{more}',
        "Records",
    )


def money(value: Decimal, currency: str) -> str:
    size = abs(value)
    for limit, unit in ((Decimal(1_000_000), "m"), (Decimal(1_000), "k")):
        if size >= limit:
            shown = _rounded(size / limit, "0.1" if unit == "m" else "1")
            return f"{currency}{_NBSP}{_MINUS if value < 0 else ''}{shown}{unit}"
    return f"{currency}{_NBSP}{_MINUS if value < 0 else ''}{_rounded(size, '1')}"


def percent(share: float) -> str:
    return f"{_rounded(Decimal(repr(share)) * 100, '0.1')}%"


def plural(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def day_text(day: date) -> str:
    return f"{day.day} {day:%b %Y}"


def _hit_rate(measure: Measure, scope: Scope, chosen: Filter) -> tuple[str, list[str]]:
    if not measure.decided:
        return _big("not defined", few=True), ["0 decided"]
    assert measure.low is not None and measure.high is not None and measure.rate is not None
    low, high = (percent(end)[:-1] for end in (measure.low, measure.high))
    lines = [f"{measure.good} of {measure.decided} decided", f"95% range {low}–{high}%"]
    return _big("too few" if measure.is_few else percent(measure.rate), measure.is_few), lines


def _bookings(measure: Measure, scope: Scope, chosen: Filter) -> tuple[str, list[str]]:
    assert measure.value is not None
    lines = [plural(measure.count, "won deal") + _missing(measure)]
    if measure.target is None:
        reason = "targets are set for teams and sellers, by quarter" if chosen.chosen or chosen.period == "all" else ""
        lines.append("no target" + (f" here: {reason}" if reason else " set"))
    else:
        lines.append(
            f"target {money(measure.target, scope.currency)}" + (", met" if measure.value >= measure.target else "")
        )
        if measure.attainment is not None:
            width = min(max(measure.attainment, 0), 1) * 100
            lines.append(f"{percent(measure.attainment)} of target")
            lines.append(
                f'<span class="bar" aria-hidden="true" style="display:block"><i style="width:{width:.1f}%"></i></span>'
            )
    return _big(money(measure.value, scope.currency)), lines


def _stock(measure: Measure, scope: Scope, chosen: Filter) -> tuple[str, list[str]]:
    assert measure.value is not None
    word = "open deal" if measure.tile == "pipeline_open" else "accepted deal"
    return _big(money(measure.value, scope.currency)), [plural(measure.count, word) + _missing(measure)]


def _cycle(measure: Measure, scope: Scope, chosen: Filter) -> tuple[str, list[str]]:
    lines = [f"median from acceptance, {plural(measure.count, 'won deal')}"]
    if not measure.count or (measure.median_days is None and not measure.is_few):
        return _big("not defined", few=True), lines
    if measure.is_few or measure.median_days is None:
        return _big("too few", few=True), lines
    days = f"{measure.median_days:.1f}".removesuffix(".0")
    return _big(f"{days}{_NBSP}{'day' if days == '1' else 'days'}"), lines


def _response(measure: Measure, scope: Scope, chosen: Filter) -> tuple[str, list[str]]:
    if not measure.decided:
        return _big("not defined", few=True), ["0 leads due"]
    assert measure.rate is not None
    lines = [f"{measure.good} of {plural(measure.decided, 'lead')} due"]
    return _big("too few" if measure.is_few else percent(measure.rate), measure.is_few), lines


_WORDS = {
    "hit_rate": _hit_rate,
    "bookings": _bookings,
    "pipeline_open": _stock,
    "pipeline_created": _stock,
    "cycle": _cycle,
    "response": _response,
}
assert FEW == 10  # "too few" is the word for it in every tile


def wrapped(html: str, label: str) -> str:
    """A part of the page that can be gone to by its name."""
    return f'<section class="so" aria-label="{escape(label)}">{html}</section>'


def _big(text: str, few: bool = False) -> str:
    return f'<div class="big{" few" if few else ""}">{escape(text)}</div>'


def _missing(measure: Measure) -> str:
    return f", {measure.missing_amounts} of them without an amount" if measure.missing_amounts else ""


def _since(since: Any) -> str:
    return f" (since {since:%Y-%m-%d %H:%M} UTC)" if since is not None else ""


def _amount(value: Decimal | None) -> str:
    return "missing" if value is None else f"{_rounded(value, '1'):,}".replace("-", _MINUS)


def _rounded(value: Decimal, step: str) -> Decimal:
    return value.quantize(Decimal(step), rounding=ROUND_HALF_UP)


def _right(is_number: bool) -> str:
    return ' class="r"' if is_number else ""


def _link(record: Record) -> str:
    name = escape(record.name)
    if record.url and urlsplit(record.url).scheme in ("http", "https"):
        return f'<a href="{escape(record.url)}" target="_blank" rel="noopener noreferrer">{name}</a>'
    return name
