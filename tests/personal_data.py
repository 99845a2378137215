"""A small data directory with a person in every kind of file, and a scanner of its bytes that shares nothing with the
product's: whatever is packed is unpacked by its own library, and every spelling is looked for as bytes."""

from __future__ import annotations

import gzip
import io
import json
import sqlite3
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import orjson

from ingestion.landing import Batch, ObjectResult, Spool, land, prepare
from ingestion.objects import find
from salesops import publication
from salesops.layout import DataDirectory
from salesops.publication import Publication

FIRST = datetime(2026, 3, 31, 1, 15, tzinfo=UTC)
EMAIL, OLD = "asa.oberg@kund.example", "asa@before.example"
SPELLINGS = (EMAIL, OLD, "Åsa Öberg", "Öberg, Åsa", "070-123 45 67", "+46 70 123 45 67", "0046701234567", "Inköpschef")
CONTACT, OTHER = "101", "102"
TEXTS = {
    "build/matching.duckdb": "x",
    "alerts.json": json.dumps({"why": f"two with {EMAIL}"}),
    "published/brief/2026-04-01.sv.html": "<p>&Aring; &#x27; Åsa Öberg</p>",
    "published/brief/2026-04-01.sv.pdf": "%PDF",
    "dbt/logs/dbt.log": "ring +46 70 123 45 67",
    "dagster/storage/r/compute_logs/a.err": "Öberg, Åsa",
    "spool/left/records.jsonl": EMAIL,
    "drop/kunder.csv": f"namn;{EMAIL}",
    "plans/undo.jsonl": f'{{"v":"{EMAIL}"}}',
}


def contact(id: str, **properties: str) -> dict[str, Any]:
    return {"id": id, "archived": False, "updatedAt": "2026-03-01T00:00:00Z", "properties": properties}


def person(**changes: str) -> dict[str, Any]:
    held = {"email": EMAIL, "firstname": "Åsa", "lastname": "Öberg", "phone": "070-123 45 67", "jobtitle": "Inköpschef"}
    return contact(CONTACT, **(held | {"lifecyclestage": "customer", "createdate": "2026-01-01T00:00:00Z"} | changes))


def linked(row: dict[str, Any], *ids: str) -> dict[str, Any]:
    ends = [{"toObjectId": id, "associationTypes": [{"category": "A", "typeId": "3", "label": None}]} for id in ids]
    return row | {"links": [{"from": {"id": row["id"]}, "to": ends}]}


def put(
    connection: duckdb.DuckDBPyConnection, root: Path, name: str, rows: list[dict[str, Any]], at: datetime = FIRST
) -> ObjectResult:
    """A page of HubSpot records landed as a night does it, its spool removed after."""
    spool = Spool(root / "spool" / name)
    plain = [{key: value for key, value in row.items() if key != "links"} for row in rows]
    spool.add_page(orjson.dumps({"results": plain}), plain)
    for row in rows:
        if "links" in row:
            spool.add_links("contacts", [row["id"]], orjson.dumps({"results": row["links"]}))
    try:
        return land(connection, Batch(find("hubspot", name), spool, "run", at))
    finally:
        spool.remove()


def publish(data: DataDirectory, day: int) -> str:
    """A small publication that names the person wherever a publication can. Returns its id."""
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
    return told.publication_id


def make(data: DataDirectory, publications: int = 2) -> None:
    data.root.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(data.warehouse)) as connection:
        _fill_raw(connection, data.root)
    for day in range(1, publications + 1):
        publish(data, day)
    for path, text in TEXTS.items():
        (data.root / path).parent.mkdir(parents=True, exist_ok=True)
        (data.root / path).write_text(text)
    (data.root / "plans" / "log.gz").write_bytes(gzip.compress(f"{EMAIL}".encode()))
    with zipfile.ZipFile(data.root / "plans" / "plan.xlsx", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("xl/sharedStrings.xml", f"<t>{EMAIL}</t><t>Bo Ek</t>")
    with closing(sqlite3.connect(data.root / "dagster" / "runs.db")) as events, events:
        events.execute("create table event_logs (id integer primary key, event text)")
        worst = json.dumps({"worst": [EMAIL, "Åsa Öberg"] * 400})
        events.executemany("insert into event_logs (event) values (?)", [(worst,), ("other",)])


def _fill_raw(connection: duckdb.DuckDBPyConnection, root: Path) -> None:
    prepare(connection)
    other = contact(OTHER, email="bo@kund.example", firstname="Bo", lastname="Ek")
    put(connection, root, "contacts", [person(email=OLD, jobtitle="Köpare"), other])
    later = person() | {"updatedAt": "2026-03-02T00:00:00Z"}
    put(connection, root, "contacts", [later], FIRST + timedelta(days=1))
    deal = linked(contact("1", dealname="Licenser till Åsa Öberg", amount="1250.50"), CONTACT)
    put(connection, root, "deals", [deal, contact("2", dealname="Bo Ek")])
    note = linked(contact("7", hs_note_body="Talade om hennes semester", hs_timestamp="t"), CONTACT)
    put(connection, root, "notes", [note, contact("8", hs_note_body=f"cc \\u00c5sa {EMAIL}")])
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


# --- the scanner ---------------------------------------------------------------------------------------------------


def remaining(root: Path) -> list[str]:
    """file: spelling, of everything under `root` but the operator's drop folder."""
    drop = root / "drop"
    paths = sorted(p for p in root.rglob("*") if p.is_file() and drop not in p.parents)
    return [f"{path.relative_to(root)}: {word}" for path in paths for word in named_in(path)]


def named_in(path: Path) -> set[str]:
    wanted = {
        form: word
        for word in SPELLINGS
        for spelt in (word, json.dumps(word)[1:-1])
        for form in (spelt.encode(), spelt.encode("cp1252"), spelt.encode("utf-16-le"))
    }
    return {word for body in _unpacked(path) for form, word in wanted.items() if form in body}


def _unpacked(path: Path) -> Iterator[bytes]:
    body = path.read_bytes()
    yield body
    if body[8:12] == b"DUCK":
        with duckdb.connect(str(path), read_only=True) as connection:
            query = "select schema_name || '.\"' || table_name || '\"' from duckdb_tables() where not internal"
            for (table,) in connection.execute(query).fetchall():
                yield _cells(connection.execute(f"from {table}").fetchall())
    elif body[:4] == b"PAR1":
        yield _cells(duckdb.sql(f"from read_parquet('{path}')").fetchall())
    elif body[:15] == b"SQLite format 3":
        with closing(sqlite3.connect(path)) as store:
            tables = store.execute("select name from sqlite_master where type = 'table'").fetchall()
            for (table,) in tables:
                yield _cells(store.execute(f'select * from "{table}"').fetchall())
    else:
        yield from _members(body)


def _members(body: bytes) -> Iterator[bytes]:
    if body[:2] == b"\x1f\x8b":
        yield gzip.decompress(body)
    elif body[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(body)) as packed:
            for name in packed.namelist():
                inner = packed.read(name)
                yield inner
                yield from _members(inner)


def _cells(rows: Iterable[tuple[Any, ...]]) -> bytes:
    return "\n".join(
        cell.decode("utf-8", "replace") if isinstance(cell, bytes) else str(cell) for row in rows for cell in row
    ).encode()
