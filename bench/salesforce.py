"""CPU-seconds per million records of a first load from Salesforce: by REST pages of 2,000, and by a bulk query job.

    python -m bench.salesforce [--records 200000] [--repeat 2]

A local server hands out serialised pages and CSV; what is measured is a first night's work on one object: ask, check,
spool, land, commit. Fewer than a million records are an extrapolation, and the printed count says of how many.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from bench.landing import Pages, ThreadingHTTPServer, cpu_seconds

PAGE, BULK_PAGE = 2_000, 50_000
FIELDS = {
    "Id": "id", "IsDeleted": "boolean", "CreatedDate": "datetime", "SystemModstamp": "datetime", "OwnerId": "reference",
    "WhoId": "reference", "WhatId": "reference", "AccountId": "reference", "Subject": "combobox", "Status": "picklist",
    "IsClosed": "boolean", "ActivityDate": "date", "TaskSubtype": "picklist", "CallDurationInSeconds": "int",
    "Amount__c": "currency", **{f"Text_{number}__c": "string" for number in range(12)},
}  # fmt: skip
PREFIX = "/services/data/v61.0"


def row(number: int) -> dict[str, object]:
    """A task of 27 fields, about 900 bytes."""
    stamp = "2026-11-02T17:04:11.000+0000"
    values: dict[str, object] = {
        "Id": f"00T{number:012d}AAA", "IsDeleted": False, "CreatedDate": stamp, "SystemModstamp": stamp,
        "OwnerId": f"005{number % 99:012d}AAA", "WhoId": f"003{number % 9999:012d}AAA", "WhatId": None,
        "AccountId": f"001{number % 999:012d}AAA", "Subject": "Call: åö", "Status": "Completed", "IsClosed": True,
        "ActivityDate": "2026-11-02", "TaskSubtype": "Call", "CallDurationInSeconds": number % 3600,
        "Amount__c": number + 0.5,
    }  # fmt: skip
    return values | {name: f"Value {number}" for name in FIELDS if name.startswith("Text_")}


class OrgPages(Pages):
    """One object's pages under the addresses that the client asks; the Sforce headers with the CSV."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        name = parts.path.removeprefix(PREFIX)
        if name != "/jobs/query/1/results":
            return self.reply(self.pages[name])
        start = parse_qs(parts.query).get("locator", ["0"])[0]
        body = self.pages[f"csv {start}"]
        following = str(int(start) + BULK_PAGE)
        more = following if f"csv {following}" in self.pages else "null"
        rows = body.count(b"\n") - 1
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nContent-Length: {len(body)}\r\n"
        self.wfile.write(f"{head}Sforce-Locator: {more}\r\nSforce-NumberOfRecords: {rows}\r\n\r\n".encode() + body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if urlsplit(self.path).path.endswith("/token"):
            return self.reply(b'{"access_token":"bench"}')
        self.reply(b'{"id":"1","state":"UploadComplete"}')


def make_pages(count: int) -> dict[str, bytes]:
    pages = {"/jobs/query/1": b'{"id":"1","state":"JobComplete"}'}
    for start in range(0, count, PAGE):
        rows = [row(number) for number in range(start, min(start + PAGE, count))]
        attributes = {"type": "Task", "url": f"{PREFIX}/sobjects/Task/00T"}
        page = {"totalSize": count, "done": start + PAGE >= count}
        if not page["done"]:
            page["nextRecordsUrl"] = f"{PREFIX}/query/01g-{start + PAGE}"  # type: ignore[assignment]
        page["records"] = [{"attributes": attributes} | one for one in rows]  # type: ignore[assignment]
        name = f"/query/01g-{start}" if start else "/queryAll"
        pages[name] = json.dumps(page, separators=(",", ":"), ensure_ascii=False).encode()
    header = ",".join(f'"{name}"' for name in FIELDS)
    for start in range(0, count, BULK_PAGE):
        lines = [header]
        for number in range(start, min(start + BULK_PAGE, count)):
            cells = ["" if value is None else str(value).replace("+0000", "Z") for value in row(number).values()]
            lines.append(",".join(f'"{cell}"' for cell in cells))
        pages[f"csv {start}"] = ("\n".join(lines) + "\n").encode()
    return pages


def ours(base: str, folder: Path, bulk_above: int) -> int:
    """What a first night does for one object."""
    import duckdb

    from ingestion import salesforce
    from ingestion.landing import land, prepare
    from ingestion.salesforce_client import Login

    login = Login("key", "secret")
    source = salesforce.SalesforceSource(login, base, folder / "spool", bulk_above=bulk_above, poll_seconds=0.0)
    stream = next(stream for stream in salesforce.STREAMS if stream.name == "tasks")
    described = {"fields": [{"name": name, "type": kind} for name, kind in FIELDS.items()]}
    now = datetime(2026, 11, 23, tzinfo=UTC)
    batch = salesforce._ObjectRead(source, stream, described, salesforce.Known(), now).batch("bench")
    with duckdb.connect(str(folder / "ours.duckdb")) as connection:
        prepare(connection)
        return land(connection, batch).rows_appended


MEASURES = {"rest": ("REST, pages of 2,000", 10**9), "bulk": ("bulk query job, CSV", 1)}


def measure_here(name: str, base: str, folder: Path) -> None:
    """One measure in this process; CPU of imports is left out, as a night pays it once."""
    import ingestion.salesforce  # noqa: F401

    before = cpu_seconds()
    rows = ours(base, folder, MEASURES[name][1])
    print(json.dumps({"rows": rows, "cpu": cpu_seconds() - before}))


def measure(name: str, base: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "bench.salesforce",
            f"--measure={name}",
            f"--base={base}",
            f"--folder={folder}",
        ]
        done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    if done.returncode:
        print(f"{MEASURES[name][0]:24} not measured: {done.stderr.strip().splitlines()[-1]}")
        return
    result = json.loads(done.stdout.strip().splitlines()[-1])
    per_million = float(result["cpu"]) / int(result["rows"]) * 1e6
    print(f"{MEASURES[name][0]:24} {per_million:8.1f} CPU-s per million  ({result['rows']} records)", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--repeat", type=int, default=2)
    for hidden in ("--measure", "--base", "--folder"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        OrgPages.pages = make_pages(arguments.records)
        server = ThreadingHTTPServer(("127.0.0.1", 0), OrgPages)
        print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
        server.serve_forever()
    if arguments.measure:
        measure_here(arguments.measure, arguments.base, Path(arguments.folder))
        return 0
    command = [sys.executable, "-m", "bench.salesforce", "--serve", f"--records={arguments.records}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1])
    try:
        assert process.stdout is not None
        base = process.stdout.readline().strip()
        for _ in range(arguments.repeat):
            for name in MEASURES:
                measure(name, base)
    finally:
        process.terminate()
        process.wait()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
