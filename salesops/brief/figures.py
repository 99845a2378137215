"""The sections that show figures: tiles, forecast, pipeline, leaks, sellers, hygiene, data. No claim is made here."""

from __future__ import annotations

from typing import Any

from salesops.brief import charts
from salesops.brief.facts import Facts, Row
from salesops.brief.sections import Section, chip, period, rule, verdict_of
from salesops.brief.words import Words

IN = ("created", "pulled_in", "pushed_in", "reopened", "transferred_in", "restored")
VALUE = ("increased", "decreased", "fx")
OUT = ("won", "lost", "pushed_out", "pulled_out", "merged", "removed", "transferred_out")


def _float(value: Any) -> float | None:
    return None if value is None else float(value)


def tiles(f: Facts, w: Words) -> list[Section]:
    return [
        {"big": w.text("not_defined"), "lines": [], "chip": None, "picture": "", "sub": "", "is_stale": False} | tile
        for tile in (
            _bookings(f, w),
            _forecast(f, w),
            _pipeline(f, w),
            _win_rate(f, w),
            _created(f, w),
            _response(f, w),
        )
    ]


def _bookings(f: Facts, w: Words) -> Section:
    row, name = f.first("bookings"), period(f)
    tile: Section = {"title": w.text("tile.bookings", period=name), "query": "bookings"}
    if not row:
        return tile | {"sub": w.text("nothing_known")}
    tile["big"] = w.money(row["won_value"])
    sub = " ".join([f"{w.count(row['won_count'], 'deal')}.", *_usual_money(f, w, "bookings", with_week=True)])
    if row["target"] is None or row["attainment_rate"] is None:
        return tile | {"lines": [w.text("target.none")], "sub": sub}
    share = w.text("target.share", p=w.percent(row["attainment_rate"]), t=w.money(row["target"]))
    lines = [share]
    if row["won_value"] >= row["target"]:
        lines.append(w.text("target.met"))
    elif row["pace_gap"] is not None:
        quarters = w.count(row["past_period_count"], "quarter")
        lines.append(w.text("target.pace", d=w.points(row["pace_gap"]), quarters=quarters))
    picture = charts.bullet(float(row["won_value"]), float(row["target"]), f"{tile['big']}; {share}")
    return tile | {"lines": lines, "picture": picture, "sub": sub, "chip": _noise_chip(f, w, "bookings")}


def _usual_money(f: Facts, w: Words, metric: str, *, with_week: bool = False) -> list[str]:
    """The middle half of the weeks before, and what it is to be compared with."""
    row = next((row for row in f.rows("usual_money") if row["metric"] == metric), None)
    if row is None or row["money_low"] is None:
        return []
    usual = w.text(
        "created.usual", weeks=w.count(row["money_weeks"], "week"), r=w.moneys(row["money_low"], row["money_high"])
    )
    return [f"{w.text('bookings.week', v=w.money(row['money']))} {usual}" if with_week else usual]


def _noise_chip(f: Facts, w: Words, metric: str) -> Section | None:
    """What the week's verdict on the metric is, as the tile's sign; nothing beside the word where it is none."""
    row = verdict_of(f, metric)
    return chip(w, row.get("verdict"), is_gain=not row.get("is_worse", True))


def _forecast(f: Facts, w: Words) -> Section:
    row, name = f.first("forecast"), period(f)
    tile: Section = {"title": w.text("tile.forecast", period=name), "query": "forecast"}
    if row.get("predicted") is None:
        return tile | {"sub": w.label("note", row["note"]) if row.get("note") else w.text("nothing_known")}
    ranges = w.text(
        "forecast.ranges", r50=w.moneys(row["low_50"], row["high_50"]), r80=w.moneys(row["low_80"], row["high_80"])
    )
    bands = [(float(row[f"low_{n}"]), float(row[f"high_{n}"]), f"f{n}") for n in (80, 50)]
    big = w.money(row["predicted"])
    picture = charts.bullet(float(row["predicted"]), _float(row["target"]), f"{big}; {ranges}", bands)
    lines = [ranges] + ([w.text("target.none")] if row["target"] is None else [])
    sub = w.text("forecast.untested") if "untested" in (row["note"] or "") else w.text("forecast.key")
    return tile | {"big": big, "lines": lines, "picture": picture, "sub": sub}


