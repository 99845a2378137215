"""A company with one thing planted in a known week, as rows of the pipeline layer: what early trends are proven on.

About 50 decided deals and 100 leads a week, three teams of four sellers; the same kind and seed give the same rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import numpy as np

AS_OF = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
LAST = date(2026, 11, 23)  # first day of the week after the last whole one
TABLES = (
    *("deals", "leads", "deal_stage_visits", "deal_changes", "deal_versions", "activities", "contracts", "owners"),
    *("company_versions", "stages"),
)
WEEKS, SHIFT = (
    156,
    120,
)  # of history, and the week in which a cause begins; two years before it, so that a season is known
STAGES = ("Qualified", "Demo", "Proposal", "Negotiation")
SELLERS, TEAMS = 12, ("North", "South", "East")
SEGMENTS, SEGMENT_SHARE = ("SMB", "MID", "ENT"), (0.5, 0.3, 0.2)
SOURCES, SOURCE_SHARE = ("web", "referral", "outbound", "event", "partner"), (0.35, 0.25, 0.2, 0.1, 0.1)
INDUSTRIES, COUNTRIES, PRODUCTS = ("retail", "health", "it", "media", "food"), ("SE", "FI"), ("core", "plus", "pro")


@dataclass(frozen=True)
class Kind:
    """What is planted, and what the product should say of it: (metric, kind, dimension, member), any of them."""

    expected: tuple[tuple[str, str, str, str], ...] = ()
    is_stable: bool = False  # no alarm is right
    metric: str = ""


KINDS = {
    "noise": Kind(is_stable=True),
    "season": Kind(is_stable=True),
    "clean_up": Kind(is_stable=True),
    "stage_renamed": Kind(is_stable=True),
    "sync_stopped": Kind(is_stable=True),
    "halved": Kind((("win_rate", "stage", "stage", "default > Negotiation"),), metric="win_rate"),
    "third_less": Kind((("win_rate", "stage", "stage", "default > Negotiation"),), metric="win_rate"),
    "everywhere": Kind((("win_rate", "everywhere", "company", "all"),), metric="win_rate"),
    "leak": Kind((("win_rate", "stage", "stage", "default > Proposal"),), metric="win_rate"),
    "source_decays": Kind((("lead_to_sao", "rate", "source", "web"),), metric="lead_to_sao"),
    "slow_team": Kind((("response_within_sla", "rate", "team", "South"),), metric="response_within_sla"),
    "mix": Kind((("win_rate", "mix", "segment", "all"),), metric="win_rate"),
    "price_cut": Kind((("bookings", "size", "company", "all"),), metric="bookings"),
    "team_creates_less": Kind((("pipeline_created", "volume", "team", "South"),), metric="pipeline_created"),
    "oversell": Kind((("churn", "watch", "owner", "o4"),), metric="churn"),
    "two": Kind(
        (("lead_to_sao", "rate", "source", "web"), ("response_within_sla", "rate", "team", "South")),
        metric="lead_to_sao",
    ),
}


class World:
    """A company with one thing planted: columns of its tables, by table."""

    def __init__(self, kind: str, seed: int):
        # by kind too: one company's luck would otherwise be counted once for each kind
        self.rng, self.kind = np.random.default_rng([seed, *kind.encode()]), kind
        self.first = LAST - timedelta(weeks=WEEKS)
        self.tables: dict[str, dict[str, list[Any]]] = {}

    def write(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._leads_and_deals()
        for table, columns in self.tables.items():
            kinds = dict(
                connection.execute(
                    "select column_name, data_type from duckdb_columns()"
                    " where database_name = 'marts' and table_name = ?",
                    [table],
                ).fetchall()
            )
            listed = ", ".join(f"cast({name} as {kinds[name]})" for name in columns)
            connection.register("planted", {name: _objects(column) for name, column in columns.items()})
            named = ", ".join(columns)
            connection.execute(f"insert into marts.pipeline.{table} ({named}) select {listed} from planted")
            connection.unregister("planted")

    def _season(self, day: np.ndarray) -> np.ndarray:
        if self.kind != "season":
            return np.ones(len(day))
        months = np.array([(self.first + timedelta(days=int(d))).month for d in day])
        return np.select([months == 7, months == 12, np.isin(months, (3, 6, 9))], [0.45, 0.7, 1.2], 1.0)

    def _days(self, a_week: float) -> np.ndarray:
        """Days (from the first Monday) of so many things a week, on working days, with the season."""
        days = np.repeat(np.arange(WEEKS * 7), self.rng.poisson(a_week / 5, WEEKS * 7))
        days = days[days % 7 < 5]
        return days[self.rng.random(len(days)) < self._season(days) / 1.2] if self.kind == "season" else days

    def _leads_and_deals(self) -> None:
        rng, kind = self.rng, self.kind
        shift = SHIFT * 7
        lead_day = self._days(100)
        leads = self._traits(len(lead_day), lead_day, self.kind)
        since = lead_day >= shift
        rate = np.full(len(lead_day), 0.3) * np.where(leads["source"] == 2, 0.7, 1.0)
        if kind in ("source_decays", "two"):
            rate = np.where(since & (leads["source"] == 0), rate * 0.3, rate)
        met = np.full(len(lead_day), 0.8)
        if kind in ("slow_team", "two"):
            met = np.where(since & (leads["owner"] // 4 == 1), 0.5, met)
        becomes = rng.random(len(lead_day)) < rate
        direct_day = self._days(25)
        direct = self._traits(len(direct_day), direct_day, self.kind)
        if kind == "team_creates_less":
            late = direct_day >= shift
            gone = late & (direct["owner"] // 4 == 1) & (rng.random(len(direct_day)) < 0.7)
            lost = (lead_day >= shift) & (leads["owner"] // 4 == 1) & (rng.random(len(lead_day)) < 0.7)
            becomes &= ~lost
            direct_day, direct = direct_day[~gone], {k: v[~gone] for k, v in direct.items()}
        sao_day = np.r_[lead_day[becomes] + 1 + rng.integers(0, 20, becomes.sum()), direct_day]
        traits = {k: np.r_[leads[k][becomes], direct[k]] for k in leads}
        self._deals(sao_day, traits)
        keys = np.full(len(lead_day), None, dtype=object)
        keys[becomes] = [f"crm:{i}" for i in range(int(becomes.sum()))]
        owners = [f"o{o}" for o in leads["owner"]]
        self.tables["leads"] = {
            "lead_key": [f"l{i}" for i in range(len(lead_day))],
            "created_at": [self._at(d) for d in lead_day],
            "created_date": [self._date(d) for d in lead_day],
            "source_first_touch": [SOURCES[s] for s in leads["source"]],
            "owner_key": owners,
            "team": [TEAMS[o // 4] for o in leads["owner"]],
            "country": [COUNTRIES[c] for c in leads["country"]],
            "lead_state": ["open"] * len(lead_day),
            "response_state": ["met" if m else "breached" for m in rng.random(len(lead_day)) < met],
            "is_answered": [True] * len(lead_day),
            "converted_deal_key": list(keys),
            "is_first_of_deal": [True] * len(lead_day),
        }

    def _traits(self, size: int, day: np.ndarray, kind: str) -> dict[str, np.ndarray]:
        rng = self.rng
        segment = rng.choice(3, size, p=SEGMENT_SHARE)
        if kind == "mix":
            to_small = (day >= SHIFT * 7) & (rng.random(size) < 0.75)
            segment = np.where(to_small, 0, segment)
        return {
            "owner": rng.integers(0, SELLERS, size),
            "segment": segment,
            "source": rng.choice(5, size, p=SOURCE_SHARE),
            "industry": rng.integers(0, 5, size),
            "country": rng.integers(0, 2, size),
            "product": rng.integers(0, 3, size),
            "order": (rng.random(size) < 0.2).astype(int),
        }

    def _deals(self, sao_day: np.ndarray, traits: dict[str, np.ndarray]) -> None:
        rng, kind, size, now = self.rng, self.kind, len(sao_day), WEEKS * 7
        shift = SHIFT * 7
        length = np.maximum(2, rng.lognormal(np.log(28), 0.6, size)).astype(int)
        weight = np.array([0.85, 1.1, 1.2])[traits["segment"]] * np.array([1.0, 1.15, 0.9, 1.0, 1.0])[traits["source"]]
        if kind == "mix":
            weight = np.array([0.45, 1.3, 1.5])[traits["segment"]]
        passes = np.stack(
            [np.clip(np.array([0.78, 0.72, 0.7, 0.69])[k] * weight**0.25, 0, 0.98) * np.ones(size) for k in range(4)]
        )
        times = np.stack([sao_day + length * (k + 1) // 4 for k in range(4)])  # when each stage is left
        late = times >= shift
        if kind == "everywhere":
            passes = np.where(late, passes * 0.5**0.25, passes)
        if kind == "leak":
            passes[2] = np.where(late[2], passes[2] * 0.5, passes[2])
        moved_on = rng.random((4, size)) < passes
        lost_at = np.where(moved_on.all(axis=0), 4, np.argmin(moved_on, axis=0))
        end = np.where(lost_at == 4, times[3], np.take_along_axis(times, np.minimum(lost_at, 3)[None], 0)[0])
        if kind in ("halved", "third_less"):  # from one week to the next, of what is decided: at the last stage
            turned = (lost_at == 4) & (end >= shift) & (rng.random(size) < (0.5 if kind == "halved" else 1 / 3))
            lost_at = np.where(turned, 3, lost_at)
        amount = rng.lognormal(np.log(100_000), 0.8, size) * np.array([0.6, 1.0, 2.0])[traits["segment"]]
        if kind == "price_cut":
            amount = np.where(end >= shift, amount * 0.55, amount)
        last_heard = (SHIFT * 7 + 2) if kind == "sync_stopped" else now
        is_zombie = rng.random(size) < 0.06
        closed = (end < min(now, last_heard)) & ~is_zombie
        won = closed & (lost_at == 4)
        seconds = rng.integers(0, 30000, size)
        closed_at = [self._at(d, s) if c else None for d, s, c in zip(end, seconds, closed, strict=True)]
        by_one = np.zeros(size, dtype=bool)
        if kind == "clean_up":
            stale = np.flatnonzero(~closed & (sao_day < shift - 60))[:120]
            by_one[stale] = True
            closed = closed | by_one
            end = np.where(by_one, shift + 1, end)
            for place, i in enumerate(stale):
                closed_at[i] = self._at(shift + 1, place)
        kept = sao_day < min(now, last_heard)
        state = np.where(won, "won", np.where(closed, "lost", "open"))
        owner = [f"o{o}" for o in traits["owner"]]
        team = [TEAMS[o // 4] for o in traits["owner"]]
        keys = [f"crm:{i}" for i in range(size)]
        day_of = [self._date(d) for d in sao_day]
        end_of = [self._date(d) if c else None for d, c in zip(end, closed, strict=True)]
        rank = [int(r) for r in np.minimum(lost_at, 3)]
        money = [round(float(a), 2) for a in amount]
        whole = {
            "deal_key": keys,
            "source": ["crm"] * size,
            "pipeline": ["default"] * size,
            "pipeline_id": ["p"] * size,
            "life_state": state.tolist(),
            "amount_base": money,
            "closed_amount_base": money,
            "closed_amount_plan": money,
            "order_type": ["expansion" if o else "new_business" for o in traits["order"]],
            "owner_key": owner,
            "team": team,
            "sao_owner_key": owner,
            "sao_team": team,
            "lead_source": [SOURCES[s] for s in traits["source"]],
            "product": [PRODUCTS[p] for p in traits["product"]],
            "segment": [SEGMENTS[s] for s in traits["segment"]],
            "industry": [INDUSTRIES[i] for i in traits["industry"]],
            "country": [COUNTRIES[c] for c in traits["country"]],
            "created_amount_base": money,
            "is_created_provisional": [False] * size,
            "created_at": [self._at(d) for d in sao_day],
            "created_date": day_of,
            "sao_at": [self._at(d) for d in sao_day],
            "sao_date": day_of,
            "closed_at": closed_at,
            "closed_date": end_of,
            "booking_date": end_of,
            "furthest_stage_rank": rank,
            "is_backdated": [False] * size,
            "is_excluded": [False] * size,
            "first_observed_at": [self._at(d) for d in sao_day],
        }
        chosen = np.flatnonzero(kept)
        self.tables["deals"] = {name: [column[i] for i in chosen] for name, column in whole.items()}
        self._visits(chosen, sao_day, times, lost_at, closed, by_one, end, seconds, owner, team, min(now, last_heard))
        self._contracts(chosen, won, end, traits, owner, team)
        self.tables["owners"] = {
            "owner_key": [f"o{i}" for i in range(SELLERS)],
            "name": [f"o{i}" for i in range(SELLERS)],
        }
        self.tables["stages"] = {"source": ["crm"], "pipeline_id": ["p"], "pipeline": ["default"], "is_sales": [True]}
        days = self._days(300)
        self.tables["activities"] = {
            "activity_key": [f"a{i}" for i in range(len(days))],
            "occurred_at": [self._at(d) for d in days],
        }

    def _visits(
        self,
        chosen: np.ndarray,
        sao_day: np.ndarray,
        times: np.ndarray,
        lost_at: np.ndarray,
        closed: np.ndarray,
        by_one: np.ndarray,
        end: np.ndarray,
        seconds: np.ndarray,
        owner: list[str],
        team: list[str],
        heard: int,
    ) -> None:
        visits: list[tuple[Any, ...]] = []
        changes: list[tuple[Any, ...]] = []
        for i in chosen:
            entered = sao_day[i]
            for k in range(min(int(lost_at[i]), 3) + 1):
                left = times[k][i]
                is_last = k == min(int(lost_at[i]), 3)
                gone = bool(closed[i]) if is_last else left < heard
                if is_last and by_one[i]:
                    left = end[i]
                at = self._at(left, int(seconds[i])) if gone else None
                out = (
                    None
                    if not gone
                    else "won"
                    if is_last and lost_at[i] == 4 and not by_one[i]
                    else "lost"
                    if is_last
                    else "advanced"
                )
                stage_id = f"s{k}" + ("new" if self.kind == "stage_renamed" and k == 2 and entered >= SHIFT * 7 else "")
                name = STAGES[k] + (" (new)" if stage_id.endswith("new") else "")
                visits.append(
                    (f"crm:{i}", k + 1, "default", "p", name, stage_id, k, self._at(entered), at, 1.0, "forward", out)
                )
                changes.append((f"crm:{i}", self._at(entered, 7), "stage_id", f"u{owner[i]}"))
                if not gone:
                    break
                entered = left
            if closed[i]:
                at = (
                    self._at(end[i], int(seconds[i]))
                    if not by_one[i]
                    else self._at(end[i], int(np.searchsorted(np.flatnonzero(by_one), i)))
                )
                changes.append((f"crm:{i}", at, "life_state", "boss" if by_one[i] else f"u{owner[i]}"))
                if by_one[i]:
                    visits[-1] = (*visits[-1][:8], at, *visits[-1][9:])
        names = (
            "deal_key",
            "visit_number",
            "pipeline",
            "pipeline_id",
            "stage",
            "stage_id",
            "stage_rank",
            "entered_at",
            "exited_at",
            "days",
            "entry_kind",
            "exit_kind",
        )
        self.tables["deal_stage_visits"] = dict(zip(names, map(list, zip(*visits, strict=True)), strict=True))
        named = ("deal_key", "changed_at", "field", "changed_by")
        self.tables["deal_changes"] = dict(zip(named, map(list, zip(*changes, strict=True)), strict=True))
        self.tables["deal_versions"] = {
            "deal_key": [f"crm:{i}" for i in chosen],
            "valid_from": [self._at(sao_day[i], -60) for i in chosen],
            "owner_key": [owner[i] for i in chosen],
            "team": [team[i] for i in chosen],
        }

    def _contracts(
        self,
        chosen: np.ndarray,
        won: np.ndarray,
        end: np.ndarray,
        traits: dict[str, np.ndarray],
        owner: list[str],
        team: list[str],
    ) -> None:
        rows = []
        for i in chosen[won[chosen]]:
            churns = 0.15
            if self.kind == "oversell" and traits["owner"][i] == 4 and end[i] >= (SHIFT - 61) * 7:
                churns = 0.7
            begins, number = int(end[i]), 0
            while begins < WEEKS * 7:
                rows.append(
                    (
                        f"c{i}-{number}",
                        f"k{i}",
                        f"crm:{i}",
                        self._date(begins),
                        self._date(begins + 364),
                        owner[i],
                        team[i],
                        SEGMENTS[traits["segment"][i]],
                        SOURCES[traits["source"][i]],
                    )
                )
                if self.rng.random() < churns:
                    break
                begins, number = begins + 365, number + 1
        names = (
            "contract_key",
            "customer_key",
            "deal_key",
            "start_date",
            "end_date",
            "acquiring_owner_key",
            "acquiring_team",
            "segment_at_win",
            "source_at_win",
        )
        self.tables["contracts"] = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))

    def _date(self, day: int) -> date:
        return self.first + timedelta(days=int(day))

    def _at(self, day: int, seconds: int = 0) -> datetime:
        return datetime(self.first.year, self.first.month, self.first.day, 9, tzinfo=UTC) + timedelta(
            days=int(day), seconds=int(seconds)
        )


def _objects(values: list[Any]) -> np.ndarray:
    """As DuckDB scans them; a list that is bound takes three times as long."""
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found
