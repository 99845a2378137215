"""What is true of the practice company, computed in Python from the log of what happened, never from our SQL.

The definitions are the KPI catalogue's: accepted, closed, booking date, win rate by deals decided, won cycle days,
lead response in business minutes. Money is Decimal inside and text in the file.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from statistics import mean, median
from typing import Any

from sandbox.catalogue import DEAL_PIPELINES, DEAL_STAGES
from sandbox.store import Event, Value, iso
from sandbox.world import World

SLA_MINUTES = 60
FOLLOWED = ("dealstage", "amount", "closedate", "hubspot_owner_id")


@dataclass
class Life:
    """A deal's story, read from the log."""

    id: str
    created_at: int
    values: dict[str, Value] = field(default_factory=dict)
    visits: list[list[Any]] = field(default_factory=list)  # [stage, entered, left or None]
    removed_at: int | None = None
    merged_into: str | None = None
    closed_at: int | None = None
    lost_from: str | None = None
    owners: list[tuple[int, Value]] = field(default_factory=list)
    changes: list[tuple[int, str, Value]] = field(default_factory=list)  # of what the pipeline's stock follows

    def enter(self, at: int, stage: Value) -> None:
        """A stage move; keeps the instant of the last move from open into a closed stage."""
        previous = self.visits[-1][0] if self.visits else None
        if self.visits:
            self.visits[-1][2] = at
        self.visits.append([stage, at, None])
        if _is_closed(stage) and not (_is_closed(previous) and stage == previous):
            self.closed_at = at
            if not _is_closed(previous):
                self.lost_from = previous
        elif not _is_closed(stage):
            self.closed_at = None

    def copy_as(self, merged_id: str) -> Life:
        """The record a merge makes: the primary's story under a new id."""
        return Life(
            merged_id,
            self.created_at,
            dict(self.values),
            [list(visit) for visit in self.visits],
            closed_at=self.closed_at,
            lost_from=self.lost_from,
            owners=list(self.owners),
            changes=list(self.changes),
        )

    def outcome_owner(self) -> Value:
        """Closed: who had it at that instant. Open: who has it now."""
        if self.closed_at is None:
            return self.values.get("hubspot_owner_id")
        return [owner for at, owner in self.owners if at <= self.closed_at][-1]


def _is_closed(stage: Value) -> bool:
    known = DEAL_STAGES.get(stage or "")
    return known is not None and known.is_closed


def lives(log: Iterable[Event]) -> dict[str, Life]:
    """Every deal that ever was, by id."""
    found: dict[str, Life] = {}
    for event in log:
        if event.object_type != "deals":
            continue
        life = found.setdefault(event.id, Life(event.id, event.at))
        if event.kind == "changed":
            life.values[event.name] = event.value
            if event.name in FOLLOWED:
                life.changes.append((event.at, event.name, event.value))
            if event.name == "dealstage":
                life.enter(event.at, event.value)
            elif event.name == "hubspot_owner_id":
                life.owners.append((event.at, event.value))
        elif event.kind == "archived":
            life.removed_at = event.at
            life.changes.append((event.at, "removed", "true"))
        elif event.kind == "restored":
            life.removed_at = None
            life.changes.append((event.at, "removed", None))
        elif event.kind == "merged" and event.value is not None:
            merged, other = life.copy_as(event.value), found[event.name]
            for name, value in other.values.items():
                if merged.values.get(name) in (None, ""):
                    merged.values[name] = value
                    if name in FOLLOWED:
                        merged.changes.append((event.at, name, value))
            found[event.value] = merged
            life.merged_into = other.merged_into = event.value
            for gone in (life, other):
                gone.changes.append((event.at, "merged", event.value))
    return found


def money(text: Value) -> Decimal | None:
    """An amount as typed, None when it is no number."""
    try:
        return None if text in (None, "") else Decimal(text)  # type: ignore[arg-type]
    except InvalidOperation:
        return None