def _pipeline(f: Facts, w: Words) -> Section:
    row, name = f.first("pipeline"), period(f)
    tile: Section = {"title": w.text("tile.pipeline", period=name), "query": "pipeline"}
    if not row or row["horizon_value"] is None:
        return tile | {"sub": w.text("nothing_known")}
    lines = [w.text("pipeline.all", deals=w.count(row["open_count"], "open_deal"), value=w.money(row["open_value"]))]
    if row["coverage_state"] == "met":
        lines.append(w.text("target.met"))
    elif row["coverage_ratio"] is not None:
        lines.append(w.text("pipeline.cover", x=w.number(row["coverage_ratio"], 1)))
    else:
        lines.append(w.text("target.none"))
    big = w.money(row["horizon_value"])
    path = [_float(past["horizon_value"]) for past in f.rows("pipeline_path")]
    picture = charts.spark(path, f"{tile['title']}: {big}")
    return tile | {"big": big, "lines": lines, "picture": picture, "sub": w.text("pipeline.path") if picture else ""}


def _path(f: Facts, metric: str, key: str = "value") -> tuple[list[float | None], tuple[float, float] | None]:
    """26 weeks of a headline, and the limits of its newest usual week."""
    rows = [row for row in f.rows("signal_path") if row["metric"] == metric]
    last = rows[-1] if rows else {}
    has_band = (
        key == "value" and last.get("usual_low") is not None and last.get("verdict") not in ("too_few", "too_early")
    )
    return [_float(row[key]) for row in rows], (last["usual_low"], last["usual_high"]) if has_band else None


def _win_rate(f: Facts, w: Words) -> Section:
    row, name = f.first("win_rate"), period(f)
    tile: Section = {"title": w.text("tile.win_rate", period=name), "query": "win_rate"}
    if not row or row["win_rate"] is None:
        return tile | {"lines": [w.text("win.none", n=w.number(row.get("decided_count") or 0))]}
    big = w.percent(row["win_rate"])
    interval = w.percents(row["win_rate_low"], row["win_rate_high"])
    lines = [w.text("win.of", x=w.of(row["won_count"], row["decided_count"]), r=interval)]
    path, band = _path(f, "win_rate")
    picture = charts.spark(path, f"{tile['title']}: {big}", band=band)
    sub = [w.text("win.value", p=w.percent(row["win_rate_by_value"]))] if row["win_rate_by_value"] is not None else []
    sub += [w.text("band" if band else "path26")] if picture else []
    return tile | {"big": big, "lines": lines, "picture": picture, "sub": " ".join(sub),
                   "chip": _noise_chip(f, w, "win_rate")}  # fmt: skip


def _created(f: Facts, w: Words) -> Section:
    row = f.first("created")
    tile: Section = {"title": w.text("tile.created"), "query": "created"}
    lines = _usual_money(f, w, "pipeline_created")
    path, _ = _path(f, "pipeline_created", "money")
    tile |= {"chip": _noise_chip(f, w, "pipeline_created")}
    if not row:
        return tile | {"big": w.money(0), "lines": lines, "sub": w.text("created.none")}
    big = w.money(row["created_value"])
    sub = ([w.text("created.provisional")] if row["is_provisional"] else []) + [w.text("path26")]
    picture = charts.spark(path, f"{tile['title']}: {big}")
    lines = [w.count(row["created_count"], "deal"), *lines]
    return tile | {"big": big, "lines": lines, "picture": picture, "sub": " ".join(sub)}


