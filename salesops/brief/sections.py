"""The sections that claim something: sentences are chosen by verdicts, never by the sign of a difference."""

from __future__ import annotations

from typing import Any

from salesops.brief import charts
from salesops.brief.facts import Facts, Row
from salesops.brief.labels import LABELS
from salesops.brief.words import Words

Section = dict[str, Any]
MONEY, SHARES = ("bookings", "pipeline_created"), ("win_rate", "response_within_sla", "lead_to_sao")
MOST = 3  # things that changed, and things to do


def period(facts: Facts) -> str:
    """`Q4` of `FY2026-Q4`."""
    return str(facts.first("quarter").get("fiscal_quarter") or "").rsplit("-", 1)[-1] or "?"


def headline(f: Facts, w: Words) -> Section:
    now, name = f.first("forecast"), period(f)
    value, target = now.get("predicted"), now.get("target")
    if _all_stale(f):
        return {"title": w.text("head.stale"), "lead": [_stale_line(f, w, row) for row in _by_source(f)]}
    if value is None:
        lead = [w.text("lead.none", note=w.label("note", now["note"]))] if now.get("note") else []
        return {"title": w.text("head.none", period=name), "lead": lead}
    if target is None:
        title = w.text("head.no_target", period=name, f=w.money(value))
    else:
        title = w.text("head.target", period=name, f=w.money(value), t=w.money(target))
    lead = [w.text("lead.range", r=w.moneys(now["low_80"], now["high_80"])), _chance(now, w), _since_last_week(f, w)]
    if now["note"]:
        lead.append(w.label("note", now["note"])[:1].upper() + w.label("note", now["note"])[1:] + ".")
    return {"title": title, "lead": lead}


def _chance(now: Row, w: Words) -> str:
    share = now["chance_of_target"]
    if now["target"] is None or share is None:
        return w.text("lead.no_target")
    word = w.chance(share)
    if share < 0.1:
        return w.text("lead.under", word=word)
    if share < 0.4:
        return w.text("lead.low_chance", word=word, n=now["one_in"])
    if 0.6 <= share < 0.9:
        return w.text("lead.high_chance", word=word, n=now["missed_one_in"])
    return w.text("lead.chance", word=word)


def _since_last_week(f: Facts, w: Words) -> str:
    now = f.first("forecast")
    if now["compared_date"] is None or now["change_expected"] is None:
        return w.text("lead.first", day=w.day(f.first("quarter")["next_monday"]))
    day = w.day(now["compared_date"], weekday=True)
    if now["change_expected"] == 0:
        return w.text("lead.same", day=day)
    return w.text("lead.change", d=w.money(now["change_expected"], sign=True), day=day)


def changed(f: Facts, w: Words) -> list[Section]:
    """At most three: confirmed, then what to check first, then the widest swing that is noise."""
    rows = f.rows("signals")
    if not rows:
        return [_whole(w, {"text": w.text("changed.no_series")})]
    claims = [_confirmed(f, w, row) for row in rows if row["verdict"] == "confirmed"]
    are_confirmed = len(claims)
    claims += [_check_first(w, row) for row in rows if row["verdict"] == "check_first"]
    claims += [bulk(w, row) for row in f.rows("bulk_edits")[:1]]
    rest = _not_claimed(w, rows)
    if not claims and any(row["verdict"] == "within_noise" for row in rows):
        claims = [{"text": w.text("changed.none", series=w.count(rows[0]["series_count"], "series"))}]
    kept = claims[: MOST - 1] if rest and are_confirmed < MOST else claims[:MOST]
    return [_whole(w, item) for item in [*kept, *rest][:MOST]]


def _check_first(w: Words, row: Row) -> Section:
    title = _metric_text(w, "changed.check" if row["since_week"] else "changed.check_now", row)
    return {"verdict": "check_first", "bold": title + ".", "text": _reason(w, row["reason"])}


def _not_claimed(w: Words, rows: list[Row]) -> list[Section]:
    """The widest swing that is noise, as the reader saw it too; then what nothing can be said of."""
    items = []
    noise = [row for row in rows if row["verdict"] == "within_noise" and row["value"] is not None]
    noise.sort(key=lambda row: (-(row["distance"] or 0), row["metric"]))
    for row in noise[:1]:
        metric, value = w.label("metric", row["metric"]), _week_value(w, row)
        text = w.text("changed.noise", metric=metric, value=value, n=w.number(row["counted"]))
        if row["detectable_value"] is not None:
            text += " " + w.text("changed.power", seen=w.percent(row["detectable_value"]))
        items.append({"verdict": "within_noise", "text": text})
    few = [w.label("metric", row["metric"]).lower() for row in rows if row["verdict"] == "too_few"]
    early = [row["reason"].split(" ")[0] for row in rows if row["verdict"] == "too_early"]
    if few:
        items.append({"text": w.text("changed.few", metrics=", ".join(few))})
    elif early:
        items.append({"text": w.text("changed.early", n=max(early, key=int))})
    return items


def _whole(w: Words, item: Section) -> Section:
    sign = chip(w, item.get("verdict"), is_gain=item.get("is_gain", False))
    return {"chip": sign, "bold": "", "link": "", "link_text": ""} | item


