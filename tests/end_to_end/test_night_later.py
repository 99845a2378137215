"""Nights after the first: nothing changed, a day later, refused, failed, put back, killed."""

from __future__ import annotations

import hashlib
import json
import os
import random
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from tests.conftest import PRACTICE, ROOT, SALESOPS, NightRun, environment_of, salesops

pytestmark = pytest.mark.night

READERS = 20
READER = """
import sys, time
import duckdb
path, stop = sys.argv[1:]
from pathlib import Path
looks, seen = 0, set()
while not Path(stop).exists():
    with duckdb.connect(path, read_only=True) as connection:
        tables = connection.execute("select count(*) from duckdb_tables()").fetchone()[0]
        rows = connection.execute("select count(*) from pipeline.deals join meta.publication on true").fetchone()[0]
        seen.add(connection.execute("select publication_id from meta.publication").fetchone()[0])
    assert tables > 10 and rows > 0
    looks += 1
    time.sleep(2)
print(looks, len(seen))
"""


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def raw_rows(data: Path) -> dict[str, int]:
    """Rows of every raw table that holds what a source said."""
    with duckdb.connect(str(data / "warehouse.duckdb"), read_only=True) as connection:
        names = connection.execute("select table_name from duckdb_tables() where schema_name = 'raw'").fetchall()
        tables = [name for (name,) in names if "__" in name]
        return {name: connection.execute(f"select count(*) from raw.{name}").fetchone()[0] for name in tables}


def ask(path: Path, query: str) -> list:
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(query).fetchall()


@contextmanager
def readers(night: NightRun, stop: Path) -> Iterator[list[subprocess.Popen]]:
    """20 processes that query the published file in a loop until the block ends."""
    command = [sys.executable, "-c", READER, str(night.published), str(stop)]
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(READERS)
    ]
    try:
        yield started
    finally:
        stop.touch()