def _life_state(life: Life) -> str:
    if life.merged_into:
        return "merged"
    if life.removed_at is not None:
        return "removed"
    stage = DEAL_STAGES.get(life.values.get("dealstage") or "")
    if stage is None or not stage.is_closed:
        return "open"
    return "won" if stage.is_won else "lost"


def _local_date(world: World, text: Value) -> date | None:
    """The company's date of an instant typed as a property; None when it is no date."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment.astimezone(world.calendar.zone).date() if moment.tzinfo else moment.date()


def _accepted_at(life: Life, qualified: dict[str, str]) -> int | None:
    """kpis.md 0.1: first entry into an open stage of the qualified rank or beyond; by default the first stage."""
    ranks = {stage.id: rank for row in DEAL_PIPELINES.values() for rank, stage in enumerate(row.open_stages, 1)}
    least = {
        stage.id: ranks[qualified[row.id]]
        for row in DEAL_PIPELINES.values()
        if row.id in qualified
        for stage in row.stages
    }
    opened = [(stage, at) for stage, at, _ in life.visits if stage in ranks]
    for stage, at in opened:
        if ranks[stage] >= least.get(stage, 1):
            return int(at)
    state = _life_state(life)
    if state == "won" and life.closed_at is not None:
        return min(life.created_at, life.closed_at)
    return life.created_at if state == "lost" and not opened else None


def deal_truth(world: World, life: Life, qualified: dict[str, str]) -> dict[str, Any]:
    """One deal, as a reader of the marts would check it."""
    state = _life_state(life)
    outcome = state if state in ("won", "lost") else None
    accepted = _accepted_at(life, qualified)
    close_date = _local_date(world, life.values.get("closedate"))
    closed_date = None if life.closed_at is None else world.calendar.local_date(life.closed_at)
    amount = money(life.values.get("amount"))
    return {
        "pipeline": life.values.get("pipeline"),
        "stage": life.values.get("dealstage"),
        "life_state": state,
        "outcome": outcome,
        "amount": None if amount is None else str(amount),
        "amount_base": None if amount is None else str(amount),
        "owner_id": life.outcome_owner(),
        "order_type": {"newbusiness": "new_business", "existingbusiness": "expansion"}.get(
            life.values.get("dealtype") or "", "unknown"
        ),
        "source": life.values.get("hs_analytics_source"),
        "created_at": iso(life.created_at),
        "sao_at": None if accepted is None else iso(accepted),
        "closed_at": None if life.closed_at is None else iso(life.closed_at),
        "close_date": None if close_date is None else close_date.isoformat(),
        "booking_date": _text(close_date if outcome == "won" else closed_date if outcome == "lost" else None),
        "is_backdated": _is_backdated(world, close_date, closed_date),
        "lost_from_stage": life.lost_from if outcome == "lost" else None,
        "loss_reason": life.values.get("closed_lost_reason") if outcome == "lost" else None,
        "merged_into": life.merged_into,
        "changes": [_change(world, at, name, value) for at, name, value in life.changes],
        "visits": [
            {"stage": stage, "entered_at": iso(at), "left_at": None if left is None else iso(left)}
            for stage, at, left in life.visits
        ],
    }


def _change(world: World, at: int, name: str, value: Value) -> list[Value]:
    """[instant, what, value]: close dates as dates of the company, amounts as decimal text, the rest as it is."""
    if name == "closedate":
        value = _text(_local_date(world, value))
    elif name == "amount":
        amount = money(value)
        value = None if amount is None else str(amount)
    return [iso(at), name, value]


def _text(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _is_backdated(world: World, close_date: date | None, closed_date: date | None) -> bool:
    """More than three business days between the typed date and the day it was entered."""
    if close_date is None or closed_date is None or close_date >= closed_date:
        return False
    days, day = 0, close_date
    while day < closed_date:
        day = date.fromordinal(day.toordinal() + 1)
        days += world.calendar.is_workday(day)
    return days > 3


def _win_rate(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """M08 over decided, accepted deals."""
    won = [row for row in rows if row["outcome"] == "won" and row["sao_at"]]
    lost = [row for row in rows if row["outcome"] == "lost" and row["sao_at"]]
    decided = len(won) + len(lost)
    return {
        "won_count": len(won),
        "lost_count": len(lost),
        "win_rate": round(len(won) / decided, 6) if decided else None,
        "won_value": str(sum((Decimal(row["amount"]) for row in won if row["amount"]), Decimal(0))),
        "lost_value": str(sum((Decimal(row["amount"]) for row in lost if row["amount"]), Decimal(0))),
    }


def _by(rows: list[dict[str, Any]], key: str) -> dict[str, Any]:
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[str(row[key])].append(row)
    return {member: _win_rate(held) for member, held in sorted(groups.items())}


def _sales_cycle(world: World, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """M13a: booking date (closed date when backdated) minus the date of acceptance; negative ones have no days."""
    days, won_count = [], 0
    for row in rows:
        if row["outcome"] == "won" and row["sao_at"]:
            won_count += 1
            end = _local_date(world, row["closed_at"]) if row["is_backdated"] else row["booking_date"]
            start = _local_date(world, row["sao_at"])
            end = date.fromisoformat(end) if isinstance(end, str) else end
            if start is not None and end is not None and end >= start:
                days.append((end - start).days)
    return {
        "won_count": won_count,
        "mean_days": round(mean(days), 6) if days else None,
        "median_days": median(days) if days else None,
    }


def _open_pipeline(rows: list[dict[str, Any]]) -> dict[str, Any]:
    opened = [row for row in rows if row["life_state"] == "open"]
    return {
        "open_count": len(opened),
        "open_value": str(sum((Decimal(row["amount"]) for row in opened if row["amount"]), Decimal(0))),
        "missing_amount_count": sum(row["amount"] is None for row in opened),
    }


def _loss_by_stage(rows: list[dict[str, Any]]) -> dict[str, Any]:
    table: dict[str, list[Decimal]] = defaultdict(list)
    for row in rows:
        if row["outcome"] == "lost" and row["sao_at"]:
            table[row["lost_from_stage"] or "unknown"].append(Decimal(row["amount"] or 0))
    return {stage: {"lost_count": len(held), "lost_value": str(sum(held))} for stage, held in sorted(table.items())}


def of(world: World, qualified_stage: dict[str, str] | None = None) -> dict[str, Any]:
    """Everything that the marts must find. `qualified_stage`: pipeline id -> stage id, as in the configuration."""
    from sandbox import truth_contacts, truth_contracts, truth_leads

    deals = {key: deal_truth(world, life, qualified_stage or {}) for key, life in lives(world.store.log).items()}
    rows = list(deals.values())
    causes = world.causes
    return {
        "as_of": iso(world.now),
        "seed": world.seed,
        "size": world.size_name,
        "counts": {
            name: {
                "live": sum(row.archived_at is None for row in held.values()),
                "archived": sum(row.archived_at is not None for row in held.values()),
            }
            for name, held in world.store.records.items()
        },
        "win_rate": {"all": _win_rate(rows), "by_owner": _by(rows, "owner_id"), "by_pipeline": _by(rows, "pipeline")}
        | {"by_source": _by(rows, "source")},
        "sales_cycle": _sales_cycle(world, rows),
        "open_pipeline": _open_pipeline(rows),
        "loss_by_stage": _loss_by_stage(rows),
        **truth_leads.of(world),
        "contacts": truth_contacts.contacts(world),
        **truth_contracts.of(world, deals),
        "owners_left": {owner.id: iso(owner.archived_at) for owner in world.owners if owner.archived_at is not None},
        "duplicates": world.duplicates,
        "causes": {name: str(getattr(causes, name)) for name in causes.__dataclass_fields__},
        "deals": deals,
    }


def write(world: World, directory: Path) -> Path:
    """DIR/truth.json"""
    path = directory / "truth.json"
    path.write_text(json.dumps(of(world), indent=1, ensure_ascii=False))
    return path