def _metric_text(w: Words, key: str, row: Row) -> str:
    return w.text(key, metric=w.label("metric", row["metric"]), week=w.week(row["since_week"] or row["week_start"]))


def _confirmed(f: Facts, w: Words, row: Row) -> Section:
    title = _metric_text(w, "changed.worse" if row["is_worse"] else "changed.better", row)
    sentences = []
    whole = next((s for s in _splits(f, row["metric"]) if s["dimension"] == "company"), None)
    if whole and row["metric"] in SHARES:
        before, since = (w.percent(whole[key]) for key in ("value_before", "value_since"))
        sentences.append(w.text("changed.rates", since=since, before=before, n=w.number(whole["counted_since"])))
    sentences.append(sits(f, w, row["metric"]))
    return {
        "verdict": "confirmed",
        "is_gain": not row["is_worse"],
        "bold": title + ".",
        "text": " ".join(sentences),
        "link": "#signals",
        "link_text": w.text("why"),
    }


def _splits(f: Facts, metric: str) -> list[Row]:
    return [row for row in f.rows("signal_splits") if row["metric"] == metric]


def sits(f: Facts, w: Words, metric: str) -> str:
    """Where a confirmed shift sits: the first named cause. Never what it is due to."""
    cause = next((row for row in f.rows("signal_causes") if row["metric"] == metric), None)
    if cause is None:
        return w.text("sits.unknown")
    kind = cause["kind"] if cause["kind"] in ("mix", "everywhere", "stage", "size", "volume") else "rate"
    return w.text(
        f"sits.{kind}", dimension=w.label("dimension", cause["dimension"]), member=w.label("member", cause["member"])
    )


def bulk(w: Words, row: Row) -> Section:
    text = w.text(
        "changed.bulk",
        deals=w.count(row["deal_count"], "deal"),
        who=w.label("member", row["changed_by"]),
        day=w.day(row["changed_date"], weekday=True),
        first=w.clock(row["first_at"]),
        last=w.clock(row["last_at"]),
    )
    return {"verdict": "check_first", "text": text, "link": "#pipeline", "link_text": w.text("list")}


def _reason(w: Words, reason: str | None) -> str:
    """The engine's reason in the page's language; its own words where the table has none."""
    text = reason or ""
    for key in ("bulk edit", "silent", "season", "stage"):
        if key in text:
            found = w.label("reason", key)
            return found[:1].upper() + found[1:] + "."
    return text


def _week_value(w: Words, row: Row) -> str:
    if row["metric"] in MONEY:
        return w.money(row["money"])
    if row["metric"] in SHARES:
        return w.percent(row["value"])
    return f"{w.number(row['value'], 1)} {w.count(2, 'day').split()[-1]}"


def todo(f: Facts, w: Words) -> list[Section]:
    """At most three, each with a list."""
    items = []
    leak = next((row for row in f.rows("leaks") if row["dimension"] == "company" and row["lost_count"]), None)
    if leak and f.rows("leak_deals"):
        deals = w.count(leak["lost_count"], "deal")
        text = w.text("todo.leak", deals=deals, stage=w.label("stage", leak["stage"]), day=w.day(leak["from_date"]))
        items.append({"text": text, "link": "#leaks"})
    for row in f.rows("bulk_edits")[:1]:
        deals = w.count(row["deal_count"], "deal")
        items.append({"text": w.text("todo.bulk", deals=deals, day=w.day(row["changed_date"])), "link": "#pipeline"})
    for row in f.rows("hygiene_rules"):
        what, deals = rule(w, row), w.count(row["deal_count"], "deal")
        key = "todo.rule_bare" if row["value"] is None else "todo.rule"
        value = "" if row["value"] is None else w.money(row["value"])
        items.append({"text": w.text(key, what=what, deals=deals, value=value), "link": "#hygiene"})
    return items[:MOST]


def rule(w: Words, row: Row) -> str:
    """What to do about a rule: from the table; the house's own words where it changed the rule's or wrote its own."""
    known = LABELS["rule"].get(row["rule_id"])
    is_ours = known is not None and known[0] == row["what_to_do"]
    return w.label("rule", row["rule_id"]) if is_ours else str(row["what_to_do"])


def _by_source(f: Facts) -> list[Row]:
    """The stale objects of each source as one row: since the earliest of them."""
    found: dict[str, Row] = {}
    for row in f.rows("stale"):
        kept = found.setdefault(row["source"], dict(row))
        if row["since"] is not None and (kept["since"] is None or row["since"] < kept["since"]):
            kept["since"] = row["since"]
    return list(found.values())


def _all_stale(f: Facts) -> bool:
    rows = f.rows("data_status")
    return bool(rows) and all(row["stale_count"] == row["object_count"] for row in rows)


def _stale_line(f: Facts, w: Words, row: Row) -> str:
    source = w.label("source", row["source"])
    if row["since"] is None:
        return w.text("stale.never", source=source)
    return w.text("stale.one", source=source, since=w.stamp(row["since"]))