def _response(f: Facts, w: Words) -> Section:
    row = f.first("lead_response")
    tile: Section = {"title": w.text("tile.response"), "query": "lead_response"}
    if not row:
        return tile | {"sub": w.text("nothing_known")}
    big, is_stale = w.percent(row["known_value"]), row["verdict"] == "stale"
    path, band = _path(f, "response_within_sla")
    picture = charts.spark(path, f"{tile['title']}: {big}", band=None if is_stale else band, stale=is_stale)
    due = {"x": w.of(row["known_met_count"], row["known_counted"]), "day": w.day(row["known_week"])}
    sub = w.text("band" if band else "path26") if picture else ""
    if is_stale:
        sub = f"{w.text('stale.since', since=w.day(row['stale_since']))} {w.text('stale.no_trend')}"
    return tile | {
        "big": big,
        "lines": [w.text("stale.last" if is_stale else "response.of", **due)],
        "picture": picture,
        "sub": sub,
        "is_stale": is_stale,
        "chip": _noise_chip(f, w, "response_within_sla"),
    }


def forecast(f: Facts, w: Words) -> Section:
    now, name = f.first("forecast"), period(f)
    section: Section = {
        "title": w.text("forecast.head", period=name),
        "sub": "",
        "chart": "",
        "bridge": [],
        "parts": "",
        "misses": "",
    }
    if now.get("predicted") is None:
        note = w.label("note", now["note"]) if now.get("note") else w.text("nothing_known")
        return section | {"sub": w.text("forecast.none", note=note.rstrip(".")), "trust": [w.text("trust.none")]}
    unit = w.money_unit([now["high_80"]])
    section |= {"sub": w.text("forecast.sub", period=name, unit=unit), "chart": _fan(f, w), "trust": _trust(f, w)}
    section["misses"] = _misses(f, w)
    if now["change_open"] is not None and now["expected_before"] is not None:
        keys = ("expected_before", "change_won", "change_open", "change_new", "expected")
        among = [now[key] for key in keys]
        labels = [
            w.text("bridge.before", day=w.day(now["compared_date"])),
            *(w.text(f"bridge.{key}") for key in ("won", "open", "new")),
            w.text("bridge.after", day=w.day(now["as_of_date"])),
        ]
        section["bridge"] = [
            {
                "name": label,
                "value": w.money_bare(now[key], among, sign=key.startswith("change")),
                "is_total": key == "expected",
            }
            for key, label in zip(keys, labels, strict=True)
        ]
        section["caption"] = w.text("bridge.caption", unit=w.money_unit(among))
    if now["open_value"] is not None:
        amounts = {"won": "won_value", "open": "open_value", "new": "new_value"}
        section["parts"] = w.text("bridge.parts", **{key: w.money(now[column]) for key, column in amounts.items()})
    return section


def _fan(f: Facts, w: Words) -> str:
    now = f.first("forecast")
    path = [
        {"x": row["as_of_date"].toordinal()}
        | {
            k: float(row[c])
            for k, c in (("won", "won_value"), ("mid", "predicted"), ("low", "low_80"), ("high", "high_80"))
        }
        for row in f.rows("forecast_path")
        if row["predicted"] is not None
    ]
    if not path:
        return ""
    high, mid, low = (w.money(now[key]) for key in ("high_80", "predicted", "low_80"))
    texts = {"high": high, "mid": mid, "low": low, "won": w.text("chart.won", v=w.money(now["won_value"]))}
    texts |= {"begin": w.day(now["period_start"]), "end": w.day(now["period_end"])}
    target = None if now["target"] is None else (float(now["target"]), w.text("chart.target", v=w.money(now["target"])))
    label = w.text("forecast.aria", f=mid, r=w.moneys(now["low_80"], now["high_80"]), w=w.money(now["won_value"]))
    begin, end = now["period_start"].toordinal(), now["period_end"].toordinal()
    return charts.fan(path, begin, end, target, texts, label)


def _trust(f: Facts, w: Words) -> list[str]:
    row = f.first("forecast_accuracy")
    if not row or row["wape"] is None:
        return [w.text("trust.none")]
    lines = [
        w.text(
            "trust.text",
            wape=w.percent(row["wape"]),
            bias=w.percent(row["bias"], sign=True),
            days=w.count(row["origin_count"], "forecast_day"),
            quarters=w.count(row["period_count"], "quarter"),
            inside=w.percent(row["coverage_80"]),
        )
    ]
    if row["best_baseline_wape"] is not None:
        lines.append(w.text("trust.rule", p=w.percent(row["best_baseline_wape"])))
    return lines


