"""Data directories that earlier versions wrote, kept small: the warehouse as it was, and what its marts said then.

`python -m tests.upgrades.fixtures DATA COMMIT` makes the one of a data directory whose night has just published, by the
code of that commit: the practice company (`size = "small"`), nothing real.
"""

from __future__ import annotations

import json
import lzma
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

FOLDER = Path(__file__).parent
SCHEMAS = ("pipeline", "kpi")


def commits() -> list[str]:
    return sorted(path.name.removesuffix(".json") for path in FOLDER.glob("*.json"))


def unpacked(commit: str, to: Path) -> tuple[Path, datetime, dict[str, Any]]:
    """The warehouse file, the instant its marts were built for, and what they said: table -> rows and columns."""
    told = json.loads((FOLDER / f"{commit}.json").read_text())
    warehouse = to / "warehouse.duckdb"
    warehouse.write_bytes(lzma.decompress((FOLDER / f"{commit}.duckdb.xz").read_bytes()))
    return warehouse, datetime.fromisoformat(told["as_of"]), told["tables"]


def said(
    connection: duckdb.DuckDBPyConnection, table: str, columns: list[str], dimensions: list[str]
) -> dict[str, Any]:
    """Rows and one digest for each column, whatever the order; of a table by dimension, those dimensions alone."""
    sums = ", ".join(
        f"""sum(('0x' || left(md5(coalesce(cast("{column}" as varchar), '<null>')), 15))::bigint::hugeint)"""
        for column in columns
    )
    where = f"where list_contains({dimensions!r}, dimension)" if dimensions else ""
    rows, *digests = connection.execute(f"select count(*), {sums} from {table} {where}").fetchone()  # type: ignore[misc]
    return {"rows": rows, "columns": {c: str(d) for c, d in zip(columns, digests, strict=True)}}


def make(data: Path, commit: str) -> None:
    tables = {}
    with duckdb.connect(str(data / "published" / "marts.duckdb"), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        ((as_of,),) = connection.execute("select as_of from meta.publication").fetchall()
        named = connection.execute(
            """select schema_name || '.' || table_name, list(column_name order by column_index) from duckdb_columns()
            where list_contains(?, schema_name) and not internal group by all order by all""",
            [list(SCHEMAS)],
        ).fetchall()
        for table, columns in named:
            query = f"select distinct dimension from {table} order by all"
            dimensions = [value for (value,) in connection.execute(query).fetchall()] if "dimension" in columns else []
            tables[table] = said(connection, table, columns, dimensions) | {"dimensions": dimensions}
    content = {"as_of": as_of.isoformat(), "tables": tables}
    (FOLDER / f"{commit}.json").write_text(json.dumps(content, indent=0, sort_keys=True) + "\n")
    warehouse = (data / "warehouse.duckdb").read_bytes()
    (FOLDER / f"{commit}.duckdb.xz").write_bytes(lzma.compress(warehouse, preset=9 | lzma.PRESET_EXTREME))


if __name__ == "__main__":
    make(Path(sys.argv[1]), sys.argv[2])
