"""Erasure: no byte of the person is left, figures stay, and nobody comes back. The bytes are looked at by a scanner of
the test's own, which shares nothing with the one of the product."""

from __future__ import annotations

import getpass
import gzip
import json
import sqlite3
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import duckdb
import orjson
import pytest
from typer.testing import CliRunner

from ingestion import suppression
from ingestion.landing import Batch, Spool, land, prepare
from ingestion.objects import find
from salesops import backup, publication
from salesops import night as nights
from salesops.cli import app
from salesops.config import Settings
from salesops.erasure import forget
from salesops.erasure import raw as raw_erasure
from salesops.erasure.traces import Trace, Traces
from salesops.layout import DataDirectory
from tests.unit.salesops.test_publication import FIRST, Publication

NOW = datetime(2026, 4, 10, tzinfo=UTC)
EMAIL, OLD = "asa.oberg@kund.example", "asa@before.example"
SPELLINGS = (EMAIL, OLD, "Åsa Öberg", "Öberg, Åsa", "070-123 45 67", "+46 70 123 45 67", "0046701234567", "Inköpschef")
CONTACT, OTHER, TWIN = "101", "102", "103"


def contact(id: str, **properties: str) -> dict:
    return {"id": id, "archived": False, "updatedAt": "2026-03-01T00:00:00Z", "properties": properties}


def person(**changes: str) -> dict:
    held = {"email": EMAIL, "firstname": "Åsa", "lastname": "Öberg", "phone": "070-123 45 67", "jobtitle": "Inköpschef"}
    return contact(CONTACT, **(held | {"lifecyclestage": "customer", "createdate": "2026-01-01T00:00:00Z"} | changes))


def put(connection: duckdb.DuckDBPyConnection, folder: Path, name: str, rows: list[dict], at: datetime = FIRST):
    spool = Spool(folder / "spool" / name)
    plain = [{key: value for key, value in row.items() if key != "links"} for row in rows]
    spool.add_page(orjson.dumps({"results": plain}), plain)
    for row in rows:
        if "links" in row:
            spool.add_links("contacts", [row["id"]], orjson.dumps({"results": row["links"]}))
    return land(connection, Batch(find("hubspot", name), spool, "run", at))


def linked(row: dict, *ids: str) -> dict:
    ends = [{"toObjectId": id, "associationTypes": [{"category": "A", "typeId": "3", "label": None}]} for id in ids]
    return row | {"links": [{"from": {"id": row["id"]}, "to": ends}]}


def publish(data: DataDirectory, day: int) -> None:
    """A small publication that names the person wherever a publication can."""
    data.marts.parent.mkdir(parents=True, exist_ok=True)
    data.marts.unlink(missing_ok=True)
    with duckdb.connect(str(data.marts)) as connection:
        connection.execute("create schema pipeline; create schema kpi")
        connection.execute(
            f"""create table pipeline.contacts as from (values
                ('hubspot:contact:101', 'Åsa Öberg', '{EMAIL}', '+46701234567', 'Inköpschef'),
                ('hubspot:contact:102', 'Bo Ek', 'bo@kund.example', null, 'CFO'))
                as t (contact_key, full_name, email, phone, title);
            create table pipeline.contact_identities as from (values
                ('hubspot', '101', 'hubspot:contact:101'), ('hubspot', '102', 'hubspot:contact:102'))
                as t (source, contact_id, contact_key);
            create table pipeline.deals as from (values
                ('hubspot:deal:1', 'Licenser till Åsa Öberg', 250.00::decimal(18, 2), 'hubspot:contact:101'),
                ('hubspot:deal:2', 'Bo Ek', 100.00::decimal(18, 2), 'hubspot:contact:102'))
                as t (deal_key, name, amount, contact_key);
            create table pipeline.activities as select 'a1' as activity_key, 'Ring chefen' as subject;
            create table pipeline.activity_links as select 'a1' as activity_key, 'hubspot:contact:101' as contact_key;
            create table kpi.win_rate as select 0.25 as win_rate, 2 as decided;
            create view pipeline.deals_open as from pipeline.deals"""
        )
    at = FIRST + timedelta(days=day)
    told = Publication(publication.new_id(at), at, None, at, "c0ffee", 1, "Ö AB", "SEK", "Europe/Stockholm", False, "r")
    publication.write_meta(data.marts, told, [("contacts", "is_good", "warned", f"see {EMAIL}", False)], {})
    publication.publish(data.marts, data.published, told.publication_id)