def _misses(f: Facts, w: Words) -> str:
    values = [row["miss_rate"] for row in f.rows("forecast_misses")]
    if len(values) < 2:
        return ""
    low, high = (w.percent(v, sign=True) for v in (min(values), max(values)))
    return charts.misses(values, low, high, w.text("trust.aria", low=low, high=high))


def pipeline(f: Facts, w: Words) -> Section:
    row, name = f.first("pipeline_change"), period(f)
    section: Section = {"title": w.text("change.head", period=name), "rows": [], "empty": "", "bulk": ""}
    if not row:
        return section | {"sub": w.text("change.none")}
    moves = [key for key in (*IN, *VALUE, *OUT) if row[key]]
    empty = [w.label("change", key).lower() for key in (*IN, *VALUE, *OUT) if not row[key]]
    among = [row["opening"], row["closing"], *(row[key] for key in moves)]
    level, steps = float(row["opening"]), [float(row["opening"])]
    for key in moves:
        level += float(row[key])
        steps.append(level)
    low, high = min(steps), max(steps)
    margin = 0.06 * (high - low) or 1.0
    low, high = low - margin, high + margin
    groups = {key: i for i, keys in enumerate((IN, VALUE, OUT)) for key in keys}
    ends = [
        _change(
            w, w.day(row[day], weekday=True), row[key], among, (float(row[key]), float(row[key]), low, high), "total"
        )
        | {"count": w.number(row[f"{key}_count"])}
        for key, day in (("opening", "from_date"), ("closing", "to_date"))
    ]
    lines = ends[:1]
    for i, key in enumerate(moves):
        css = "ft" if key == "won" else "fd" if row[key] > 0 else "fl"
        bar = (steps[i], steps[i + 1], low, high)
        line = _change(w, w.label("change", key), row[key], among, bar, css) | {"count": w.number(row[f"{key}_count"])}
        line["is_first"] = i == 0 or groups[key] != groups[moves[i - 1]]
        lines.append(line)
    lines.append(ends[1] | {"is_first": True})
    totals = {"in": "came_in", "value": "revalued", "out": "left_it", "net": "net"}
    short = [row[column] for column in totals.values()]
    return section | {
        "sub": w.text("change.sub", period=name),
        "empty": w.text("change.empty", names=", ".join(empty)) if empty else "",
        "unit": w.money_unit(among),
        "rows": lines,
        "caption": w.text("short.caption", unit=w.money_unit(short)),
        "short": [
            {
                "name": w.text(f"short.{key}"),
                "value": w.money_bare(row[column], short, sign=True),
                "is_total": key == "net",
            }
            for key, column in totals.items()
        ],
        "rounded": w.text("rounded"),
        "bulk": _without_bulk(w, row),
    }


def _without_bulk(w: Words, row: Row) -> str:
    """The net change with and without the deals that were changed in one go."""
    if not row["bulk_count"]:
        return ""
    amounts = {"net": row["net"], "bulk": row["bulk_net_change"], "rest": row["net_change_without_bulk"]}
    said = {key: w.money(value, sign=True) for key, value in amounts.items()}
    return w.text("change.bulk", deals=w.count(row["bulk_count"], "deal"), **said)


def _change(w: Words, name: str, value: Any, among: Any, bar: tuple[float, float, float, float], css: str) -> Section:
    text = w.money_bare(value, among, sign=css != "total")
    picture = charts.change_bar(*bar, css)
    return {"name": name, "value": text, "bar": picture, "is_total": css == "total", "is_first": False}


