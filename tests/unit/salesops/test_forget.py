"""Erasure: no byte of the person is left, figures stay, and nobody comes back. The bytes are looked at by a scanner of
the test's own, which shares nothing with the one of the product."""

from __future__ import annotations

import getpass
import json
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import duckdb
import pytest
from typer.testing import CliRunner

from dagster_project.ingest import build_ingest
from dagster_project.storage import held_open
from ingestion import durable, suppression
from ingestion.landing import record_failure
from salesops import backup, publication
from salesops import night as nights
from salesops.cli import app
from salesops.clock import Clock
from salesops.config import Settings
from salesops.erasure import forget
from salesops.erasure import raw as raw_erasure
from salesops.erasure.traces import Trace, Traces
from salesops.layout import DataDirectory
from tests.personal_data import CONTACT, EMAIL, contact, make, person, publish, put, remaining
from tests.torture.children import Child, in_child

NOW = datetime(2026, 4, 10, tzinfo=UTC)
TWIN = "103"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataDirectory:
    monkeypatch.setattr(forget, "GRACE_SECONDS", 0.0)
    data = DataDirectory(tmp_path / "data")
    make(data)
    return data


def erased(data: DataDirectory, email: str = EMAIL) -> list[str]:
    person = forget.find(data, Settings(), email=email, record=None)
    return forget.erase(data, Settings(), data.drop, person, "email", NOW)


def ask(path: Path, query: str) -> list[tuple]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(query).fetchall()


def field(data: DataDirectory, table: str, record_id: str, name: str) -> str | None:
    """A property of a HubSpot record, as it landed last."""
    query = f"select payload ->> '$.properties.{name}' from raw.hubspot__{table} where record_id = '{record_id}'"
    return ask(data.warehouse, query)[-1][0]


def payloads(data: DataDirectory, record_id: str) -> list[tuple]:
    query = f"select payload::varchar, is_deleted from raw.hubspot__contacts where record_id = '{record_id}'"
    return ask(data.warehouse, f"{query} order by version_at")


def crm_erases(data: DataDirectory) -> None:
    values = [NOW, suppression.stone(CONTACT), NOW]
    with duckdb.connect(str(data.warehouse)) as connection:
        connection.execute("insert into raw.hubspot__contacts values ('101', ?, true, ?, 'h', 9, ?)", values)


def test_no_byte_of_the_person_is_left_and_figures_stay(data):
    before = {line.split(":")[0].split("/")[0] for line in remaining(data.root)}
    assert before >= {"warehouse.duckdb", "published", "dbt", "dagster", "spool", "alerts.json", "plans", "build"}
    listed = erased(data)
    assert remaining(data.root) == []
    assert listed == [str(data.drop / "kunder.csv")] and EMAIL in (data.drop / "kunder.csv").read_text()
    published = data.published / "marts.duckdb"
    assert ask(published, "select win_rate, decided from kpi.win_rate") == [(0.25, 2)]
    assert ask(published, "select deal_key, amount::varchar, contact_key from pipeline.deals order by 1") == [
        ("hubspot:deal:1", "250.00", "hubspot:contact:101"),
        ("hubspot:deal:2", "100.00", "hubspot:contact:102"),
    ]
    assert ask(published, "select name from pipeline.deals_open order by 1") == [
        ("Bo Ek",),
        ("Licenser till [erased]",),
    ]
    assert ask(published, "select * from pipeline.contacts order by 1") == [
        ("hubspot:contact:101", None, None, None, None),
        ("hubspot:contact:102", "Bo Ek", "bo@kund.example", None, "CFO"),
    ]
    assert published.stat().st_mode & 0o777 == 0o444
    assert len(publication.kept_publications(data.published)) == 1
    assert (data.root / "dagster" / "runs.db").stat().st_size < 60_000
    assert not (data.published / "brief" / "2026-04-01.sv.pdf").exists()