@pytest.fixture
def data(tmp_path: Path) -> DataDirectory:
    data = DataDirectory(tmp_path / "data")
    data.root.mkdir()
    with duckdb.connect(str(data.warehouse)) as connection:
        prepare(connection)
        other = contact(OTHER, email="bo@kund.example", firstname="Bo", lastname="Ek")
        put(connection, data.root, "contacts", [person(email=OLD, jobtitle="Köpare"), other])
        later = person()
        later["updatedAt"] = "2026-03-02T00:00:00Z"
        put(connection, data.root, "contacts", [later], FIRST + timedelta(days=1))
        deal = linked(contact("1", dealname="Licenser till Åsa Öberg", amount="1250.50"), CONTACT)
        put(connection, data.root, "deals", [deal, contact("2", dealname="Bo Ek")])
        note = linked(contact("7", hs_note_body="Talade om hennes semester", hs_timestamp="t"), CONTACT)
        put(connection, data.root, "notes", [note, contact("8", hs_note_body=f"cc \\u00c5sa {EMAIL}")])
        for place, (name, value) in enumerate((("email", OLD), ("lifecyclestage", "lead"))):
            connection.execute(
                """insert into raw.hubspot__contacts_history
                values ('101', ?, ?, now(), 'CRM', null, ?, 1, now())""",
                [name, value, place],
            )
        refused = "insert into raw.quarantine values (1, 's', 'o', 'f', null, 1, null, 'c', ?, 'no', now())"
        connection.execute(refused, [EMAIL])
        connection.execute("create schema if not exists staging")
        connection.execute(f"create table staging.people as select '{EMAIL}' as email")
    publish(data, 1)
    publish(data, 2)
    for path, text in {
        "build/matching.duckdb": "x",
        "alerts.json": json.dumps({"why": f"two with {EMAIL}"}),
        "published/brief/2026-04-01.sv.html": "<p>&Aring; &#x27; Åsa Öberg</p>",
        "published/brief/2026-04-01.sv.pdf": "%PDF",
        "dbt/logs/dbt.log": "ring +46 70 123 45 67",
        "dagster/storage/r/compute_logs/a.err": "Öberg, Åsa",
        "spool/left/records.jsonl": EMAIL,
        "drop/kunder.csv": f"namn;{EMAIL}",
        "plans/undo.jsonl": f'{{"v":"{EMAIL}"}}',
    }.items():
        (data.root / path).parent.mkdir(parents=True, exist_ok=True)
        (data.root / path).write_text(text)
    (data.root / "plans" / "log.gz").write_bytes(gzip.compress(f"{EMAIL}".encode()))
    with zipfile.ZipFile(data.root / "plans" / "plan.xlsx", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("xl/sharedStrings.xml", f"<t>{EMAIL}</t><t>Bo Ek</t>")
    with sqlite3.connect(data.root / "dagster" / "runs.db") as events:
        events.execute("create table event_logs (id integer primary key, event text)")
        worst = json.dumps({"worst": [EMAIL, "Åsa Öberg"] * 400})
        events.executemany("insert into event_logs (event) values (?)", [(worst,), ("other",)])
    return data


def remaining(root: Path) -> list[str]:
    """file: spelling, of everything under `root`, opened by DuckDB, zip and gzip where it is packed."""
    found = []
    for path in sorted(p for p in root.rglob("*") if p.is_file() and p.name != "kunder.csv"):
        body = path.read_bytes()
        texts = [body.decode("utf-8", "replace")]
        if body[8:12] == b"DUCK":
            with duckdb.connect(str(path), read_only=True) as connection:
                tables = connection.execute("select schema_name || '.' || table_name from duckdb_tables()").fetchall()
                for (table,) in tables:
                    texts.append(str(connection.execute(f"from {table}").fetchall()))
        elif body[:4] == b"PAR1":
            texts.append(str(duckdb.sql(f"from '{path}'").fetchall()))
        elif body[:2] == b"PK":
            with zipfile.ZipFile(path) as packed:
                texts += [packed.read(name).decode() for name in packed.namelist()]
        elif body[:2] == b"\x1f\x8b":
            texts.append(gzip.decompress(body).decode())
        escaped = [json.dumps(word)[1:-1] for word in SPELLINGS]
        found += [f"{path.relative_to(root)}: {w}" for w in {*SPELLINGS, *escaped} if any(w in text for text in texts)]
    return found


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
