"""What was known on each origin, as arrays: open deals, what is won of the period, and the wins that labels come from.

A spell is what our extract knew of a deal from one day until the day before another; nothing here looks at a spell
before its first day. Rows are in the order of origin and deal, so that sums are the same on every run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]  # of floats or of booleans
Codes = NDArray[Any]  # of whole numbers

MAX_QUARTERS = 17  # sixteen that ended, half of them to learn from before the first that is judged by all of them
NO_CLOSE_DATE = 9999
LATE_DAYS = 14  # of a quarter without a deal: it counts as whole all the same
_EPOCH = "date '1970-01-01'"

_CODED = f"""
    create or replace temp table forecast_coded as
    select
        dense_rank() over (order by deal_key) - 1 as deal,
        dense_rank() over (order by coalesce(stage, '')) - 1 as stage,
        dense_rank() over (order by coalesce(segment, '')) - 1 as segment,
        dense_rank() over (order by coalesce(team, 'unknown')) - 1 as team,
        dense_rank() over (order by coalesce(account_key, deal_key)) - 1 as account,
        dense_rank() over (order by coalesce(forecast_category, '')) - 1 as category,
        coalesce(team, 'unknown') as team_name,
        life_state = 'won' as is_won,
        cast(amount_base as double) as amount,
        from_date - {_EPOCH} as from_day,
        coalesce(to_date - {_EPOCH}, 99999) as to_day,
        close_date - {_EPOCH} as close_day,
        created_date - {_EPOCH} as created_day
    from {{spells}}
    where from_date < coalesce(to_date, date '9999-12-31')
"""
_OPEN = f"""
    select
        origins.origin, deal, stage, segment, team, account, category, coalesce(amount, 'nan'::double) as amount,
        greatest(0, origins.day - created_day) as age,
        coalesce(close_day - origins.quarter_end, {NO_CLOSE_DATE}) as close_after_end,
        coalesce(close_day < origins.day, false) as is_overdue
    from forecast_origins as origins
    inner join forecast_coded as spells on spells.from_day <= origins.day and spells.to_day > origins.day
    where not is_won
    order by origins.origin, deal
"""
_WON = """
    select deal, team, coalesce(amount, 0) as amount, from_day, to_day, coalesce(close_day, from_day) as booked_day
    from forecast_coded where is_won order by deal, from_day
"""


@dataclass(frozen=True)
class Open:
    """Open deals, one row for each origin and deal that was open at the end of that day."""

    origin: Codes
    deal: Codes
    stage: Codes
    segment: Codes
    team: Codes
    account: Codes
    category: Codes
    amount: Array  # NaN where none was typed
    age: Codes  # days
    close_after_end: Codes  # days from the period's end to the typed close date; negative = in it or before it
    is_overdue: Array

    def rows(self, origins: Array) -> Array:
        return origins[self.origin]


@dataclass(frozen=True)
class Won:
    """Stretches in which a deal stood as won, and the quarter that it is booked in then."""

    deal: Codes
    team: Codes
    amount: Array
    from_day: Codes
    to_day: Codes
    quarter: Codes

    def at(self, day: int) -> Array:
        return (self.from_day <= day) & (self.to_day > day)


@dataclass(frozen=True)
class Inputs:
    quarter_start: Codes  # days since 1970; of the quarters that are forecast, the last one running
    quarter_end: Codes
    day: Codes  # of each origin: the Mondays, and the as-of day
    quarter: Codes  # of each origin
    days_left: Codes  # whole days of the quarter after the origin
    weeks_left: Codes
    as_of: int
    teams: list[str]
    counts: dict[str, int]  # how many stages, segments, teams, deals ... there are
    open: Open
    won: Won

    @property
    def first_whole(self) -> int:
        """The first quarter that the history covers from its first days: before it nothing can be learnt."""
        first = self.day[self.open.origin[0]] if len(self.open.origin) else self.day[-1]
        return int(np.searchsorted(self.quarter_start, first - LATE_DAYS))

    def is_monday(self) -> Array:
        return (self.day + 3) % 7 == 0


def read(connection: duckdb.DuckDBPyConnection, spells: str, periods: str) -> Inputs | None:
    """None where there is no period to forecast."""
    connection.execute(_CODED.format(spells=spells))
    dates = connection.execute(
        f"select period_start - {_EPOCH}, period_end - {_EPOCH}, as_of_date - {_EPOCH} from {periods} order by 1"
    ).fetchall()
    if not dates:
        return None
    as_of = int(dates[0][2])
    ((first,),) = connection.execute("select min(from_day) from forecast_coded where from_day <= ?", [as_of]).fetchall()
    begun = [(start, end) for start, end, _ in dates if start <= as_of and end > (as_of if first is None else first)]
    quarters = np.array(begun[-MAX_QUARTERS:], dtype=np.int64)
    start, end = quarters[:, 0], quarters[:, 1]
    mondays = np.arange(start[0] + (-(start[0] + 3)) % 7, as_of + 1, 7)
    day = np.unique(np.append(mondays, as_of))
    quarter = np.searchsorted(start, day, side="right") - 1
    days_left = end[quarter] - day - 1
    connection.execute("create or replace temp table forecast_origins (origin int, day int, quarter_end int)")
    listed = zip(range(len(day)), day.tolist(), end[quarter].tolist(), strict=True)
    values = ", ".join(f"({o}, {d}, {e})" for o, d, e in listed)
    connection.execute(f"insert into forecast_origins values {values}")
    found = {name: np.asarray(column) for name, column in connection.execute(_OPEN).fetchnumpy().items()}
    won = {name: np.asarray(column) for name, column in connection.execute(_WON).fetchnumpy().items()}
    booked = won.pop("booked_day").astype(np.int64)
    within = (booked >= start[0]) & (booked < end[-1])
    won["quarter"] = np.where(within, np.searchsorted(start, booked, side="right") - 1, -1)
    sizes = connection.execute(
        "select max(deal), max(stage), max(segment), max(team), max(category) from forecast_coded"
    ).fetchall()[0]
    counts = {name: 1 if size is None else int(size) + 1 for name, size in zip(_SIZED, sizes, strict=True)}
    names = connection.execute("select distinct team, team_name from forecast_coded order by team").fetchall()
    return Inputs(
        quarter_start=start,
        quarter_end=end,
        day=day,
        quarter=quarter,
        days_left=days_left,
        weeks_left=np.minimum(13, -(-days_left // 7)),
        as_of=as_of,
        teams=[name for _, name in names] or ["unknown"],
        counts=counts,
        open=Open(**{name: _typed(name, column) for name, column in found.items()}),
        won=Won(**{name: _typed(name, column) for name, column in won.items()}),
    )


_SIZED = ("deal", "stage", "segment", "team", "category")


def _typed(name: str, column: NDArray[Any]) -> NDArray[Any]:
    if name == "is_overdue":
        return column.astype(bool)
    return column.astype(np.float64 if name == "amount" else np.int64)
