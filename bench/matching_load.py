"""What a night with little new costs, and what bad input costs: cases of `bench.matching`, each in its own process."""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

from analysis.matching import resolve
from analysis.matching.engine import RESULTS

ROOT = Path(__file__).parents[1]
OLD = {
    "contacts": "where created_at <= (select quantile_disc(created_at, 0.99) from contacts)",
    "companies": "where hash(record_key || 'x') % 100 <> 0",
}
"""All but the newest contact in a hundred, and any company in a hundred."""
NIGHT_SECONDS = 6  # at a million contacts
PAIRS_A_CONTACT, BAD_SECONDS, MEMORY_LIMIT_MB = 30, 75, 4096

PLAIN = {
    "record_key": "'c' || i",
    "source": "'crm'",
    "created_at": "timestamptz '2030-01-01 00:00:00+00' + to_minutes(i::bigint)",
    "updated_at": "null::timestamptz",
    "first_name": "'F' || md5('f' || i % 977)",
    "last_name": "'L' || md5('l' || i)",
    "email": "'m' || i || '@d' || i || '.test'",
    "phone": "'+4670' || (1000000 + i)",
    "company_name": "null::varchar",
    "company_record_key": "null::varchar",
    "title": "null::varchar",
    "city": "null::varchar",
    "country": "null::varchar",
}
BAD = {
    "one address for all": {"email": "'info@acme.test'"},
    "one telephone for all": {"phone": "'08-123 45 67'"},
    "no names": {"first_name": "null::varchar", "last_name": "''"},
    "one-letter names": {"first_name": "chr((65 + i % 26)::integer)", "last_name": "chr((65 + i % 24)::integer)"},
    "one name for all": {"first_name": "'Anna'", "last_name": "'Andersson'"},
    "one company for all": {"company_name": "'Acme AB'", "email": "'m' || i || '@acme.test'"},
    "ten thousand letters": {
        "first_name": "repeat('a', 10000)",
        "last_name": "repeat(md5((i // 2)::varchar), 300)",
        "phone": "'+4670' || (1000000 + i // 2)",
    },
    "right to left and Chinese": {  # two letters each, and a mark of direction that nobody sees
        "first_name": "chr((1575 + i % 32)::integer) || chr(8207) || chr((1575 + i % 31)::integer)",
        "last_name": "chr((19968 + i % 3000)::integer) || chr((19968 + i % 997)::integer)",
    },
    "everything the same": {
        "first_name": "'Anna'",
        "last_name": "'Lind'",
        "email": "'anna@acme.test'",
        "phone": "'0701234567'",
        "city": "'Lund'",
    },
}
NO_COMPANIES = (
    "create table companies as select null::varchar as record_key, null::varchar as source,"
    " null::timestamptz as created_at, null::varchar as name, null::varchar as domain, null::varchar as legal_id,"
    " null::varchar as country, null::varchar as city, null::varchar as phone where false"
)


def bad(connection: duckdb.DuckDBPyConnection, change: dict[str, str], count: int) -> None:
    """So many contacts, plain but for the change, and no companies. A view: long names fill no disk."""
    columns = ", ".join(f"{value} as {name}" for name, value in (PLAIN | change).items())
    connection.execute(f"create view contacts as select {columns} from range({count}) as r (i)")
    connection.execute(NO_COMPANIES)


def measured(connection: duckdb.DuckDBPyConnection, contacts: str, companies: str, memory: Path | None = None) -> dict:
    started = time.perf_counter(), time.process_time()
    report = resolve(connection, contacts=contacts, companies=companies, memory=memory)
    return {
        "seconds": round(time.perf_counter() - started[0], 1),
        "cpu_seconds": round(time.process_time() - started[1], 1),
        "memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "contacts": report.contact_count,
        "pairs": report.pair_count,
        "uncompared": report.uncompared_count,
        "recalled": report.recalled,
        "steps": report.seconds,
    }


def run_bad(name: str, count: int) -> dict:
    connection = duckdb.connect(config={"threads": 2})
    bad(connection, BAD[name], count)
    found = measured(connection, "contacts", "companies")
    largest = "select max(n) from (select count(*) as n from matches_contact_clusters group by cluster_key)"
    return found | {"largest": connection.execute(largest).fetchall()[0][0]}