def test_raw_keeps_when_and_whose_and_says_nobody(data):
    erased(data)
    rows = payloads(data, CONTACT)
    assert len(rows) == 3 and rows[-1] == (suppression.stone(CONTACT), True)
    for payload, is_deleted in rows[:-1]:
        held = json.loads(payload)
        assert not is_deleted and held["erased"] is True
        assert held["properties"] == {"createdate": "2026-01-01T00:00:00Z", "lifecyclestage": "customer"}
    assert ask(data.warehouse, "select property from raw.hubspot__contacts_history") == [("lifecyclestage",)]
    assert field(data, "deals", "1", "amount") == "1250.50"
    assert field(data, "notes", "7", "hs_note_body") is None
    assert field(data, "notes", "8", "hs_note_body") == "cc \\u00c5sa [erased]"
    assert ask(data.warehouse, "select count(*) from raw.hubspot__deals_contacts_links") == [(1,)]
    appended = "select sum(rows_appended) from raw.batches where object = 'contacts'"
    assert ask(data.warehouse, appended) == ask(data.warehouse, "select count(*) from raw.hubspot__contacts")


def test_the_crm_that_still_has_the_person_does_not_bring_them_back(data):
    erased(data)
    before = ask(data.warehouse, "select * from raw.hubspot__contacts order by all")
    with duckdb.connect(str(data.warehouse)) as connection:
        same = put(connection, data.root, "contacts", [person() | {"updatedAt": "2026-03-02T00:00:00Z"}], NOW)
        promoted = person(jobtitle="VD") | {"updatedAt": "2026-04-11T00:00:00Z"}
        changed = put(connection, data.root, "contacts", [promoted], NOW)
        again = put(connection, data.root, "contacts", [contact("900", email=EMAIL.upper(), firstname="Åsa")], NOW)
        put(connection, data.root, "notes", [contact("9", hs_note_body="från öberg åsa, 0701234567\n" + EMAIL)], NOW)
    assert (same.rows_appended, changed.rows_appended, again.rows_appended) == (0, 0, 1)
    assert ask(data.warehouse, "select * from raw.hubspot__contacts where record_id <> '900' order by all") == before
    assert payloads(data, "900") == [(suppression.stone("900"), True)]
    assert field(data, "notes", "9", "hs_note_body") == "från [erased], [erased]\n[erased]"


def test_the_audit_line_names_nobody_and_is_written_once(data):
    erased(data)
    (line,) = suppression.audit(data.erasures)
    assert line["records"] == 1 and line["asked"] == "email" and line["by"] == getpass.getuser()
    assert set(line["keys"]) == {"record", "email", "phone", "name"}
    assert data.erasures.stat().st_mode & 0o777 == 0o600
    erased(data)
    assert len(suppression.audit(data.erasures)) == 1
    salt = json.loads(data.erasures.read_text().splitlines()[0])["salt"]
    assert suppression.opened(data.erasures).salt == salt and len(salt) == 64


STEPS = ["_write_down", "rewritten"]


@pytest.mark.parametrize("step", STEPS)
def test_an_erasure_that_was_killed_is_finished_by_the_next(data, monkeypatch, step):
    """Stopped before and after each step: what is left half-made names the person, and is gone after the next run."""
    owner = next(m for m in (forget, forget.files, forget.publications, raw_erasure) if hasattr(m, step))
    real = getattr(owner, step)
    if step == "rewritten":  # killed with no chance to tidy up
        monkeypatch.setattr(forget, "shutil", SimpleNamespace(rmtree=lambda *_, **__: None))

    def killed(*arguments, **named):
        real(*arguments, **named)
        raise KeyboardInterrupt

    monkeypatch.setattr(owner, step, killed)
    with pytest.raises(KeyboardInterrupt):
        erased(data)
    monkeypatch.undo()
    erased(data)
    assert remaining(data.root) == []
    assert ask(data.warehouse, "select count(*) from raw.hubspot__contacts where record_id = '101'") == [(3,)]


def test_what_others_have_too_stays_theirs(data):
    """A twin by name, a number of the switchboard: kept with the twin, cut where the person is spoken of."""
    with duckdb.connect(str(data.warehouse)) as connection:
        put(
            connection, data.root, "contacts", [contact(TWIN, firstname="Åsa", lastname="Öberg", phone="070-123 45 67")]
        )
    person = forget.find(data, Settings(), email=EMAIL, record=None)
    assert {trace.kind for trace in person.shared} == {"name", "phone"}
    erased(data)
    assert field(data, "contacts", TWIN, "lastname") == "Öberg"
    assert field(data, "contacts", TWIN, "phone") == "070-123 45 67"
    assert field(data, "deals", "1", "dealname") == "Licenser till [erased]"
    assert "name" not in suppression.audit(data.erasures)[0]["keys"]


