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
from typer.testing import CliRunner

from salesops.cli import app
from tests.conftest import PRACTICE, ROOT, SALESOPS, environment_of, parsed_once, salesops

pytestmark = pytest.mark.night


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def raw_rows(data: Path) -> dict[str, int]:
    """Rows of every raw table that holds what a source said."""
    with duckdb.connect(str(data / "warehouse.duckdb"), read_only=True) as connection:
        names = connection.execute("select table_name from duckdb_tables() where schema_name = 'raw'").fetchall()
        tables = [name for (name,) in names if "__" in name]
        return {name: connection.execute(f"select count(*) from raw.{name}").fetchone()[0] for name in tables}


def parsed_at(data: Path) -> dict[str, float]:
    """When dbt parsed each node of the project that the night was built with."""
    nodes = json.loads((data / "dbt" / "target" / "manifest.json").read_text())["nodes"]
    return {name: node["created_at"] for name, node in nodes.items()}


def ask(path: Path, query: str) -> list:
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(query).fetchall()


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


@pytest.fixture(scope="module")
def unchanged(night_copy):
    """Raw rows and parsed dbt nodes before and after a night in a copied data directory, and the night."""
    night = night_copy("unchanged")
    before = raw_rows(night.data), parsed_at(night.data)
    done = night.command("nightly")
    assert done.returncode == 0, done.stdout + done.stderr
    return before, (raw_rows(night.data), parsed_at(night.data)), done


def test_an_unchanged_night_appends_nothing_and_says_so(unchanged):
    (before, _), (after, _), done = unchanged
    assert "Nothing changed since the last night" in done.stdout
    assert after == before


def test_a_copied_data_directory_takes_its_parse_along(unchanged):
    """Parsing the project anew costs seconds of every night: neither folders nor a night's instants ask for it."""
    (_, before), (_, after), _ = unchanged
    assert len(before) > 1000
    assert after == before


def test_the_practice_company_lives_some_days(next_day):
    _, _, lived, done, _ = next_day
    assert lived.returncode == 0 and "lived 4 more days" in lived.stdout
    assert "rows appended to raw" in done.stdout, done.stdout + done.stderr
    assert "pipeline.activities: +" in done.stdout


def test_twenty_readers_of_the_published_file_meet_no_error_during_a_night(next_day):
    *_, ends = next_day
    assert [(end[0][1], end[1]) for end in ends if end[1] != 0] == []
    looks = [tuple(map(int, end[0][0].split())) for end in ends]
    assert len(looks) == 20 and min(count for count, _ in looks) > 5
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


def test_a_scope_missing_for_contacts_fails_that_source_and_publishes_the_rest(ruled):
    night, before, done = ruled.night, ruled.before, ruled.done
    assert done.returncode == 3, done.stdout + done.stderr
    assert "crm.objects.contacts.read" in done.stdout
    assert ask(night.published, "select publication_id from meta.publication") > before
    state = ask(night.published, "select state from meta.data_status where (source, object) = ('hubspot', 'contacts')")
    assert state == [("failed",)]
    assert ask(night.published, "select count(*) from pipeline.contacts")[0][0] > 0


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    with portal(tmp_path_factory.mktemp("foreign"), "the-right-one") as url:
        yield url


@pytest.mark.parametrize("token", ["wrong", ""], ids=["a wrong token", "no token"])
def test_bad_credentials_end_the_night_before_anything_is_written(foreign, tmp_path, token):
    environment = environment_of(tmp_path / "company", f'[sources.hubspot]\nbase_url = "{foreign}"\n')
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


@pytest.fixture(scope="module")
def standing(night_copy):
    return night_copy("standing")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--as-of", "2026-03-31"), "has no zone"),
        (("--as-of", "yesterday"), "yesterday"),
        (("--as-of", "2999-01-01T00:00:00Z"), "in the future"),
        (("--known-as-of", "2999-01-01T00:00:00Z"), "in the future"),
    ],
)
def test_an_instant_that_cannot_be_is_refused_before_anything_is_built(standing, arguments, says):
    before = digest(standing.published), raw_rows(standing.data)
    elsewhere = {name: None for name in os.environ if name.startswith(("SALESOPS_", "HUBSPOT_", "DAGSTER_"))}
    done = CliRunner().invoke(app, ["nightly", *arguments], env=elsewhere | standing.environment)
    assert done.exit_code == 2 and says in done.stderr and "Traceback" not in done.output
    assert (digest(standing.published), raw_rows(standing.data)) == before


# --- kill -9 -----------------------------------------------------------------------------------------------------


# What Norway's register says has no stamp: it was so from the night on that first asked, and that was another night.
LANDED_THEN = {"known_from", "first_seen_at"}
ASKED_THEN = {
    "pipeline.companies": {"legal_id", "enriched_at"},
    "kpi.contact_quality": {"matched_count", "match_rate"},
    "kpi.enrichment_worklist": {"place"},
}
NOT_OF_NORWAY = dict.fromkeys(
    ("pipeline.company_attributes", "pipeline.company_signals", "kpi.enrichment_quality"),
    "source <> 'register of Norway'",
) | {
    "kpi.enrichment_worklist": "value_from not like 'register of Norway%'",
    "kpi.customer_profile": "dimension <> 'signal'",
}


def contents(path: Path) -> dict[str, tuple[int, str]]:
    """Rows and an order-free digest of every pipeline and kpi table, without the instants of landing."""
    with duckdb.connect(str(path), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        found = {}
        for schema, table in connection.execute(
            "select schema_name, table_name from duckdb_tables() where schema_name in ('pipeline', 'kpi') order by all"
        ).fetchall():
            described = connection.execute(f"describe {schema}.{table}").fetchall()
            without = LANDED_THEN | ASKED_THEN.get(f"{schema}.{table}", set())
            columns = ", ".join(f'"{name}"' for name, *_ in described if name not in without)
            which = NOT_OF_NORWAY.get(f"{schema}.{table}", "true")
            rows = connection.execute(
                f"select cast(row({columns}) as varchar) as line from {schema}.{table} where {which}"
            ).fetchall()
            lines = sorted(line for (line,) in rows)
            found[f"{schema}.{table}"] = (len(lines), hashlib.sha256("\n".join(lines).encode()).hexdigest())
        return found


def answers_of_norway(data: Path) -> list[tuple]:
    with duckdb.connect(str(data / "warehouse.duckdb"), read_only=True) as connection:
        return connection.execute(
            "select record_id, payload_hash, is_deleted from raw.registries__norway order by all"
        ).fetchall()


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
    environment = environment_of(tmp_path, PRACTICE) | parsed_once()
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
    assert answers_of_norway(data) == answers_of_norway(first_night.data) != []
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
