"""Arrays into the tables of a session."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import duckdb
from numpy.typing import NDArray


def insert(connection: duckdb.DuckDBPyConnection, table: str, columns: Mapping[str, NDArray[Any]]) -> None:
    """Append rows of the named columns, which are equally long. NaN is NULL."""
    if not len(next(iter(columns.values()))):
        return
    listed = [f"case when isnan({n}) then null else {n} end" if v.dtype.kind == "f" else n for n, v in columns.items()]
    connection.register("given_rows", dict(columns))
    connection.execute(f"insert into {table} ({', '.join(columns)}) select {', '.join(listed)} from given_rows")
    connection.unregister("given_rows")
