"""CPU-seconds per million contacts, from a local server to the committed raw table.

    python bench/landing.py [--records 200000] [--properties 25] [--shuffled] [--repeat 3]

Prints, on the same pages: the floor (drained by `requests`; read by DuckDB from disk into a JSON table), our landing,
and a `dlt` REST source into DuckDB (its cheapest loader format: Parquet) where dlt is installed (extra `bench`).
Ends with 1 when a limit is broken. The server is a process of its own with pre-serialised pages: not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

PAGE = 100
STAMP = "2026-11-02T17:04:11.120Z"


def make_pages(records: int, properties: int, shuffled: bool, base: str) -> dict[str, bytes]:
    """cursor -> serialised page, about 811 bytes a record at 25 properties."""
    draw = random.Random(7)
    names = ["hs_object_id", "createdate", "lastmodifieddate", "email", "firstname", "lastname"]
    names += [f"field_{number:03}" for number in range(properties - len(names))]
    names = draw.sample(names, len(names)) if shuffled else sorted(names)
    pages = {}
    for start in range(0, records, PAGE):
        rows = [contact(number, names, draw) for number in range(start + 1, min(start + PAGE, records) + 1)]
        page: dict[str, object] = {"results": rows}
        if start + PAGE < records:
            after = str(start + PAGE)
            page["paging"] = {"next": {"after": after, "link": f"{base}/crm/v3/objects/contacts?after={after}"}}
        pages[str(start)] = json.dumps(page, separators=(",", ":"), ensure_ascii=False).encode()
    return pages


def contact(number: int, names: list[str], draw: random.Random) -> dict[str, object]:
    values: dict[str, str | None] = {name: f"Value {draw.randrange(10**9)} åö" for name in names}
    values |= {"hs_object_id": str(number), "createdate": STAMP, "lastmodifieddate": STAMP, names[-1]: None}
    return {"id": str(number), "properties": values, "createdAt": STAMP, "updatedAt": STAMP, "archived": False}


class Pages(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    pages: ClassVar[dict[str, bytes]] = {}

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        if parts.path == "/crm/v3/objects/contacts" and query.get("archived") != ["true"]:
            return self.reply(self.pages[query.get("after", ["0"])[0]])
        return self.reply(b'{"results":[]}')

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.reply(b'{"results":[]}')

    def reply(self, body: bytes) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body))
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


def serve_pages(records: int, properties: int, shuffled: bool) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    base = f"http://127.0.0.1:{server.server_address[1]}"
    Pages.pages = make_pages(records, properties, shuffled, base)
    print(base, flush=True)
    server.serve_forever()


@contextmanager
def served(arguments: argparse.Namespace):
    command = [sys.executable, __file__, "--serve", f"--records={arguments.records}"]
    command += [f"--properties={arguments.properties}"] + (["--shuffled"] if arguments.shuffled else [])
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


def walk(base: str) -> list[bytes]:
    import requests

    bodies, after = [], "0"
    with requests.Session() as session:
        while after is not None:
            answer = session.get(f"{base}/crm/v3/objects/contacts", params={"limit": "100", "after": after})
            bodies.append(answer.content)
            following = len(bodies) * PAGE
            after = str(following) if b'"paging"' in answer.content[-200:] else None
    return bodies


def drain(base: str, folder: Path) -> int:
    """The network floor: every page asked for and thrown away."""
    return len(walk(base)) * PAGE


def read_floor(base: str, folder: Path) -> int:
    """The database floor: pages that are on disk already into a JSON table, committed."""
    import duckdb

    with duckdb.connect(str(folder / "floor.duckdb")) as connection:
        connection.execute(
            f"""create table contacts as select unnest(results) as payload from read_json('{folder}/pages.jsonl',
                format='newline_delimited', records=true, columns={{results: 'JSON[]'}})"""
        )
        return connection.execute("select count(*) from contacts").fetchone()[0]


def our_landing(base: str, folder: Path) -> int:
    """Session, whole-page check, spool, canonical payloads, hashes, cursor: the committed raw table."""
    import duckdb

    from ingestion import merges
    from ingestion.hubspot_reader import ObjectReader
    from ingestion.hubspot_streams import STREAMS
    from ingestion.landing import Batch, Spool, land, prepare
    from ingestion.objects import find
    from ingestion.session import SourceSession

    now = datetime(2026, 11, 23, tzinfo=UTC)
    stream = next(replace(s, history=(), links=()) for s in STREAMS if s.name == "contacts")
    session = SourceSession(base, "token", token_name="TOKEN")
    spool = Spool(folder / "spool", merges.STATED)
    names = [f"field_{number:03}" for number in range(19)]
    ObjectReader(session, stream, names, spool, now).read_all()
    with duckdb.connect(str(folder / "ours.duckdb")) as connection:
        prepare(connection)
        batch = Batch(find("hubspot", "contacts"), spool, "bench", now, stream.volatile, stream.can_merge)
        return land(connection, batch).rows_appended


def dlt_source(base: str, folder: Path) -> int:
    """dlt's REST source with its HubSpot-like cursor paginator, Parquet files, nested values kept as JSON."""
    import dlt
    from dlt.sources.rest_api import rest_api_source

    os.environ |= {
        "DLT_DATA_DIR": str(folder / "dlt"),
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "NORMALIZE__WORKERS": "1",
        "DATA_WRITER__BUFFER_MAX_ITEMS": "50000",
    }
    source = rest_api_source(
        {
            "client": {
                "base_url": base,
                "paginator": {"type": "cursor", "cursor_path": "paging.next.after", "cursor_param": "after"},
            },
            "resources": [
                {
                    "name": "contacts",
                    "max_table_nesting": 0,
                    "endpoint": {
                        "path": "crm/v3/objects/contacts",
                        "params": {"limit": 100},
                        "data_selector": "results",
                    },
                    "columns": {"properties": {"data_type": "json"}},
                }
            ],
        },
        max_table_nesting=0,
    )
    pipeline = dlt.pipeline(
        "bench", destination=dlt.destinations.duckdb(str(folder / "dlt.duckdb")), dataset_name="raw"
    )
    pipeline.run(source, loader_file_format=os.environ.get("BENCH_DLT_FORMAT", "parquet"))
    with pipeline.sql_client() as client:
        return client.execute_sql("select count(*) from contacts")[0][0]