@contextmanager
def portal(state: Path, token: str) -> Iterator[str]:
    """A practice server of its own: to a night, a company's real HubSpot."""
    command = [sys.executable, "-m", "sandbox", "serve", "--state", str(state), "--size", "small", "--token", token]
    process = subprocess.Popen(
        [*command, "--parent-pid", str(os.getpid())], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        assert select.select([process.stdout], [], [], 120)[0]
        yield json.loads(process.stdout.readline())["url"]
    finally:
        process.terminate()
        process.wait(10)


# --- nights that publish ------------------------------------------------------------------------------------------


def test_an_unchanged_night_appends_nothing_and_says_so(night_copy):
    night = night_copy("unchanged")
    before = raw_rows(night.data)
    done = night.command("nightly")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Nothing changed since the last night" in done.stdout
    assert raw_rows(night.data) == before


@pytest.fixture(scope="module")
def next_day(night_copy, tmp_path_factory):
    """The company lives four days; then a night without permission for leads, and 20 readers all along."""
    night = night_copy("next_day")
    first = ask(night.published, "select publication_id from meta.publication")[0][0]
    lived = night.command("tomorrow", "--days", "4")
    stop = tmp_path_factory.mktemp("readers") / "stop"
    with readers(night, stop) as started:
        done = night.command("nightly", "--fault", "missing_scope:leads")
    ends = [(process.communicate(timeout=60), process.returncode) for process in started]
    return night, first, lived, done, ends


def test_the_practice_company_lives_some_days(next_day):
    _, _, lived, done, _ = next_day
    assert lived.returncode == 0 and "lived 4 more days" in lived.stdout
    assert "rows appended to raw" in done.stdout, done.stdout + done.stderr
    assert "pipeline.activities: +" in done.stdout


def test_twenty_readers_of_the_published_file_meet_no_error_during_a_night(next_day):
    *_, ends = next_day
    assert [(end[0][1], end[1]) for end in ends if end[1] != 0] == []
    looks = [tuple(map(int, end[0][0].split())) for end in ends]
    assert len(looks) == READERS and min(count for count, _ in looks) > 5
    assert all(publications <= 2 for _, publications in looks)


def test_a_scope_missing_for_leads_is_said_and_the_night_goes_on(next_day):
    night, _, _, done, _ = next_day
    assert done.returncode == 0, done.stdout + done.stderr
    assert "hubspot leads" in done.stdout and "crm.objects.leads.read" in done.stdout
    query = "select state, state_reason from meta.data_status where source = 'hubspot' and object = 'leads'"
    state, reason = ask(night.published, query)[0]
    assert state == "not_permitted" and "crm.objects.leads.read" in reason


def test_the_publication_before_can_be_put_back(next_day):
    night, first, *_ = next_day
    second = ask(night.published, "select publication_id from meta.publication")[0][0]
    assert second > first
    listed = night.command("publish").stdout
    assert second in listed and first in listed
    done = night.command("publish", "--rollback")
    assert done.returncode == 0 and first in done.stdout, done.stderr
    assert ask(night.published, "select publication_id from meta.publication")[0][0] == first
    assert (night.data / "published" / "parquet" / "CURRENT").read_text().strip() == first
    again = night.command("publish", "--rollback")
    assert again.returncode == 1 and "no publication to put back" in again.stderr
    there = night.command("publish", "--rollback", "--to", second)
    assert there.returncode == 0 and ask(night.published, "select publication_id from meta.publication")[0][0] == second


def test_a_past_instant_goes_to_its_own_folder(night_copy, tmp_path):
    """--as-of cuts events; --known-as-of cuts what was known; today's publication is left alone."""
    night = night_copy("past")
    before = digest(night.published)
    as_of = ask(night.published, "select cast(as_of - interval 90 day as varchar) from meta.publication")[0][0]
    instant = as_of.replace(" ", "T")
    instant += "" if "+" in instant[-6:] and ":" in instant[-3:] else ":00"
    done = night.command("nightly", "--as-of", instant, "--publish-to", str(tmp_path / "past"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert digest(night.published) == before
    past = tmp_path / "past" / "marts.duckdb"
    count = "select count(*) from pipeline.deals"
    assert 0 < ask(past, count)[0][0] < ask(night.published, count)[0][0]
    late = "select count(*) from pipeline.deals, meta.publication where created_at > as_of"
    assert ask(past, late)[0][0] == 0


# --- nights that refuse or fail --------------------------------------------------------------------------------------


def test_new_duplicates_are_refused_until_somebody_accepts_them(night_copy):
    from salesops import duplicates
    from salesops.config import DUPLICATES_DEFAULTS

    night = night_copy("duplicates")
    before = digest(night.published)
    done = night.command("nightly", "--fault", "duplicates")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "has_no_new_duplicate_contacts" in done.stdout and "/record/0-1/" in done.stdout
    assert "Not published." in done.stdout and "DagsterAssetCheckFailedError" not in done.stdout
    assert digest(night.published) == before
    accepted = night.command("duplicates", "accept", "--note", "imported on purpose")
    assert accepted.returncode == 0, accepted.stderr
    with duckdb.connect(str(night.data / "warehouse.duckdb")) as connection:
        assert duplicates.judge(connection, DUPLICATES_DEFAULTS, "SE").passed
        notes = connection.execute("select distinct note from raw.duplicate_baseline").fetchall()
    assert notes == [("imported on purpose",)]


def test_a_scope_missing_for_contacts_fails_that_source_and_publishes_the_rest(night_copy):
    night = night_copy("contacts")
    before = ask(night.published, "select publication_id from meta.publication")
    done = night.command("nightly", "--fault", "missing_scope:contacts")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "crm.objects.contacts.read" in done.stdout
    assert ask(night.published, "select publication_id from meta.publication") > before
    state = ask(night.published, "select state from meta.data_status where (source, object) = ('hubspot', 'contacts')")
    assert state == [("failed",)]
    assert ask(night.published, "select count(*) from pipeline.contacts")[0][0] > 0


@pytest.mark.parametrize("token", ["wrong", ""], ids=["a wrong token", "no token"])
def test_bad_credentials_end_the_night_before_anything_is_written(tmp_path, token):
    with portal(tmp_path / "portal", "the-right-one") as url:
        environment = environment_of(tmp_path / "company", f'[sources.hubspot]\nbase_url = "{url}"\n')
        done = salesops("nightly", environment=environment | {"HUBSPOT_ACCESS_TOKEN": token})
        examined = salesops("doctor", environment=environment | {"HUBSPOT_ACCESS_TOKEN": token})
    assert done.returncode == 2, done.stdout + done.stderr
    assert "HUBSPOT_ACCESS_TOKEN" in done.stderr and "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert examined.returncode == 2 and "HUBSPOT_ACCESS_TOKEN" in examined.stdout
    assert not Path(environment["SALESOPS_DATA"]).exists()


def test_doctor_says_that_a_portal_is_out_of_reach(tmp_path):
    environment = environment_of(tmp_path, '[sources.hubspot]\nbase_url = "http://127.0.0.1:9"\n')
    done = salesops("doctor", environment=environment | {"HUBSPOT_ACCESS_TOKEN": "x"})
    assert done.returncode == 3, done.stdout + done.stderr
    assert "not reachable" in done.stdout and "127.0.0.1:9" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--as-of", "2026-03-31"), "has no zone"),
        (("--as-of", "2999-01-01T00:00:00Z"), "in the future"),
        (("--known-as-of", "2999-01-01T00:00:00Z"), "in the future"),
    ],
)
def test_an_instant_that_cannot_be_is_an_error(tmp_path, arguments, says):
    done = salesops("nightly", *arguments, environment=environment_of(tmp_path, PRACTICE))
    assert done.returncode == 2 and says in done.stderr and "Traceback" not in done.stderr


# --- kill -9 -----------------------------------------------------------------------------------------------------


def contents(path: Path) -> dict[str, tuple[int, str]]:
    """Rows and an order-free digest of every pipeline and kpi table, without the instants of landing."""
    with duckdb.connect(str(path), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        found = {}
        for schema, table in connection.execute(
            "select schema_name, table_name from duckdb_tables() where schema_name in ('pipeline', 'kpi') order by all"
        ).fetchall():
            described = connection.execute(f"describe {schema}.{table}").fetchall()
            columns = ", ".join(f'"{name}"' for name, *_ in described if name not in ("known_from", "first_seen_at"))
            rows = connection.execute(
                f"select cast(row({columns}) as varchar) as line from {schema}.{table}"
            ).fetchall()
            lines = sorted(line for (line,) in rows)
            found[f"{schema}.{table}"] = (len(lines), hashlib.sha256("\n".join(lines).encode()).hexdigest())
        return found


def kill_after(seconds: float, environment: dict[str, str]) -> bool:
    """Start a night and kill -9 it; whether it was still running then."""
    process = subprocess.Popen(
        [SALESOPS, "nightly"], env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True
    return False


@pytest.mark.timeout(600)
def test_a_night_killed_at_random_moments_ends_in_the_contents_of_one_that_was_not(first_night, tmp_path):
    environment = environment_of(tmp_path, PRACTICE)
    data = Path(environment["SALESOPS_DATA"])
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    length = first_night.seconds
    moments = [chance.uniform(a * length, b * length) for a, b in ((0.1, 0.35), (0.2, 0.7), (0.5, 0.95))]
    killed = [kill_after(moment, environment) for moment in moments]
    assert any(killed), (seed, moments)
    as_of = ask(
        first_night.published,
        "select strftime(as_of at time zone 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ') from meta.publication",
    )
    done = salesops("nightly", "--as-of", as_of[0][0], environment=environment)
    assert done.returncode == 0, (seed, moments, done.stdout, done.stderr)
    expected, found = contents(first_night.published), contents(data / "published" / "marts.duckdb")
    assert len(expected) > 15
    assert {name: (expected[name][0], found[name][0]) for name in expected if expected[name] != found[name]} == {}, seed
    assert expected == found
    leftovers = [p.name for p in (data / "published").rglob("*") if p.name.startswith(".") or p.suffix == ".wal"]
    assert leftovers == []


def test_a_second_night_on_the_same_data_is_kept_out_while_one_runs(night_copy):
    import fcntl

    night = night_copy("locked")
    with (night.data / "night.lock").open("a+") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        done = night.command("nightly")
        looked = night.command("doctor")
    assert done.returncode == 2 and "another night is running" in done.stderr
    assert "running now" in looked.stdout
