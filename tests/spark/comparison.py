"""Two copies of one table, compared row for row by the table's key: what differs, in how many rows, and where.

Counts, text, dates, instants and money must be equal; doubles to 1e-9 of their size, which is what adding in another
order costs. Both are relations that DuckDB can read; nothing here knows which engine made them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import duckdb

RELATIVE = 1e-9
NOISE = 1e-12  # what is left of sums that should cancel out: a share of its own size says nothing about it


@dataclass(frozen=True)
class Comparison:
    """`differences` are sentences; none of them means equal. `worst` is the largest relative difference of a double."""

    rows: int
    worst: float = 0.0
    differences: list[str] = field(default_factory=list)


def compare(connection: duckdb.DuckDBPyConnection, one: str, other: str, key: Sequence[str]) -> Comparison:
    """`one` and `other` are SQL relations that should be the same table; `key` names each row once, NULL is a value."""
    types = {side: _types(connection, relation) for side, relation in (("one", one), ("other", other))}
    (rows,) = _row(connection, f"select count(*) from {one}")
    if types["one"] != types["other"]:
        apart = sorted(set(types["one"].items()) ^ set(types["other"].items()))
        return Comparison(rows, differences=[f"columns: {', '.join(f'{name} {kind}' for name, kind in apart)}"])
    if repeated := [side for side, relation in (("one", one), ("other", other)) if _repeats(connection, relation, key)]:
        return Comparison(rows, differences=[f"the key is repeated in the {side}" for side in repeated])

    same_key = " and ".join(f"a.{name} is not distinct from b.{name}" for name in key)
    joined = f"""(select true as is_here, * from {one}) as a
        full join (select true as is_here, * from {other}) as b on {same_key}"""
    measures = [name for name in types["one"] if name not in key]
    doubles = [name for name in measures if types["one"][name] == "DOUBLE"]
    conditions = {"is a row of the one only": "b.is_here is null", "is a row of the other only": "a.is_here is null"}
    conditions |= {
        f"{name} differs": f"a.is_here and b.is_here and {_differs(name, name in doubles)}" for name in measures
    }
    counts = _row(connection, f"select {', '.join(f'count_if({c})' for c in conditions.values())} from {joined}")
    differences = []
    for (what, condition), count in zip(conditions.items(), counts, strict=True):
        if count:
            shown = [f"'{name} ' || {_text(f'coalesce(a.{name}, b.{name})')}" for name in key]
            if what.endswith(" differs"):
                shown += [_text(f"{side}.{what.removesuffix(' differs')}") for side in ("a", "b")]
            query = f"select concat_ws(', ', {', '.join(shown)}) from {joined} where {condition} limit 1"
            differences.append(f"{what}, {count} times: {_row(connection, query)[0]}")
    worst = 0.0
    if doubles:
        listed = ", ".join(f"coalesce(max({_relative(name)}), 0)" for name in doubles)
        worst = max(_row(connection, f"select {listed} from {joined}"))
    return Comparison(rows, worst, differences)


def _text(value: str) -> str:
    return f"coalesce(cast({value} as varchar), 'NULL')"


def _differs(name: str, is_double: bool) -> str:
    distinct = f"a.{name} is distinct from b.{name}"
    return f"{distinct} and not coalesce({_relative(name)} <= {RELATIVE}, false)" if is_double else distinct


def _relative(name: str) -> str:
    """The difference as a share of the larger one; NULL where either is NULL, not finite, or both are equal."""
    a, b = f"a.{name}", f"b.{name}"
    return f"""case when not isfinite({a}) or not isfinite({b}) or {a} = {b} then null
        when abs({a} - {b}) <= {NOISE} then 0 else abs({a} - {b}) / greatest(abs({a}), abs({b})) end"""


def _repeats(connection: duckdb.DuckDBPyConnection, relation: str, key: Sequence[str]) -> bool:
    listed = ", ".join(key)
    query = f"select count(*) from (select 1 from {relation} group by {listed} having count(*) > 1)"
    return bool(_row(connection, query)[0])


def _types(connection: duckdb.DuckDBPyConnection, relation: str) -> dict[str, str]:
    return {str(row[0]): str(row[1]) for row in connection.execute(f"describe select * from {relation}").fetchall()}


def _row(connection: duckdb.DuckDBPyConnection, query: str) -> tuple:
    row = connection.execute(query).fetchone()
    assert row is not None
    return row
