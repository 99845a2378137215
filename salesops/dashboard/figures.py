"""What the dashboard's tiles say, and the deals behind each. Reads the published file only; knows no page.

A tile that is cut by at most one thing, for one fiscal quarter or all time, is a row of its mart. What no mart has
(several filters together, four quarters together) is counted by `counted` from the records that `records` lists; tests
hold `counted` against the mart for every member of every single filter, so that both say the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import duckdb

FEW = 10  # fewer than so many: the count, and no rate or median
PERIODS = {
    "this_quarter": "This quarter",
    "last_quarter": "Last quarter",
    "last_4_quarters": "Last 4 finished quarters",
    "all": "All time",
}
DIMENSIONS = ("team", "owner", "segment", "source")
TILES = ("hit_rate", "bookings", "pipeline_open", "pipeline_created", "cycle", "response")
_MARTS = {
    "hit_rate": (
        "kpi.win_rate",
        "decided_count, won_count, decided_count, won_value, missing_amount_count,"
        " win_rate, win_rate_low, win_rate_high, null",
    ),
    "bookings": ("kpi.bookings", "won_count, null, null, won_value, missing_amount_count, null, null, null, null"),
    "pipeline_open": (
        "kpi.pipeline_open",
        "open_count, null, null, open_value, missing_amount_count, null, null, null, null",
    ),
    "pipeline_created": (
        "kpi.pipeline_created",
        "created_count, null, null, created_value, missing_amount_count, null, null, null, null",
    ),
    "cycle": ("kpi.sales_cycle", "won_count, null, null, null, null, null, null, null, won_days_median"),
    "response": (
        "kpi.lead_response",
        "met_count + breached_count, met_count, met_count + breached_count, null, null, within_sla_rate, null, null,"
        " null",
    ),
}

# Every record that a tile counts, once: the predicates of the marts' own inputs (int_kpi__deals, int_kpi__lead_facts).
_FACTS = """
with deals as (
    select
        *, coalesce(order_type, 'unknown') as kind,
        case when is_backdated then closed_date else booking_date end as end_date,
        sao_at is not null and coalesce(order_type, 'unknown') not in ('renewal', 'contraction') as is_rate_deal
    from pipeline.deals
    where not is_excluded
),

facts as (
    select
        'hit_rate' as tile, booking_date as fact_date, owner_key, team, segment, lead_source as source, deal_key,
        null as lead_id, life_state as outcome, amount_base as amount, null as days
    from deals
    where is_rate_deal and life_state in ('won', 'lost')
    union all
    select
        'bookings', booking_date, owner_key, team, segment, lead_source, deal_key, null, life_state, amount_base, null
    from deals
    where life_state = 'won' and kind <> 'contraction'
    union all
    select
        'pipeline_open', null, owner_key, team, segment, lead_source, deal_key, null, life_state, amount_base, null
    from deals
    where life_state = 'open'
    union all
    select
        'pipeline_created', sao_date, sao_owner_key, sao_team, segment, lead_source, deal_key, null, life_state,
        created_amount_base, null
    from deals
    where sao_date is not null
    union all
    select
        'cycle', booking_date, owner_key, team, segment, lead_source, deal_key, null, life_state, amount_base,
        case when end_date >= sao_date then date_diff('day', sao_date, end_date) end
    from deals
    where is_rate_deal and life_state = 'won'
    union all
    select
        'response', leads.created_date, leads.owner_key, leads.team, profiles.segment, leads.source_first_touch,
        leads.converted_deal_key, leads.lead_id, leads.response_state, null, null
    from pipeline.leads as leads
    left join pipeline.company_versions as profiles
        on leads.company_key = profiles.company_key and leads.created_at >= profiles.valid_from
        and (leads.created_at < profiles.valid_to or profiles.valid_to is null)
    where leads.response_state in ('met', 'breached') and coalesce(leads.exclusion_reason, '') <> 'internal'
),

wanted as (
    select *
    from facts
    where tile = $tile
        and ($is_stock or $starts is null or (fact_date >= cast($starts as date) and fact_date < cast($ends as date)))
        and ($team is null or coalesce(team, 'unknown') = $team)
        and ($owner is null or coalesce(owner_key, 'unknown') = $owner)
        and ($segment is null or coalesce(segment, 'unknown') = $segment)
        and ($source is null or coalesce(source, 'unknown') = $source)
)
"""
# S4, as dbt/macros/kpi/cut.sql writes it
_WILSON = """
    case when decided > 0 then abs(least(greatest(round(((
        good / decided::double + 1.959964::double * 1.959964::double / (2 * decided::double)
        + ({side}) * 1.959964::double * sqrt(
            good / decided::double * (1 - good / decided::double) / decided::double
            + 1.959964::double * 1.959964::double / (4 * decided::double * decided::double)
        )) / (1 + 1.959964::double * 1.959964::double / decided::double)) * 1e12) / 1e12, 0), 1)) end