def test_a_merged_record_is_the_same_person_and_a_seller_is_nobodys_to_erase(data):
    with duckdb.connect(str(data.warehouse)) as connection:
        connection.execute("""insert into raw.hubspot__contacts values ('55', now(), true,
            '{"id":"55","merged_into":"101","tombstone":"merged"}', 'h', 9, now())""")
        connection.execute("""insert into raw.hubspot__owners values ('1', now(), false,
            '{"id":"1","email":"seller@firm.example"}', 'h', 9, now())""")
    person = forget.find(data, Settings(), email=None, record="hubspot/contacts/55")
    assert person.records == {("hubspot", "contacts", "55"), ("hubspot", "contacts", CONTACT)}
    assert Trace("email", EMAIL) in person.traces
    with pytest.raises(forget.ForgetError, match="a user's of the CRM"):
        forget.find(data, Settings(), email="seller@firm.example", record=None)


def test_whom_the_crm_erased_is_erased_here_and_may_come_back(data):
    crm_erases(data)
    assert "1 people" in forget.after_night(data, Settings(), data.drop, NOW)
    assert remaining(data.root) == []
    assert forget.after_night(data, Settings(), data.drop, NOW) == ""
    assert suppression.read(data.erasures).keys == {}
    with duckdb.connect(str(data.warehouse)) as connection:
        assert put(connection, data.root, "contacts", [contact("950", email=EMAIL)], NOW).rows_appended == 1
    assert "erased" not in payloads(data, "950")[0][0]


def test_a_crm_that_loses_many_people_at_once_is_not_followed(data, monkeypatch):
    monkeypatch.setattr(forget, "MOST_AT_ONCE", 0)
    crm_erases(data)
    assert "salesops forget --crm" in forget.after_night(data, Settings(), data.drop, NOW)
    assert remaining(data.root) != []


def test_what_breaks_an_erasure_after_the_night_is_said_without_its_words(tmp_path, monkeypatch):
    def locked(*_):
        raise sqlite3.OperationalError(f"database is locked: {EMAIL}")

    monkeypatch.setattr(forget, "follow_crm", locked)
    told = forget.after_night(DataDirectory(tmp_path), Settings(), tmp_path, NOW)
    assert "OperationalError" in told and "salesops forget --crm" in told and EMAIL not in told


def test_after_an_older_warehouse_was_put_back_everybody_is_erased_again(data, tmp_path):
    folder, _ = backup.write(data, tmp_path / "backups", NOW, None)
    erased(data)
    backup.restore(folder, data, NOW, replace=True)
    assert len(suppression.audit(data.erasures)) == 1
    with duckdb.connect(str(data.warehouse)) as connection:
        suppression.copy_into(connection, data.erasures)
    person = forget.find_again(data, Settings())
    forget.erase(data, Settings(), data.drop, person, "again", NOW)
    assert remaining(data.root) == []
    assert forget.find_again(data, Settings()) is None


def command(data: DataDirectory, *arguments: str):
    environment = {"SALESOPS_DATA": str(data.root), "SALESOPS_CONFIG": str(data.root.parent / "salesops.toml")}
    (data.root.parent / "salesops.toml").write_text("[sources.hubspot]\nenabled = true\n")
    return CliRunner().invoke(app, ["forget", *arguments], env=environment)


def test_a_dry_run_says_what_would_go_without_naming_anybody_and_changes_nothing(data):
    before = {p: p.read_bytes() for p in data.root.rglob("*") if p.is_file() and p.name != "night.lock"}
    done = command(data, "--email", EMAIL, "--dry-run")
    assert done.exit_code == 0, done.output
    for line in ("hubspot/contacts/101", "file: published/marts.duckdb", "file: warehouse.duckdb", "drop/kunder.csv"):
        assert line in done.output
    assert "Öberg" not in done.output
    assert {p: p.read_bytes() for p in data.root.rglob("*") if p.is_file() and p.name != "night.lock"} == before