def leaks(f: Facts, w: Words) -> Section:
    rows, count = f.rows("leaks"), f.first("leak_count")
    section: Section = {"title": w.text("leaks.head"), "rows": [], "deals": [], "sub": ""}
    if not rows:
        judged = count.get("judged_count") or 0
        none = w.text("leaks.none", n=w.count(judged, "stage")) if judged else w.text("leaks.early")
        return section | {"sub": none}
    values = [(row["leak_value"] or 0) + (row["time_leak_value"] or 0) for row in rows]
    costs = [v for row in rows for v in (row["leak_value"], row["leak_value_low"], row["leak_value_high"])]
    section["rows"] = [_leak(w, row, costs) for row, value in zip(rows, values, strict=True) if value > 0]
    deals = f.rows("leak_deals")
    amounts = [deal["amount_base"] for deal in deals]
    section["deals"] = [
        {
            "name": deal["name"],
            "url": safe_url(deal["url"]),
            "value": w.money_bare(deal["amount_base"], amounts),
            "day": w.day(deal["lost_date"], year=True),
            "reason": w.label("loss", deal["loss_reason_group"]),
        }
        for deal in deals
    ]
    return section | {
        "sub": w.text("leaks.sub", from_=w.day(rows[0]["from_date"]), to=w.day(rows[0]["to_date"], year=True)),
        "unit": w.text("leaks.value", unit=w.money_unit(costs)),
        "deal_unit": w.money_unit(amounts),
    }


def _leak(w: Words, row: Row, costs: list[Any]) -> Section:
    where = w.label("stage", row["stage"])
    who = "" if row["dimension"] == "company" else f", {w.label('dimension', row['dimension'])} {row['member']}"
    has_range = row["leak_value_low"] is not None and row["leak_value_high"] is not None
    bounds = [w.money_bare(row[key], costs) for key in ("leak_value_low", "leak_value_high")] if has_range else []
    return {
        "name": f"{row['pipeline']}: {where}{who}",
        "moved": f"{row['advanced_count']}/{row['exited_count']}",
        "usual": "" if row["usual_rate"] is None else w.percent(row["usual_rate"]),
        "interval": "" if row["shrunk_low"] is None else w.percents(row["shrunk_low"], row["shrunk_high"]),
        "value": w.money_bare(row["leak_value"], costs),
        "range": "–".join(bounds),
    }


def sellers(f: Facts, w: Words) -> Section:
    rows = f.rows("sellers")
    section: Section = {
        "title": w.text("sellers.head"),
        "rows": [],
        "shine": [],
        "coach": [],
        "note": "",
        "sub": w.text("sellers.sub"),
    }
    if not rows:
        return section | {"sub": w.text("sellers.none")}
    top = max(max(row["shrunk_high"] or 0, row["expected_rate"] or 0) for row in rows) * 1.05
    for row in rows:
        few = row["standing"] == "too_few"
        if row["shrunk_low"] is None:
            bar, bounds = "", ""
        else:
            dot = None if few else row["shrunk_rate"]
            bar = charts.interval(
                row["shrunk_low"], row["shrunk_high"], dot, row["expected_rate"], top, row["standing"]
            )
            bounds = w.percents(row["shrunk_low"], row["shrunk_high"])
        index = w.text("missing") if row["index_oe"] is None else w.number(row["index_oe"], 2)
        stands_out = row["standing"] in ("above", "below")
        section["rows"].append({
            "name": row["owner"] or w.text("missing"),
            "team": row["team"] or w.text("missing"),
            "bar": bar,
            "of": f"{row['success_count']}/{row['decided_count']}",
            "bounds": bounds,
            "expected": "" if row["expected_rate"] is None else w.percent(row["expected_rate"]),
            "index": w.text("too_few") if few else index,
            "mark": charts.mark("confirmed", is_gain=row["standing"] == "above") if stands_out else "",
            "says": w.text(f"seller.{row['standing']}") if stands_out else "",
        })  # fmt: skip
    if any(row["standing"] == "too_few" for row in rows):
        section["note"] = w.text("few_note")
    if len(rows) == 1:
        section["note"] = w.text("sellers.one")
    for key, query in (("shine", "strengths"), ("coach", "coaching")):
        found = f.rows(query)
        section[key] = [_coach(w, row) for row in found]
        if found and found[0]["all_count"] > len(found):
            section[key].append(w.text("watch.more", n=w.number(found[0]["all_count"])))
    return section