"""


@dataclass(frozen=True)
class Filter:
    """Members by their keys; None: all."""

    period: str = "this_quarter"
    team: str | None = None
    owner: str | None = None
    segment: str | None = None
    source: str | None = None

    @property
    def chosen(self) -> list[tuple[str, str]]:
        return [(name, value) for name in DIMENSIONS if (value := getattr(self, name)) is not None]


@dataclass(frozen=True)
class Scope:
    """The publication, and the quarter that its as-of day lies in."""

    publication_id: str
    company: str
    currency: str
    is_practice: bool
    day: date
    quarters: tuple[tuple[date, str], ...]  # (first day, name): the as-of day's, and the four before it

    def span(self, period: str) -> tuple[date | None, date | None]:
        """First day, and the day after the last; None for all time."""
        starts = [start for start, _ in self.quarters]
        return {
            "this_quarter": (starts[0], _three_months_later(starts[0])),
            "last_quarter": (starts[1], starts[0]),
            "last_4_quarters": (starts[4], starts[0]),
            "all": (None, None),
        }[period]

    def name_of(self, period: str) -> str:
        names = [name for _, name in self.quarters]
        return {
            "this_quarter": names[0],
            "last_quarter": names[1],
            "last_4_quarters": f"{names[4]} to {names[1]}",
            "all": "all time",
        }[period]


@dataclass(frozen=True)
class Measure:
    """What a tile says. `origin` names the mart that has the row; None: counted from the records."""

    tile: str
    count: int
    good: int | None
    decided: int | None
    value: Decimal | None
    missing_amounts: int | None
    rate: float | None
    low: float | None
    high: float | None
    median_days: float | None
    origin: str | None
    target: Decimal | None = None
    attainment: float | None = None

    @property
    def is_few(self) -> bool:
        return self.count < FEW


@dataclass(frozen=True)
class Record:
    """A deal of a tile, or a lead with the deal that it became."""

    name: str
    amount: Decimal | None
    stage: str | None
    owner: str | None
    outcome: str
    day: date | None
    days: int | None
    url: str | None


def scope(connection: duckdb.DuckDBPyConnection) -> Scope:
    row = connection.execute(
        """select publication_id, company, currency, is_practice, cast(as_of at time zone timezone as date)
        from meta.publication"""
    ).fetchone()
    assert row is not None  # every publication has its one row
    first = connection.execute(
        "select max(fiscal_quarter_start) from pipeline.calendar where date <= cast(? as date)", [row[4]]
    ).fetchone()
    assert first is not None
    start = first[0]
    quarters = []
    for back in range(5):
        named = connection.execute(
            """select start, (select max(fiscal_quarter) from pipeline.calendar where date = start)
            from (select cast(cast(? as date) - to_months(?) as date) as start)""",
            [start, 3 * back],
        ).fetchone()
        assert named is not None
        quarters.append((named[0], named[1] or f"quarter from {named[0]}"))
    return Scope(*(*row, tuple(quarters)))


def choices(connection: duckdb.DuckDBPyConnection, dimension: str) -> list[tuple[str, str]]:
    """(label, member key) of everything that a tile can be cut by, by label; labels are unique."""
    tables = [*(table for table, _ in _MARTS.values()), "kpi.attainment"]
    union = " union ".join(f"select member_key, member from {table} where dimension = $dimension" for table in tables)
    rows = connection.execute(
        f"select max(member), member_key from ({union}) group by member_key order by 1, 2", {"dimension": dimension}
    ).fetchall()
    labels = [label for label, _ in rows]
    return [(label if labels.count(label) == 1 else f"{label} ({key})", key) for label, key in rows]


def measure(connection: duckdb.DuckDBPyConnection, scope: Scope, chosen: Filter, tile: str) -> Measure:
    """From the mart that has it, else counted."""
    if has_mart_row(chosen, tile):
        return from_mart(connection, scope, chosen, tile)
    return counted(connection, scope, chosen, tile)


def has_mart_row(chosen: Filter, tile: str) -> bool:
    return len(chosen.chosen) < 2 and (tile == "pipeline_open" or chosen.period != "last_4_quarters")


def from_mart(connection: duckdb.DuckDBPyConnection, scope: Scope, chosen: Filter, tile: str) -> Measure:
    """The mart's own row, untouched; a member without a row has nothing to count."""
    table, columns = _MARTS[tile]
    dimension, member = (chosen.chosen or [("company", "all")])[0]
    start, _ = scope.span(chosen.period)
    if tile == "pipeline_open":
        place, values = "snapshot_date = cast(? as date)", list[Any]([scope.day])
    else:
        place = "period_grain = ? and period_start is not distinct from cast(? as date)"
        values = ["all" if start is None else "quarter", start]
    row = connection.execute(
        f"select {columns} from {table} where {place} and dimension = ? and member_key = ?",
        [*values, dimension, member],
    ).fetchone()
    return _measured(connection, scope, chosen, tile, row or _nothing(tile), table)