def test_the_command_asks_first_refuses_what_it_cannot_do_and_leaves_a_night_alone(data):
    assert command(data, "--email", EMAIL).exit_code == 1  # nobody answered
    assert "SOURCE/TYPE/ID" in command(data, "--record", "hubspot/deals/1").output
    assert "never landed" in command(data, "--record", "hubspot/contacts/999").output
    assert command(data).exit_code == 2
    with nights.locked(data):
        busy = command(data, "--email", EMAIL, "--yes")
    assert busy.exit_code == 2 and "another night is running" in busy.output
    assert command(data, "--record", "hubspot/contacts/101", "--yes").exit_code == 0
    assert remaining(data.root) == []


@pytest.mark.parametrize(
    ("kind", "text", "found", "spared"),
    [
        (
            "email",
            "an@x.example",
            ["an@x.example", "AN@X.EXAMPLE", "an%40x.example", '"\\nan@x.example"', "mail:an@x.example."],
            ["joan@x.example", "an@x.examples", "an@y.example"],
        ),
        (
            "name",
            "Bo Li",
            ["Bo Li", "bo li", "Li, Bo", "Bo&nbsp;Li", "bo.li", "Bo\\u00a0Li"],
            ["Bo Lind", "Jumbo Li", "Bolivia"],
        ),
        ("name", "Zoë O'Neil", ["Zo\\u00eb O'Neil", "ZOË O&#x27;NEIL", "Zoë O’Neil"], ["Zoe Oneil"]),
        (
            "phone",
            "070-123 45 67",
            ["0701234567", "+46 (0)70 123 45 67", "0046 70-1234567", "46701234567"],
            ["10701234567", "070123456", "70123"],
        ),
    ],
)
def test_usual_spellings_are_found_and_likenesses_are_spared(kind, text, found, spared):
    traces = Traces([Trace(kind, text)])
    for spelling in found:
        body = f"x {spelling} y"
        assert traces.cut_from(body) == f"x {spelling[:0]}{traces.cut_from(spelling)} y" != body, spelling
        assert traces.found_in_bytes(body.encode()) and traces.found_in_bytes(body.encode("utf-16")), spelling
        assert duckdb.execute("select regexp_matches(?, ?)", [body, traces.loose]).fetchall() == [(True,)], spelling
    for likeness in spared:
        assert not traces.found_in(f"x {likeness} y"), likeness


COMPANIES = """Company;Employees;Industry
Kund AB;12;Handel
Åsa Öberg AB;elva;Handel
Berg AB;asa.oberg@kund.example;Handel
"""


def night_of_sheets(data: DataDirectory, day: int) -> nights.Night:
    """The part of a night that reads sheets, as Dagster runs it, its storage in the data directory."""
    settings = Settings.model_validate({"sources": {"hubspot": {"enabled": False}, "spreadsheets": {"enabled": True}}})
    now = NOW + timedelta(days=day)
    night = nights.Night(settings, data, Clock(), now, now, None, data.published, "", "")
    with held_open(), dg.DagsterInstance.local_temp(str(data.dagster)) as instance:
        dg.materialize(build_ingest(settings), resources={"night": night}, instance=instance, raise_on_error=False)
    assert {result.object for result in night.objects} >= {"companies", "targets", "files"}
    return night


def test_a_later_night_with_crm_and_sheets_that_still_have_the_person_leaves_no_byte(data):
    """Among the sheets one row that is refused, one file without the header whose cells are quoted, one file's name."""
    for name, text in {
        "companies.csv": COMPANIES,
        "targets.csv": f"Åsa Öberg;{EMAIL}\nx;y\n",
        "Åsa Öberg.csv": "a;b\n",
    }.items():
        (data.drop / name).write_text(text)
    night_of_sheets(data, 0)
    assert any(line.startswith("dagster/history") for line in remaining(data.root))
    listed = erased(data)
    assert len(listed) == 4
    sizes = []
    for day in (1, 2):
        said = night_of_sheets(data, day)
        with duckdb.connect(str(data.warehouse)) as connection:
            put(connection, data.root, "contacts", [person(jobtitle="VD")], NOW + timedelta(days=day))
        assert remaining(data.root) == []
        assert not [check.reason for check in said.checks if EMAIL in str(check.reason) or "Öberg" in str(check.reason)]
        sizes.append(ask(data.warehouse, "select count(*) from raw.quarantine where source = 'spreadsheets'"))
    assert sizes[0] == sizes[1]  # what was refused is not noted once more
    rows = ask(data.warehouse, "select record_id, payload ->> '$.cells.Company' from raw.spreadsheets__companies")
    assert [name for _, name in rows] == ["Kund AB"]