def stale(f: Facts, w: Words) -> str:
    """The strip; "" when all is fresh, or when it is the headline already."""
    rows = _by_source(f)
    if not rows or _all_stale(f):
        return ""
    return " ".join([*(_stale_line(f, w, row) for row in rows), w.text("stale.rest")])


def verdict_of(f: Facts, metric: str) -> Row:
    return next((row for row in f.rows("signals") if row["metric"] == metric), {})


def chip(w: Words, verdict: str | None, *, is_gain: bool = False) -> Section | None:
    """The sign and the word of a verdict."""
    if not verdict:
        return None
    css = {"confirmed": "up" if is_gain else "lo", "check_first": "lo", "stale": "st"}.get(verdict, "mu")
    return {"css": css, "mark": charts.mark(verdict, is_gain=is_gain), "text": w.label("verdict", verdict)}


def signals(f: Facts, w: Words) -> Section:
    """Each confirmed headline with its weeks, where it sits and the exact split; then what was left alone."""
    rows = f.rows("signals")
    confirmed = [row for row in rows if row["verdict"] == "confirmed"]
    watched = [_watched(w, row) for row in f.rows("watched")]
    count = f.first("watched").get("watch_count", 0)
    return {
        "title": w.text("signals.head" if confirmed else "signals.head_none"),
        "confirmed": [_shift(f, w, row) for row in confirmed],
        "alone": w.text("alone.text", series=w.count(rows[0]["series_count"], "series")) if rows else "",
        "checks": [_check_first(w, row) for row in rows if row["verdict"] == "check_first"],
        "watched": watched,
        "more": w.text("watch.more", n=w.number(count)) if count > len(watched) else "",
    }


def _watched(w: Words, row: Row) -> str:
    names = [w.label("metric", row["metric"])]
    names += [] if row["part"] == "all" else [row["part"]]
    names += [] if row["dimension"] == "company" else [w.label("member", row["member"])]
    if row["metric"] in MONEY or row["value"] is None or not 0 <= row["value"] <= 1 or row["usual"] is None:
        return ", ".join(names)
    return f"{', '.join(names)}: {w.percent(row['value'])} ({w.percent(row['usual'])})"


def _shift(f: Facts, w: Words, row: Row) -> Section:
    metric = row["metric"]
    key = "money" if metric in MONEY else "value"
    path = [p for p in f.rows("signal_path") if p["metric"] == metric]
    weeks = [
        {
            "value": None if p[key] is None else float(p[key]),
            "usual": None if metric in MONEY else p["usual"],
            "low": None if metric in MONEY else p["usual_low"],
            "high": None if metric in MONEY else p["usual_high"],
        }
        for p in path
    ]
    since = next((i for i, p in enumerate(path) if p["week_start"] >= row["since_week"]), len(path))
    parts, company = [], next((s for s in _splits(f, metric) if s["dimension"] == "company"), None)
    texts = {"before": "", "since": "", "first": w.week(path[0]["week_start"]), "last": w.week(path[-1]["week_start"])}
    caption = w.text("split.logs")
    if company and metric not in MONEY:
        parts = [s for s in _splits(f, metric) if s["dimension"] != "company"] + [company]
    if company and metric in SHARES:
        texts |= {"before": w.percent(company["value_before"]), "since": w.percent(company["value_since"])}
        caption = w.text("split.caption", before=texts["before"], since=texts["since"])
    label = w.text("signals.aria", metric=w.label("metric", metric), weeks=w.count(len(path), "week"))
    facts = {"week": w.week(row["since_week"]), "weeks": w.count(row["since_weeks"], "week")}
    return {
        "title": _metric_text(w, "changed.worse" if row["is_worse"] else "changed.better", row),
        "chip": chip(w, "confirmed", is_gain=not row["is_worse"]),
        "chart": charts.shift(weeks, since, texts, label),
        "sits": sits(f, w, metric),
        "text": w.text("signals.lasting", series=w.count(row["series_count"], "series"), **facts),
        "factors": _factors(f, w, metric),
        "caption": caption if parts else "",
        "parts": [
            {
                "name": w.text("total") if p is company else w.label("member", p["member"]),
                "is_total": p is company,
                "cells": [w.points_bare(p[k]) for k in ("mix_effect", "rate_effect", "effect")],
            }
            for p in parts
        ],
    }


def _factors(f: Facts, w: Words, metric: str) -> Section | None:
    """S7: how many, which share of them won, how large; their effects sum to the change per usual week."""
    rows = [row for row in f.rows("signal_factors") if row["metric"] == metric]
    if not rows:
        return None
    effects = [row["effect"] for row in rows]

    def shown(kind: str, value: float) -> str:
        if kind == "win_rate":
            return w.percent(value)
        return w.money(value) if kind == "size" else w.number(value, 1)

    return {
        "caption": w.text("split.factors"),
        "unit": w.text("split.effect", unit=w.money_unit(effects)),
        "rows": [
            {
                "name": w.text(f"factor.{row['kind']}"),
                "cells": [
                    shown(row["kind"], row["value_before"]),
                    shown(row["kind"], row["value_since"]),
                    w.money_bare(row["effect"], effects, sign=True),
                ],
            }
            for row in rows
        ],
    }
