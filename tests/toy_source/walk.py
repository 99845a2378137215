"""The toy CRM in a copy of the repository where the walk has been walked: served, read twice, and built into marts.

`python -m tests.toy_source.walk` there, with a scratch directory; prints as JSON what the marts hold of it.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import duckdb
from ingestion.toy import sync_toy  # stands in the copy

from ingestion import landing
from ingestion.session import SourceSession
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
def served(night: datetime) -> Iterator[SourceSession]:
    """Two records a page, to whoever brings the token."""
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
    session = SourceSession(f"http://127.0.0.1:{server.server_port}", "toy-secret", token_name="TOY_TOKEN")
    try:
        yield session
    finally:
        session.close()
        server.shutdown()
        server.server_close()


def main(scratch: Path) -> dict[str, Any]:
    landed, marts = scratch / "landed.duckdb", scratch / "marts.duckdb"

    @contextmanager
    def opened() -> Iterator[duckdb.DuckDBPyConnection]:
        with duckdb.connect(str(landed)) as connection:
            yield connection

    with opened() as connection:
        landing.prepare(connection)
    appended = []
    for night, run in ((FIRST, "first"), (FIRST, "again"), (SECOND, "second")):
        with served(night) as session:
            results = list(sync_toy(opened, session, scratch / "spool", run, night))
        appended.append(sum(result.rows_appended for result in results))
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
    return {"appended": appended, "failures": failures, "deals": deals, "changes": changes, "rate": rate}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
