"""CPU-seconds per million records of a first load from Salesforce: by REST pages of 2,000 and by a bulk query job,
each beside `dlt`.

    python -m bench.salesforce [--records 200000] [--repeat 2] [--only rest dlt ...]

A local server hands out serialised pages, CSV and JSON; what is measured is a first night's work on one object: ask,
check, spool, land, commit. Fewer than a million records are an extrapolation, and the printed count says of how many.
dlt's own source for Salesforce asks Bulk API 1.0 in JSON: it is measured (as omniload carries it) where omniload is
installed, and so is dlt's generic REST source on our REST pages, in its cheapest configuration. Ends with 1 when REST
pages cost dlt less than 5 times what they cost us.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from bench.landing import Pages, ThreadingHTTPServer, cpu_seconds

PAGE, BULK_PAGE = 2_000, 50_000
FIELDS = {
    "Id": "id", "IsDeleted": "boolean", "CreatedDate": "datetime", "SystemModstamp": "datetime", "OwnerId": "reference",
    "WhoId": "reference", "WhatId": "reference", "AccountId": "reference", "Subject": "combobox", "Status": "picklist",
    "IsClosed": "boolean", "ActivityDate": "date", "TaskSubtype": "picklist", "CallDurationInSeconds": "int",
    "Amount__c": "currency", **{f"Text_{number}__c": "string" for number in range(12)},
}  # fmt: skip
PREFIX, ASYNC = "/services/data/v61.0", "/services/async/59.0"
DESCRIBED = {"fields": [{"name": name, "type": kind, "compoundFieldName": None} for name, kind in FIELDS.items()]}
FIRST = "SELECT Id FROM Task"


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
        if parts.path.startswith(ASYNC):
            return self.reply(self.pages[parts.path.removeprefix(ASYNC)])
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
        path = urlsplit(self.path).path
        if path.endswith("/token"):
            return self.reply(b'{"access_token":"bench"}')
        if path.startswith("/services/Soap/"):
            server = f"https://{self.headers['Host']}/services/Soap/u/59.0"
            said = f"<r><sessionId>bench</sessionId><serverUrl>{server}</serverUrl></r>"
            return self.reply(said.encode())
        if path.startswith(ASYNC):
            return self.reply(b'{"id":"1","jobId":"1","state":"Completed"}')
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
    return pages | async_pages(count)


def async_pages(count: int) -> dict[str, bytes]:
    """One job of Bulk API 1.0 with a result for every 50,000 records, instants as milliseconds; its description."""
    starts = range(0, count, BULK_PAGE)
    pages = {"/job/1/batch/1": b'{"id":"1","jobId":"1","state":"Completed"}'}
    pages["/job/1/batch/1/result"] = json.dumps([str(start) for start in starts]).encode()
    for start in starts:  # a second between two records: dlt compares those of one instant pair by pair
        at = 1_600_000_000_000 + 1_000 * start
        rows = [row(number) for number in range(start, min(start + BULK_PAGE, count))]
        for place, one in enumerate(rows):
            one |= {"CreatedDate": at, "SystemModstamp": at + 1_000 * place}
        attributes = {"type": "Task", "url": f"{PREFIX}/sobjects/Task/00T"}
        whole = [{"attributes": attributes} | one for one in rows]
        pages[f"/job/1/batch/1/result/{start}"] = json.dumps(whole, separators=(",", ":"), ensure_ascii=False).encode()
    pages["/services/data/v59.0/sobjects/Task/describe"] = json.dumps(DESCRIBED).encode()
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
    now = datetime(2026, 11, 23, tzinfo=UTC)
    batch = salesforce._ObjectRead(source, stream, DESCRIBED, salesforce.Known(), now).batch("bench")
    with duckdb.connect(str(folder / "ours.duckdb")) as connection:
        prepare(connection)
        return land(connection, batch).rows_appended


def dlt_rest(base: str, folder: Path) -> int:
    """dlt's generic REST source: the answer's link to the next page, Parquet files, nothing nested, one worker."""
    from dlt.sources.rest_api import rest_api_source

    paginator = {"type": "json_link", "next_url_path": "nextRecordsUrl"}
    endpoint = {"path": f"{PREFIX}/queryAll", "params": {"q": FIRST}, "data_selector": "records"}
    columns = {"attributes": {"data_type": "json"}}
    resource = {"name": "task", "max_table_nesting": 0, "endpoint": endpoint, "columns": columns}
    client = {"base_url": base, "paginator": paginator}
    source = rest_api_source({"client": client, "resources": [resource]}, max_table_nesting=0)  # type: ignore[typeddict-item,list-item]
    return dlt_run(source, folder)


def dlt_bulk(base: str, folder: Path) -> int:
    """dlt's verified source: Bulk API 1.0 in JSON, by simple-salesforce; appended, as a first load needs no merge."""
    from bench.redirected import redirect

    redirect(base)
    from omniload.source.salesforce.adapter import salesforce_source

    source = salesforce_source("bench", "bench", "", "acme.my", "Task").with_resources("task")
    source.resources["task"].apply_hints(primary_key="Id", write_disposition="append")
    return dlt_run(source, folder)