def test_what_waits_to_be_landed_is_looked_at_before_it_is_in_the_file(data, monkeypatch):
    """Of 900,000 rows that were inserted and then changed, DuckDB had left the bytes in the file."""
    erased(data)
    real, seen = suppression.keep_out, []

    def looked_at(connection, entry, waiting, erased):
        seen.append((waiting, connection.execute(f"select count(*) from {entry.table} where batch_id = 90").fetchone()))
        return real(connection, entry, waiting, erased)

    monkeypatch.setattr(suppression, "keep_out", looked_at)
    with duckdb.connect(str(data.warehouse)) as connection:
        connection.execute("insert into raw.batches select 89, * exclude (batch_id) from raw.batches limit 1")
        put(connection, data.root, "contacts", [contact("900", email=EMAIL)], NOW)
    assert seen == [("temp.waiting", (0,))]
    assert payloads(data, "900") == [(suppression.stone("900"), True)]


def test_a_vendors_history_that_named_the_person_is_not_landed_once_more(data):
    """Cut when the person was erased, it is another value than the vendor gives again, until it is cut too."""
    at = "2026-03-01T08:00:00Z"
    revisions = [{"value": "Licenser till Åsa Öberg", "timestamp": at, "sourceType": "CRM_UI"}]
    deal = contact("1", dealname="Licenser till Åsa Öberg", amount="99") | {"updatedAt": "2026-03-05T00:00:00Z"}
    told = deal | {"propertiesWithHistory": {"dealname": revisions}}
    with duckdb.connect(str(data.warehouse)) as connection:
        assert put(connection, data.root, "deals", [told]).history_appended == 1
    erased(data)
    with duckdb.connect(str(data.warehouse)) as connection:
        again = put(connection, data.root, "deals", [told], NOW)
    assert (again.rows_appended, again.history_appended) == (0, 0)
    assert ask(data.warehouse, "select value from raw.hubspot__deals_history") == [("Licenser till [erased]",)]


def test_the_reason_of_a_failure_names_nobody_who_was_erased(data):
    erased(data)
    with duckdb.connect(str(data.warehouse)) as connection:
        record_failure(connection, "hubspot", "notes", "failed", f"no column for x; found {EMAIL}", "run", NOW)
    assert ask(data.warehouse, "select reason from raw.batches where state = 'failed'") == [
        ("no column for x; found [erased]",)
    ]
    assert remaining(data.root) == []


def look_at_published(published: Path, stop: Path) -> tuple[set[str], int]:
    """A reader of the file and of the folder that CURRENT names, who takes his time between the name and the files."""
    seen, looks = set(), 0
    while not stop.exists():
        pointed = published / "parquet" / (published / "parquet" / "CURRENT").read_text().strip()
        time.sleep(0.02)
        seen.add(pointed.name)
        with duckdb.connect() as connection:
            for place in (f"'{pointed}/pipeline/*.parquet'", f"'{pointed}/kpi/win_rate.parquet'"):
                connection.execute(f"from read_parquet({place}, union_by_name=true)").fetchall()
            found = connection.execute(
                f"select sum(amount)::varchar from '{pointed}/pipeline/deals.parquet'"
            ).fetchone()
        held = ask(published / "marts.duckdb", "select sum(amount)::varchar from pipeline.deals")
        assert [found] == held == [("350.00",)]
        looks += 1
    return seen, looks