def _coach(w: Words, row: Row) -> str:
    what = w.text("coach.win") if row["measure"] == "win" else f"{row['pipeline']}: {w.label('stage', row['stage'])}"
    if row["segment"] != "all":
        what += f", {w.label('dimension', 'segment')} {row['segment']}"
    said = w.text(
        "coach.is",
        owner=row["owner"] or w.text("missing"),
        what=what,
        of=f"{row['success_count']}/{row['decided_count']}",
        r=w.percents(row["shrunk_low"], row["shrunk_high"]),
        expected=w.percent(row["expected_rate"]),
    )
    if "teacher" not in row:
        return said
    if row["teacher"] is None:
        return f"{said} {w.text('coach.alone')}"
    return f"{said} {w.text('coach.pair', teacher=row['teacher'], rate=w.percent(row['teacher_shrunk_rate']))}"


def hygiene(f: Facts, w: Words) -> Section:
    rows = f.rows("hygiene")
    total = next((row for row in rows if row["is_total"]), None)
    deals = f.rows("worklist")
    if total is None or not total["deal_count"]:
        opened = f.first("pipeline").get("open_count") or 0
        return {"title": w.text("hygiene.none", deals=w.count(opened, "open_deal")), "rows": [], "work": [], "sub": ""}
    amounts = [row["value"] for row in rows]
    key = "hygiene.head" if total["value"] is None else "hygiene.head_value"
    value = "" if total["value"] is None else w.money(total["value"])
    stakes = [deal["value_at_stake"] for deal in deals]
    return {
        "title": w.text(key, deals=w.count(total["deal_count"], "deal"), value=value),
        "sub": w.text("hygiene.sub"),
        "unit": w.money_unit(amounts),
        "rows": [
            {
                "name": w.text("total") if row["is_total"] else row["owner"] or w.text("missing"),
                "is_total": row["is_total"],
                "cells": [
                    w.number(row["deal_count"]),
                    w.money_bare(row["value"], amounts),
                    *(w.number(row[key]) for key in ("step_count", "date_count", "field_count")),
                ],
            }
            for row in rows
        ],
        "work_unit": w.money_unit(stakes),
        "work": [
            {
                "name": deal["name"] or w.text("missing"),
                "url": safe_url(deal["record_url"]),
                "value": w.money_bare(deal["value_at_stake"], stakes),
                "owner": deal["owner"] or w.text("missing"),
                "todo": rule(w, deal),
                "since": "" if deal["broken_since"] is None else w.day(deal["broken_since"], year=True),
            }
            for deal in deals
        ],
    }


def safe_url(url: str | None) -> str:
    """An address that a click may open; a CRM's field could hold a script."""
    return url if url and url.startswith(("https://", "http://")) else ""


def data(f: Facts, w: Words) -> Section:
    rows, built = f.rows("data_status"), f.first("publication")["built_at"]
    notes = []
    locked = f.first("locked")
    if locked:
        notes.append(w.text(
            "locked.text",
            period=locked["fiscal_quarter"].rsplit("-", 1)[-1],
            locked=w.money(locked["locked_value"]),
            now=w.money(locked["won_value"]),
            d=w.money(locked["restatement_value"], sign=True),
        ))  # fmt: skip
    if f.first("pipeline").get("missing_amount_count"):
        notes.append(w.text("no_amount.text", deals=w.count(f.first("pipeline")["missing_amount_count"], "open_deal")))
    return {
        "title": w.text("data.head"),
        "sub": w.text("data.sub", at=w.stamp(built)) if rows else w.text("data.none"),
        "rows": [
            {
                "name": w.label("source", row["source"]),
                "event": "" if row["newest_event"] is None else w.stamp(row["newest_event"]),
                "extract": "" if row["newest_extract"] is None else w.stamp(row["newest_extract"]),
                "state": w.text("stale", n=row["stale_count"], all=row["object_count"])
                if row["stale_count"]
                else w.text("fresh"),
                "mark": charts.mark("stale") if row["stale_count"] else "",
            }
            for row in rows
        ],
        "notes": notes,
    }