def counted(connection: duckdb.DuckDBPyConnection, scope: Scope, chosen: Filter, tile: str) -> Measure:
    """The same from the records: for any filters together."""
    rated, valued = (
        tile in ("hit_rate", "response"),
        tile in ("bookings", "pipeline_open", "pipeline_created", "hit_rate"),
    )
    priced = "outcome = 'won'" if tile == "hit_rate" else "true"  # the mart's value there is that of the won deals
    row = connection.execute(
        f"""{_FACTS}, summed as (
            select
                count(*) as total, count(*) filter (where outcome in ('won', 'met')) as good, count(*) as decided,
                cast(coalesce(sum(amount) filter (where {priced}), 0) as decimal(18, 2)) as value,
                count(*) filter (where amount is null) as missing,
                percentile_cont(0.5) within group (order by cast(days as double)) filter (where days is not null)
                    as median_days
            from wanted
        )
        select
            total, good, decided, value, missing, good / cast(nullif(decided, 0) as double),
            {_WILSON.format(side=-1)}, {_WILSON.format(side=1)}, median_days
        from summed""",
        _parameters(scope, chosen, tile),
    ).fetchone()
    assert row is not None
    total, good, decided, value, missing, rate, low, high, median = row
    figures = (
        *(total, good if rated else None, decided if rated else None),
        *(value if valued else None, missing if valued else None, rate if rated else None),
        *(
            low if tile == "hit_rate" else None,
            high if tile == "hit_rate" else None,
            median if tile == "cycle" else None,
        ),
    )
    return _measured(connection, scope, chosen, tile, figures, None)


def records(connection: duckdb.DuckDBPyConnection, scope: Scope, chosen: Filter, tile: str) -> list[Record]:
    """What the tile counts, one by one; largest amounts first."""
    rows = connection.execute(
        f"""{_FACTS}
        select
            case when wanted.lead_id is null then coalesce(deals.name, wanted.deal_key)
                else 'Lead ' || wanted.lead_id || coalesce(', now ' || deals.name, '') end,
            coalesce(wanted.amount, case when wanted.lead_id is not null then deals.amount_base end), deals.stage,
            coalesce(owners.name, owners.email, wanted.owner_key), wanted.outcome, wanted.fact_date, wanted.days,
            deals.url
        from wanted
        left join pipeline.deals as deals on wanted.deal_key = deals.deal_key
        left join pipeline.owners as owners on wanted.owner_key = owners.owner_key
        order by 2 desc nulls last, wanted.fact_date desc nulls last, 1, wanted.deal_key""",
        _parameters(scope, chosen, tile),
    ).fetchall()
    return [Record(*row) for row in rows]


def stale(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str, str | None, Any]]:
    """(source, object, reason, since) of what the tiles rest on and is not fresh."""
    return connection.execute(
        """select source, object, coalesce(state_reason, state), stale_since from meta.data_status
        where state in ('stale', 'failed') order by 1, 2"""
    ).fetchall()


def _measured(
    connection: duckdb.DuckDBPyConnection,
    scope: Scope,
    chosen: Filter,
    tile: str,
    row: Sequence[Any],
    origin: str | None,
) -> Measure:
    target, attainment = _target(connection, scope, chosen, row[3]) if tile == "bookings" else (None, None)
    return Measure(tile, *(*row, origin, target, attainment))


def _nothing(tile: str) -> tuple[Any, ...]:
    rated, valued = (
        tile in ("hit_rate", "response"),
        tile in ("bookings", "pipeline_open", "pipeline_created", "hit_rate"),
    )
    return (
        0,
        *((0, 0) if rated else (None, None)),
        *((Decimal("0.00"), 0) if valued else (None, None)),
        None,
        None,
        None,
        None,
    )


def _target(
    connection: duckdb.DuckDBPyConnection, scope: Scope, chosen: Filter, value: Decimal
) -> tuple[Decimal | None, float | None]:
    """Targets are set for the company, teams and sellers, and for quarters: other filters have none. Four quarters have
    one when each of them has."""
    dimension, member = (chosen.chosen or [("company", "all")])[0]
    if len(chosen.chosen) > 1 or dimension not in ("company", "team", "owner") or chosen.period == "all":
        return None, None
    start, end = scope.span(chosen.period)
    rows = connection.execute(
        """select target, attainment_rate from kpi.attainment
        where period_grain = 'quarter' and dimension = ? and member_key = ? and period_start >= ? and period_start < ?
            and target is not null""",
        [dimension, member, start, end],
    ).fetchall()
    if len(rows) != (4 if chosen.period == "last_4_quarters" else 1):
        return None, None
    if len(rows) == 1:
        return rows[0]
    total = sum((row[0] for row in rows), Decimal(0))
    return total, float(value) / float(total) if total else None


def _parameters(scope: Scope, chosen: Filter, tile: str) -> dict[str, Any]:
    start, end = scope.span(chosen.period)
    members = {name: getattr(chosen, name) for name in DIMENSIONS}
    return {"tile": tile, "is_stock": tile == "pipeline_open", "starts": start, "ends": end, **members}


def _three_months_later(day: date) -> date:
    return date(day.year + (day.month + 2) // 12, (day.month + 2) % 12 + 1, day.day)
