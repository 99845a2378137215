"""A row of the practice org as each of the vendor's interfaces writes it: REST JSON, CSV of a job, JSON of Bulk 1.0."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sandbox.servers.salesforce_fields import describe
from sandbox.servers.salesforce_org import Row
from sandbox.servers.soql import Query


def record(row: Row, query: Query, version: int) -> dict[str, Any]:
    """A row as REST sends it."""
    types = describe(query.sobject)["fields"]
    kinds = {entry["name"]: entry["type"] for entry in types}
    url = f"/services/data/v{version}.0/sobjects/{query.sobject}/{row['Id']}"
    body: dict[str, Any] = {"attributes": {"type": query.sobject, "url": url}}
    for name in query.fields:
        value = row.get(name)
        if value is not None and kinds[name] == "datetime":
            value = instant(value, "+0000")
        elif value is not None and kinds[name] == "int":
            value = int(value)
        body[name] = None if value == "" else value
    return body


def cell(value: Any, kind: str) -> str:
    """A value as a bulk job writes it: text, an empty cell for nothing."""
    if value is None or value == "":
        return '""'
    if kind == "datetime":
        return f'"{instant(value, "Z")}"'
    if kind == "int":
        return f'"{int(value)}"'
    if isinstance(value, bool):
        return f'"{str(value).lower()}"'
    if isinstance(value, float) and abs(value) >= 1e7:
        return f'"{value:.15E}"'
    text = str(value).replace('"', '""')
    return f'"{text}"'


def instant(at: int, zone: str) -> str:
    return f"{datetime.fromtimestamp(at // 1000, UTC):%Y-%m-%dT%H:%M:%S}.000{zone}"


def csv_page(query: Query, rows: list[Row], types: dict[str, str]) -> bytes:
    """A header, then a line for each row."""
    lines = [",".join(f'"{name}"' for name in query.fields)]
    lines += [",".join(cell(row.get(name), types[name]) for name in query.fields) for row in rows]
    return ("\n".join(lines) + "\n").encode()
