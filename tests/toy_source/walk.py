"""The toy CRM in a copy of the repository where the walk has been walked: served, read by its asset, built into marts.

`python -m tests.toy_source.walk` there, with a scratch directory; prints as JSON what the marts hold of it.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import dagster as dg
import duckdb

from dagster_project.ingest import build_ingest
from salesops import night as nights
from salesops.clock import Clock
from salesops.config import ConfigError, Settings
from salesops.layout import DataDirectory
from tests.whole.project import AS_OF, Project, stamp

MADE, FIRST, SECOND = AS_OF - timedelta(days=40), AS_OF - timedelta(days=31), AS_OF - timedelta(hours=1)
STAGES = [
    {"id": "talk", "name": "Talk", "place": 1, "changed": stamp(MADE)},
    {"id": "offer", "name": "Offer", "place": 2, "changed": stamp(MADE)},
    {"id": "won", "name": "Won", "ends": "won", "changed": stamp(MADE)},
    {"id": "lost", "name": "Lost", "ends": "lost", "changed": stamp(MADE)},
]


def deal(number: int, stage: str, changed: datetime, value: str, gone: bool = False) -> dict[str, Any]:
    said = {"id": str(number), "title": f"Deal {number}", "stage": stage, "value": value, "currency": "SEK"}
    closes = changed.date().isoformat()
    return said | {"closes_on": closes, "made": stamp(MADE), "changed": stamp(changed), "gone": gone}


def listed(night: datetime) -> list[dict[str, Any]]:
    """Three deals on the first night; on the second the first is won for more, and the third was taken away."""
    early = [deal(1, "talk", MADE, "1000.00"), deal(2, "lost", MADE, "70.50"), deal(3, "offer", MADE, "5.00")]
    if night == FIRST:
        return early
    moved = SECOND - timedelta(days=2)
    return [deal(1, "won", moved, "1200.00"), early[1], deal(3, "offer", moved, "5.00", gone=True)]


@contextmanager
def served(night: datetime) -> Iterator[str]:
    """The address where two records a page are, for whoever brings the token."""
    lists = {"/stages": STAGES, "/deals": listed(night)}

    class Toy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = urlsplit(self.path)
            page = int(parse_qs(address.query)["page"][0])
            rows = lists[address.path][2 * page - 2 : 2 * page]
            more = str(page + 1) if len(lists[address.path]) > 2 * page else None
            is_known = self.headers["Authorization"] == "Bearer toy-secret"
            body = json.dumps({"data": rows, "next": more}).encode()
            self.send_response(200 if is_known else 401)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Toy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def settings_of(url: str) -> Settings:
    """As `[sources.toy]` in salesops.toml gives them."""
    return Settings.model_validate({"sources": {"toy": {"base_url": url}}})


def read(url: str, night: datetime, scratch: Path) -> tuple[int, set[str]]:
    """What the source's asset appended, and the names of the checks that passed. Nothing may fail."""
    settings, clock = settings_of(url), Clock(night - datetime.now(UTC))
    accounts = nights._other_accounts(settings, {"TOY_TOKEN": "toy-secret"})
    data = DataDirectory(scratch)
    opened = nights.Night(settings, data, clock, night, night, None, data.published, "", "", accounts=accounts)
    done = dg.materialize(build_ingest(settings), resources={"night": opened})
    checks = done.get_asset_check_evaluations()
    assert done.success and {check.passed for check in checks} == {True}
    made = {event.asset_key.path[-1] for event in done.asset_materializations_for_node("toy")}
    assert made == {"toy__deals", "toy__stages"}
    return sum(result.rows_appended for result in opened.objects), {check.check_name for check in checks}


def refusal() -> str:
    """What a night says that has no token."""
    try:
        nights._other_accounts(settings_of("http://127.0.0.1:1"), {})
    except ConfigError as error:
        return str(error)
    return ""


def main(scratch: Path) -> dict[str, Any]:
    data = scratch / "data"
    data.mkdir()
    landed, marts = DataDirectory(data).warehouse, scratch / "marts.duckdb"
    appended, checks = [], set()
    for night in (FIRST, FIRST, SECOND):
        with served(night) as url:
            rows, names = read(url, night, data)
        appended.append(rows)
        checks |= names
    with duckdb.connect(str(landed), read_only=True) as connection:
        configured = "select source, object, is_enabled, is_required from raw.settings_objects where source = 'toy'"
        row = connection.execute(f"{configured} and object = 'deals'").fetchone()
    failures = Project(scratch).build_landed(landed, AS_OF, marts)
    with duckdb.connect(str(marts), read_only=True) as connection:
        deals = connection.execute(
            "select deal_key, life_state, cast(amount as varchar), pipeline, stage from pipeline.deals order by 1"
        ).fetchall()
        changes = connection.execute(
            """select deal_key, field, old_value, new_value from pipeline.deal_changes
               where field in ('amount', 'stage') and deal_key = 'toy:deal:1' order by all"""
        ).fetchall()
        rate = connection.execute(
            """select won_count, decided_count from kpi.win_rate
               where period_grain = 'all' and dimension = 'company'"""
        ).fetchall()
    found = {"appended": appended, "failures": failures, "deals": deals, "changes": changes, "rate": rate}
    return found | {"checks": sorted(checks), "refused": refusal(), "row": row}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
