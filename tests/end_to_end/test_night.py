"""A stranger's first night, looked at from outside: the command, its words, the published files."""

from __future__ import annotations

import os
import pty
import select
import stat
import time

import duckdb
import pytest

pytestmark = pytest.mark.night


@pytest.fixture(scope="module")
def marts(first_night):
    assert first_night.exit_code == 0, first_night.output[-4000:]
    with duckdb.connect(str(first_night.published), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        yield connection


def tables(connection) -> list[str]:
    query = "select schema_name || '.' || table_name from duckdb_tables() where not internal order by 1"
    return [name for (name,) in connection.execute(query).fetchall()]


def test_a_first_night_publishes(first_night):
    assert first_night.exit_code == 0, first_night.output[-4000:]


def test_the_summary_says_what_was_read_checked_and_found(first_night):
    lines = first_night.output.splitlines()
    deals = next(line.split() for line in lines if line.startswith("deals "))
    assert deals[1] == "ok" and int(deals[2].replace(",", "")) > 100
    checks = next(line for line in lines if line.startswith("Checks: "))
    assert " 0 failed" in checks and not checks.startswith("Checks: 0 ")
    headlines = [
        "Hit rate",
        "Sales cycle, won deals, median",
        "Average contract value",
        "Lead response",
        "Open pipeline",
    ]
    for name in headlines:
        line = next(line for line in lines if line.startswith(name))
        assert not line.endswith("none"), line
    assert str(first_night.published) in first_night.output
    assert len(lines) - lines.index("Next:") - 1 == 3
    assert "…" not in first_night.output, "a narrow window must not cut a word"


def test_the_headlines_are_the_marts_numbers(first_night, marts):
    rate, decided = marts.execute(
        "select win_rate, decided_count from kpi.win_rate where period_grain = 'all' and dimension = 'company'"
    ).fetchone()
    assert f"{rate * 100:.1f} %" in first_night.output
    assert any(
        line.startswith("Deals decided") and line.endswith(f" {decided:,}") for line in first_night.output.split("\n")
    )


def test_every_object_was_read_and_says_how_fresh_it_is(marts):
    rows = marts.execute("select source, object, state, state_reason from meta.data_status").fetchall()
    hubspot = {name: state for source, name, state, _ in rows if source == "hubspot"}
    assert {"deals", "contacts", "companies", "owners", "pipelines", "leads", "calls"} <= hubspot.keys()
    assert {state for name, state in hubspot.items() if name != "line_items"} <= {"fresh", "empty"}, rows
    sheets = {name: state for source, name, state, _ in rows if source == "spreadsheets"}
    assert {name for name, state in sheets.items() if state == "fresh"} == {"contracts", "targets"}
    assert {state for name, state in sheets.items() if name not in ("contracts", "targets")} == {"empty"}


def test_the_publication_names_itself(first_night, marts):
    rows = marts.execute(
        "select publication_id, as_of, built_at, git_commit, is_practice from meta.publication"
    ).fetchall()
    assert len(rows) == 1
    publication_id, as_of, built_at, commit, is_practice = rows[0]
    assert is_practice and len(commit) == 40 and as_of <= built_at
    assert (first_night.data / "published" / "parquet" / "CURRENT").read_text().strip() == publication_id


def test_every_published_column_is_in_the_dictionary_with_its_description(marts):
    undescribed = marts.execute(
        """select c.schema_name, c.table_name, c.column_name, d.description
        from duckdb_columns() as c left join meta.dictionary as d using (schema_name, table_name, column_name)
        where not c.internal and coalesce(d.description, '') = ''"""
    ).fetchall()
    assert undescribed == []
    units = marts.execute("select count(*) from meta.dictionary where unit is not null").fetchone()[0]
    assert units > 20


def test_every_check_is_published_with_its_outcome(marts):
    states = dict(marts.execute("select state, count(*) from meta.check_results group by 1").fetchall())
    assert states.get("failed", 0) == 0 and states["passed"] > 100
    gates = marts.execute("select check_name from meta.check_results where is_blocking").fetchall()
    expected = {
        "has_no_new_duplicate_contacts",
        "deals_balance_with_staging",
        "tables_still_hold_rows",
        "counts_balance",
    }
    assert expected | {"hubspot_deals_is_fresh", "is_not_empty"} <= {name for (name,) in gates}


def test_parquet_holds_the_same_rows(first_night, marts):
    folder = first_night.data / "published" / "parquet"
    folder /= (folder / "CURRENT").read_text().strip()
    assert len(list(folder.rglob("*.parquet"))) == len(tables(marts))
    for name in tables(marts):
        path = folder / (name.replace(".", "/") + ".parquet")
        different = marts.execute(
            f"""select count(*) from ((from {name} except all from read_parquet('{path}'))
            union all (from read_parquet('{path}') except all from {name}))"""
        ).fetchone()[0]
        assert different == 0, name


def test_the_published_file_cannot_be_written(first_night):
    assert stat.S_IMODE(first_night.published.stat().st_mode) == 0o444
    assert not list(first_night.published.parent.glob("*.wal"))


def test_secrets_stay_out_of_the_data_directory(first_night):
    """The practice token is a secret like any other: in no log, no event, no table."""
    from sandbox.servers.hubspot import DEFAULT_TOKEN

    token = DEFAULT_TOKEN.encode()
    files = [path for path in first_night.data.rglob("*") if path.is_file()]
    assert len(files) > 10
    assert not [path for path in files if token in path.read_bytes()]
    assert DEFAULT_TOKEN not in first_night.output


def test_dagster_keeps_the_run_with_every_asset(first_night):
    """Materializations and checks of the night, from Dagster's own storage; publication has to have succeeded."""
    import dagster as dg

    with dg.DagsterInstance.from_config(str(first_night.data / "dagster")) as instance:
        runs = instance.get_runs()
        assert [run.status.value for run in runs] == ["SUCCESS"]
        keys = {"/".join(key.path) for key in instance.get_asset_keys()}
        event = instance.get_latest_materialization_event(dg.AssetKey(["kpi", "win_rate"]))
    assert {"publish", "raw/hubspot__deals", "raw/hubspot__deals_history", "pipeline/deals", "kpi/win_rate"} <= keys
    metadata = event.asset_materialization.metadata
    assert metadata["rows"].value > 0 and metadata["preview"].value


def test_sql_answers_one_statement(first_night):
    done = first_night.command("sql", "select dimension, win_rate from kpi.win_rate where period_grain = 'all' limit 3")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "dimension\twin_rate"
    assert len(done.stdout.splitlines()) == 4


def test_sql_refuses_to_write_and_says_so(first_night):
    done = first_night.command("sql", "drop table kpi.win_rate")
    assert done.returncode == 1 and "read-only" in done.stderr and "Traceback" not in done.stderr


def test_the_sql_shell_answers_and_survives_a_mistake(first_night):
    from tests.conftest import SALESOPS

    process, terminal = pty.fork()
    if process == 0:
        os.execve(SALESOPS, [SALESOPS, "sql"], first_night.environment)

    unread = b""

    def until(text: str) -> None:
        """Read up to and including `text`; what came after it in the same breath is for the next call."""
        nonlocal unread
        end = time.monotonic() + 60
        while text.encode() not in unread and time.monotonic() < end:
            if select.select([terminal], [], [], 0.5)[0]:
                unread += os.read(terminal, 65536)
        before, found, unread = unread.partition(text.encode())
        assert found, before.decode(errors="replace")

    until("marts>")
    os.write(terminal, b".tables\n")
    until("win_rate")
    until("marts>")
    os.write(terminal, b"selec 1;\n")
    until("syntax error")
    os.write(terminal, b"select 40 +\n 2 as answer;\n")
    until("42")
    os.write(terminal, b".quit\n")
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0


def test_doctor_finds_nothing_to_do_and_writes_nothing(first_night):
    def state() -> dict:
        return {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in first_night.data.rglob("*") if p.is_file()}

    before = state()
    done = first_night.command("doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Nothing to do." in done.stdout and "portal" in done.stdout
    assert state() == before


def test_doctor_before_the_first_night_makes_no_folder(tmp_path, first_night):
    done = first_night.command("doctor", SALESOPS_DATA=str(tmp_path / "nowhere"))
    assert done.returncode == 0 and "nothing yet" in done.stdout
    assert not (tmp_path / "nowhere").exists()
