"""The extraction of a second, unchanged night: requests by route, rows appended.

    .venv/bin/python -m bench.second_night [--size default]

Ends with 1 when the second read appends anything. Wanted: besides the overlap, only the id scan, the archived pass and
the small lists are asked for.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from bench.practice import Server, serving
from ingestion import landing
from ingestion.hubspot import HubSpotSource, sync_hubspot


def read(server: Server, folder: Path, run_id: str, now: datetime) -> list[landing.ObjectResult]:
    """One extraction as the night does it."""

    @contextmanager
    def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
        with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
            landing.prepare(connection)
            yield connection

    source = HubSpotSource(server.token, server.url, folder / "spool", now)
    return list(sync_hubspot(warehouse, source, run_id, now))


def report(name: str, results: list[landing.ObjectResult], calls: dict) -> None:
    appended = sum(r.rows_appended + r.links_appended + r.history_appended for r in results)
    print(
        f"{name}: {calls['total']} requests, {sum(r.rows_read for r in results)} records read, {appended} rows appended"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", default="default", choices=["small", "default", "large"])
    size = parser.parse_args().size
    with tempfile.TemporaryDirectory() as name, serving(Path(name) / "sandbox", size) as server:
        folder = Path(name)
        first_at = max(datetime.now(UTC), server.now + timedelta(hours=3))
        first = read(server, folder, "first", first_at)
        report("first night", first, server.calls())
        server.forget_calls()
        second = read(server, folder, "second", first_at + timedelta(days=1))
        calls = server.calls()
        report("second night", second, calls)
        for route, count in calls["by_route"].items():
            print(f"  {count:5d}  {route}")
        broken = [f"{r.object}: {r.state} {r.reason}" for r in first + second if r.state not in ("ok", "empty")]
        changed = [r.object for r in second if r.rows_appended + r.links_appended + r.history_appended]
    for line in broken:
        print("failed:", line)
    print("appended on the second night:", ", ".join(changed) or "nothing")
    return 1 if changed or broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