def test_readers_of_file_and_parquet_read_on_through_an_erasure(data, monkeypatch):
    monkeypatch.setattr(forget, "GRACE_SECONDS", 1.0)
    stop = data.root / "stop"
    readers = [Child(lambda: look_at_published(data.published, stop)) for _ in range(2)]
    person = in_child(lambda: erased(data))
    time.sleep(0.2)
    stop.touch()
    ends = [reader.wait().or_raise() for reader in readers]
    person.or_raise()
    folders = {path.name for path in (data.published / "parquet").iterdir() if path.is_dir()}
    pointed = (data.published / "parquet" / "CURRENT").read_text().strip()
    for seen, looks in ends:
        assert looks > 3 and seen == {pointed.partition("-")[0], pointed}
    assert pointed.endswith("-1") and len(folders) == 2 and pointed in folders
    assert remaining(data.root) == []


def test_after_an_erasure_publications_are_put_back_and_replaced_as_before(data):
    erased(data)
    older, newer = (path.stem for path in [*publication.kept_publications(data.published), Path(publish(data, 3))])
    parquet = data.published / "parquet"
    assert (parquet / "CURRENT").read_text().strip() == newer
    assert publication.rollback(data.published, older) == older
    assert (parquet / "CURRENT").read_text().strip() == f"{older}-1"
    for day in range(4, 9):
        publish(data, day)
    assert sorted(path.name for path in parquet.iterdir() if "-" in path.name) == []


def test_what_a_killed_erasure_left_half_made_stops_no_later_one(data):
    """Incidents, each found by killing: a torn copy that the plan opened, a rewritten text under its hidden name."""
    data.scratch.mkdir()
    whole = data.warehouse.read_bytes()
    (data.scratch / "worked.duckdb").write_bytes(whole[:20_000])
    (data.root / ".alerts.json.forget").write_text("rewritten")
    done = command(data, "--email", EMAIL, "--yes")
    assert done.exit_code == 0, done.output
    assert remaining(data.root) == [] and not (data.root / ".alerts.json.forget").exists()
    data.scratch.mkdir()
    (data.scratch / "fresh.duckdb").write_bytes(whole)
    assert command(data, "--email", EMAIL, "--yes").exit_code == 0  # nobody is left, and so is the copy
    assert not data.scratch.exists()


def test_a_night_that_opens_takes_away_half_made_copies_and_answers(data, monkeypatch):
    settings = data.root.parent / "salesops.toml"
    settings.write_text("[sources.hubspot]\nenabled = false\n[sources.spreadsheets]\nenabled = true\n")
    data.scratch.mkdir()
    with nights.opened({"SALESOPS_DATA": str(data.root), "SALESOPS_CONFIG": str(settings)}):
        assert not data.scratch.exists() and not data.spool.exists()
        (data.spool / "failed").mkdir(parents=True)
    assert not data.spool.exists()


def test_a_page_is_printed_no_more_before_it_stops_naming_the_person(data, monkeypatch):
    """Incident: killed between the two, the next erasure found a clean page and left the PDF beside it."""
    page = data.published / "brief" / "2026-04-01.sv.html"

    def killed(path, body):
        assert path == page and not page.with_suffix(".pdf").exists()
        raise KeyboardInterrupt

    monkeypatch.setattr(forget.files, "_replace", killed)
    with pytest.raises(KeyboardInterrupt):
        forget.files.clean(page, Traces([Trace("name", "Åsa Öberg")]))


def test_every_removal_is_on_the_disk_before_raw_forgets_who_it_was(data, monkeypatch):
    """Incident: after a power cut an old file was back, and nobody knew any more whom it names."""
    done: list[str] = []
    fsync, swap = durable.fsync, forget._swap
    monkeypatch.setattr(durable, "fsync", lambda path: (done.append(str(path)), fsync(path)))
    monkeypatch.setattr(forget, "_swap", lambda fresh, warehouse: (done.append("raw"), swap(fresh, warehouse)))
    erased(data)
    synced = set(done[: done.index("raw")])
    assert synced >= {str(data.root), str(data.root / "plans"), str(data.brief), str(data.published / "parquet")}