def cpu_seconds() -> float:
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


MEASURES: dict[str, tuple[str, Callable[[str, Path], int]]] = {
    "drain": ("floor: drained by requests", drain),
    "read": ("floor: DuckDB reads the spooled file", read_floor),
    "ours": ("our landing", our_landing),
    "dlt": ("dlt REST source into DuckDB", dlt_source),
}


def measure_here(name: str, base: str, folder: Path) -> None:
    """Run one measure in this process; CPU of imports is left out, as a night pays it once."""
    if name == "read":
        (folder / "pages.jsonl").write_bytes(b"\n".join(walk(base)) + b"\n")
    if name == "ours":
        import ingestion.landing
        import ingestion.session  # noqa: F401
    if name == "dlt":
        import dlt.sources.rest_api  # noqa: F401
    before = cpu_seconds()
    rows = MEASURES[name][1](base, folder)
    print(json.dumps({"rows": rows, "cpu": cpu_seconds() - before}))


def measure(name: str, base: str) -> float | None:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, f"--measure={name}", f"--base={base}", f"--folder={folder}"]
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}  # also where we are not installed
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        print(f"{MEASURES[name][0]:40} not measured: {done.stderr.strip().splitlines()[-1]}")
        return None
    result = json.loads(done.stdout.strip().splitlines()[-1])
    per_million = float(result["cpu"]) / int(result["rows"]) * 1e6
    print(f"{MEASURES[name][0]:40} {per_million:8.1f} CPU-s per million  ({result['rows']} records)", flush=True)
    return per_million


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--properties", type=int, default=25)
    parser.add_argument("--shuffled", action="store_true", help="properties not sorted by name, as a vendor may send")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", choices=MEASURES, action="append")
    for hidden in ("--measure", "--base", "--folder"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve_pages(arguments.records, arguments.properties, arguments.shuffled)
        return 0
    if arguments.measure:
        measure_here(arguments.measure, arguments.base, Path(arguments.folder))
        return 0
    least: dict[str, float] = {}  # other work on the machine only ever adds: the least of the repeats is compared
    with served(arguments) as base:
        for _ in range(arguments.repeat):
            for name in arguments.only or MEASURES:
                found = measure(name, base)
                if found is not None:
                    least[name] = min(found, least.get(name, found))
    return verdict(least.get("ours"), least.get("dlt"))


def verdict(ours: float | None, dlt: float | None) -> int:
    """Print what the limits say; 1 when one of them is broken."""
    kept = True
    if ours is not None:
        print(f"ours {ours:.1f}; at most 35 wanted")
        kept = ours <= 35
    if ours is not None and dlt is not None:
        print(f"dlt / ours: {dlt / ours:.1f}; at least 5 wanted")
        kept = kept and dlt / ours >= 5
    return 0 if kept else 1


if __name__ == "__main__":
    raise SystemExit(main())