def dlt_run(source: Any, folder: Path) -> int:
    import dlt

    destination = dlt.destinations.duckdb(str(folder / "dlt.duckdb"))
    pipeline = dlt.pipeline("bench", pipelines_dir=str(folder), destination=destination, dataset_name="raw")
    pipeline.run(source, loader_file_format=os.environ.get("BENCH_DLT_FORMAT", "parquet"))
    with pipeline.sql_client() as sql:
        return sql.execute_sql("select count(*) from task")[0][0]


MEASURES: dict[str, tuple[str, Callable[[str, Path], int]]] = {
    "rest": ("ours, REST, pages of 2,000", partial(ours, bulk_above=10**9)),
    "dlt": ("dlt REST source, the same pages", dlt_rest),
    "bulk": ("ours, bulk query job, CSV", partial(ours, bulk_above=1)),
    "dlt-bulk": ("dlt's source, Bulk API 1.0, JSON", dlt_bulk),
}


def measure_here(name: str, base: str, folder: Path) -> None:
    """One measure in this process; CPU of imports is left out, as a night pays it once."""
    if name.startswith("dlt"):
        os.environ |= {
            "DLT_DATA_DIR": str(folder / "dlt"), "RUNTIME__DLTHUB_TELEMETRY": "false", "NORMALIZE__WORKERS": "1",
            "DATA_WRITER__BUFFER_MAX_ITEMS": "50000",
        }  # fmt: skip
        import dlt.sources.rest_api  # noqa: F401
    else:
        import ingestion.salesforce  # noqa: F401
    if name == "dlt-bulk":
        import omniload.source.salesforce.adapter  # noqa: F401

    before = cpu_seconds()
    rows = MEASURES[name][1](base, folder)
    print(json.dumps({"rows": rows, "cpu": cpu_seconds() - before}))


def measure(name: str, base: str) -> float | None:
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
        print(f"{MEASURES[name][0]:34} not measured: {done.stderr.strip().splitlines()[-1]}")
        return None
    result = json.loads(done.stdout.strip().splitlines()[-1])
    per_million = float(result["cpu"]) / int(result["rows"]) * 1e6
    print(f"{MEASURES[name][0]:34} {per_million:8.1f} CPU-s per million  ({result['rows']} records)", flush=True)
    return per_million


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=MEASURES)
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
    least: dict[str, float] = {}  # other work on the machine only ever adds: the least of the repeats is compared
    try:
        assert process.stdout is not None
        base = process.stdout.readline().strip()
        for _ in range(arguments.repeat):
            for name in arguments.only or MEASURES:
                if (found := measure(name, base)) is not None:
                    least[name] = min(found, least.get(name, found))
    finally:
        process.terminate()
        process.wait()
    for mine, theirs, wanted in (("rest", "dlt", 5.0), ("bulk", "dlt-bulk", 0.0)):
        if mine in least and theirs in least:
            ratio = least[theirs] / least[mine]
            print(f"{theirs} / {mine}: {ratio:.1f}" + (f"; at least {wanted:.0f} wanted" if wanted else ""))
            if ratio < wanted:
                return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