def run_night(what: str, directory: Path, folder: Path) -> dict:
    """`before`: all but the new, which writes the memory; `night`: all, with it; `anew`: all, without."""
    connection = duckdb.connect(config={"threads": 2})
    for name in ("contacts", "companies"):
        connection.execute(f"create table {name} as from '{directory / name}.parquet'")
        where = OLD[name] if what == "before" else ""
        connection.execute(f"create view tonight_{name} as from {name} {where}")
    memory = None if what == "anew" else folder / "known.duckdb"
    found = measured(connection, "tonight_contacts", "tonight_companies", memory)
    connection.execute(f"attach '{folder / what}.duckdb' as kept")
    for name in RESULTS:
        connection.execute(f"create table kept.{name} as from matches_{name}")
    return found


def apart(*arguments: str) -> dict:
    command = [sys.executable, "-m", "bench.matching_load", *arguments]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def night(directory: Path) -> dict[str, dict]:
    with tempfile.TemporaryDirectory() as folder:
        found = {what: apart("night", what, str(directory), folder) for what in ("before", "night", "anew")}
        with duckdb.connect() as connection:
            for what in found:
                connection.execute(f"attach '{folder}/{what}.duckdb' as {what} (read_only)")
            found["differences"] = sum(
                connection.execute(
                    f"select count(*) from ((from night.{name} except all from anew.{name})"
                    f" union all (from anew.{name} except all from night.{name}))"
                ).fetchall()[0][0]
                for name in RESULTS
            )
            found["clusters"] = connection.execute(CHANGED).fetchall()[0]
    return found


CHANGED = """
with known as (
    select cluster_key, list(record_key order by record_key) as records
    from before.contact_clusters group by cluster_key
),

after as (
    select cluster_key, list(record_key order by record_key) as records
    from night.contact_clusters semi join before.contact_clusters using (record_key) group by cluster_key
)

select count(*), count(*) filter (where known.records is not distinct from after.records)
from known left join after on known.cluster_key = after.cluster_key
"""


def misses_of_night(found: dict) -> list[str]:
    seconds = min(found["night"]["seconds"], found["night"]["cpu_seconds"])
    is_late = seconds > NIGHT_SECONDS and found["night"]["contacts"] >= 1_000_000
    missed = [f"seconds {seconds} > {NIGHT_SECONDS}"] if is_late else []
    return missed + ([f"{found['differences']} rows differ"] if found["differences"] else [])


def misses_of_bad(found: dict) -> list[str]:
    limits = {
        "seconds": (min(found["seconds"], found["cpu_seconds"]), BAD_SECONDS),
        "MB": (found["memory_mb"], MEMORY_LIMIT_MB),
        "pairs": (found["pairs"], PAIRS_A_CONTACT * found["contacts"]),
    }
    return [f"{name} {value} > {limit}" for name, (value, limit) in limits.items() if value > limit]


def rows_of_night(case: str, found: dict) -> list[list[object]]:
    rows: list[list[object]] = []
    for what, told in {"before": "all but the new", "night": "**the night**", "anew": "all, from the start"}.items():
        run = found[what]
        new, gone = run["recalled"].get("contact", (0, run["contacts"], 0))[1:]
        costs = (run[name] for name in ("pairs", "seconds", "cpu_seconds", "memory_mb"))
        rows.append([case, told, run["contacts"], new, gone, *costs, "", "", ""])
    clusters, kept = found["clusters"]
    equal = f"no: {found['differences']} rows" if found["differences"] else "yes"
    rows[1][-3:] = [equal, f"{kept} of {clusters}", "; ".join(misses_of_night(found)) or "none"]
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", choices=["night", "bad"])
    parser.add_argument("arguments", nargs="+")
    options = parser.parse_args()
    if options.case == "bad":
        name, count = options.arguments
        print(json.dumps(run_bad(name, int(count))))
    else:
        what, directory, folder = options.arguments
        print(json.dumps(run_night(what, Path(directory), Path(folder))))


if __name__ == "__main__":
    main()