@pytest.mark.parametrize("journal", ["delete", "wal"])
@pytest.mark.parametrize("held", ["begin; select * from event_logs", "begin immediate; delete from event_logs"])
def test_a_store_of_dagsters_that_is_held_is_named_and_the_same_again_finishes(data, monkeypatch, journal, held):
    monkeypatch.setattr(forget.files, "LOCK_SECONDS", 0.1)
    store = data.dagster / "runs.db"
    with closing(sqlite3.connect(store, isolation_level=None)) as holder:
        holder.execute(f"pragma journal_mode = {journal}")
        begin, rest = held.split("; ")
        holder.execute(begin)
        holder.execute(rest).fetchone()
        with pytest.raises(forget.files.Locked, match=r"runs\.db: stop `salesops ui`"):
            erased(data)
        assert not data.scratch.exists()
        holder.execute("rollback")
    erased(data)
    assert remaining(data.root) == []
    with closing(sqlite3.connect(store)) as left:
        assert left.execute("pragma integrity_check").fetchall() == [("ok",)]
        assert left.execute("select count(*), max(event) from event_logs").fetchone()[0] == 2
        assert left.execute("select event from event_logs where id = 2").fetchall() == [("other",)]


def test_a_store_that_is_open_and_idle_is_cleaned_with_what_it_has_not_merged_yet(data):
    """Its write-ahead file holds the person alone, and is never removed: what it holds besides would be lost."""
    with closing(sqlite3.connect(data.dagster / "live.db", isolation_level=None)) as holder:
        holder.execute("pragma journal_mode = wal")
        holder.execute("create table event_logs (id integer primary key, event text)")
        holder.executemany("insert into event_logs (event) values (?)", [(EMAIL,), ("other",)])
        holder.execute("delete from event_logs where id = 1")  # its bytes are in the write-ahead file alone
        assert (data.dagster / "live.db-wal").stat().st_size > 0
        erased(data)
        assert holder.execute("select event from event_logs").fetchall() == [("other",)]
        assert remaining(data.root) == []


@pytest.mark.parametrize(
    "huge",
    [
        {"lastname": "Ö" * 1_000_000, "phone": "0701234567 " * 90_000},
        {"email": "a" * 1_000_000 + "@kund.example"},
        {"email": "b" * 1_000_000},
    ],
    ids=["name and phone", "address", "no address"],
)
def test_a_field_of_a_megabyte_is_erased_with_its_record_and_is_no_pattern(data, huge):
    """Incidents: DuckDB refused a pattern of that size, and Python worked on one for minutes."""
    with duckdb.connect(str(data.warehouse)) as connection:
        put(connection, data.root, "contacts", [person(**huge) | {"updatedAt": "2026-03-09T00:00:00Z"}], NOW)
        put(connection, data.root, "notes", [contact("70", hs_note_body="x y z " * 170_000 + EMAIL)], NOW)
    erased(data)
    assert remaining(data.root) == []
    held = b"".join(path.read_bytes() for path in data.root.rglob("*") if path.is_file())
    assert not any(value.encode()[:4000] in held for value in huge.values())
    with duckdb.connect(str(data.warehouse)) as connection:
        put(connection, data.root, "notes", [contact("71", hs_note_body="c" * 1_000_000 + f" {EMAIL}")], NOW)
    assert field(data, "notes", "71", "hs_note_body") == "c" * 1_000_000 + " [erased]"


def test_an_apostrophe_is_part_of_an_address_or_stands_before_it():
    erased = suppression.Erased("00")
    erased.keys["email"] = {erased.hashed("email", address) for address in ("o'neil@x.se", "anna@x.se")}
    text = "Write to O'Neil@x.se, 'anna@x.se', d'anna@x.se; not to neil@x.se or joanna@x.se"
    assert erased.scrubbed(text) == "Write to [erased], '[erased]', d'[erased]; not to neil@x.se or joanna@x.se"
    assert suppression.addresses_of({"email": "o'neil@x.se"}) == {"o'neil@x.se"}


@pytest.mark.parametrize("body", [b"PK\x03\x04 half a book", b"\x1f\x8b\x08 half a page", b"PAR1 half a table"])
def test_a_file_that_nobody_can_read_stops_an_erasure_by_name_and_in_the_drop_folder_is_listed(data, body):
    dropped, kept = data.drop / "half.xlsx", data.root / "plans" / "half"
    dropped.write_bytes(body)
    kept.write_bytes(body)
    with pytest.raises(forget.files.Unreadable, match=r"plans/half cannot be read .* remove it"):
        erased(data)
    kept.unlink()
    assert str(dropped) in erased(data)
    assert remaining(data.root) == []
