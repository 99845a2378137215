"""Who a person is in raw: their records, those merged with them, what names them, and what others share of that."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import duckdb

from ingestion import suppression
from ingestion.objects import find
from ingestion.suppression import PEOPLE, email_key, phone_key
from salesops.erasure.traces import Trace, Traces

LONGEST = {"email": 320, "phone": 60, "name": 200}  # letters: what is longer is no such thing, and no pattern holds it
STRIPPED = '"erased":true'  # of a payload that holds nothing personal any more
USERS = ("raw.hubspot__owners", "raw.salesforce__users", "raw.pipedrive__users", "raw.spreadsheets__owners")
COMPANIES = {
    "raw.hubspot__companies": "$.properties.name",
    "raw.salesforce__accounts": "$.Name",
    "raw.pipedrive__organizations": "$.name",
}
_FIRST, _LAST, _FULL = ("firstname", "first_name"), ("lastname", "last_name"), ("name",)
_NUMBER = re.compile("phone|mobile|fax|whatsapp", re.IGNORECASE)
_MERGES = ("merged_into", "MasterRecordId", "ConvertedContactId")

Key = tuple[str, str, str]  # source, object, record id


@dataclass
class Person:
    """Records and what names them. `shared`: traces that somebody or something else has too; they stay there."""

    records: set[Key] = field(default_factory=set)
    traces: set[Trace] = field(default_factory=set)
    shared: dict[Trace, str] = field(default_factory=dict)
    is_user: bool = False

    @property
    def own(self) -> Traces:
        return Traces(self.traces - self.shared.keys())

    def ids(self, source: str, name: str | None = None) -> set[str]:
        return {id for s, n, id in self.records if s == source and name in (None, n)}

    def join(self, other: Person) -> None:
        self.records |= other.records
        self.traces |= other.traces
        self.shared |= other.shared
        self.is_user |= other.is_user


def by_email(connection: duckdb.DuckDBPyConnection, email: str, region: str) -> Person:
    """Everybody's records that bear this address, and those merged with them."""
    wanted = email_key(email)
    rows = {
        (source, name, record_id)
        for source, name, record_id, payload in _people(connection, "contains(lower(payload::varchar), ?)", [wanted])
        if wanted in suppression.addresses_of(json.loads(payload))
    }
    for source, name in PEOPLE:
        entry = find(source, name)
        if entry.has_history:
            held = connection.execute(
                f"select distinct record_id from {entry.history_table} where lower(trim(value)) = ?", [wanted]
            ).fetchall()
            rows |= {(source, name, record_id) for (record_id,) in held}
    person = described(connection, rows, region)
    person.traces.add(Trace("email", wanted, region))
    person.is_user = _is_user(connection, wanted)
    return person


def by_record(connection: duckdb.DuckDBPyConnection, key: Key, region: str) -> Person:
    """One record, and those merged with it. KeyError when it never landed."""
    entry = find(key[0], key[1])
    if connection.execute(f"select 1 from {entry.table} where record_id = ?", [key[2]]).fetchone() is None:
        raise KeyError(f"{key[0]}/{key[1]}/{key[2]} never landed")
    return described(connection, {key}, region)


def gone_from_crm(connection: duckdb.DuckDBPyConnection) -> set[Key]:
    """People whom their CRM has nowhere any more (its own privacy deletes), and who still have something here."""
    found = set()
    newest = "(version_at, landed_at, batch_id)"
    for source, name in PEOPLE:
        rows = connection.execute(
            f"""select record_id from {find(source, name).table} group by record_id
                having contains(arg_max(payload::varchar, {newest}), '"tombstone":"erased"')
                    and bool_or(not contains(payload::varchar, '"tombstone":')
                        and not contains(payload::varchar, '{STRIPPED}'))"""
        ).fetchall()
        found |= {(source, name, record_id) for (record_id,) in rows}
    return found


def back_again(connection: duckdb.DuckDBPyConnection, erased: suppression.Erased) -> set[Key]:
    """People on the list who are in raw all the same, as after an older warehouse was put back."""
    living = f"not contains(payload::varchar, '\"tombstone\":') and not contains(payload::varchar, '{STRIPPED}')"
    return {
        (source, name, record_id)
        for source, name, record_id, payload in _people(connection, living, [])
        if erased.holds_record(source, name, record_id)
        or any(erased.holds("email", address) for address in suppression.addresses_of(json.loads(payload)))
    }


def described(connection: duckdb.DuckDBPyConnection, records: set[Key], region: str) -> Person:
    """The records with those merged, all that names them, and what of it others have too."""
    person = Person(_with_merged(connection, records))
    for source, name in PEOPLE:
        ids = sorted(person.ids(source, name))
        for _, _, _, payload in _people(connection, "list_contains(?, record_id)", [ids], only=(source, name)):
            person.traces |= set(_traces(json.loads(payload), region))
        person.traces |= set(_historic(connection, source, name, ids, region))
    person.shared = dict(_shared(connection, person))
    return person


def _people(
    connection: duckdb.DuckDBPyConnection, where: str, values: list[Any], only: tuple[str, str] | None = None
) -> Iterator[tuple[str, str, str, str]]:
    for source, name in PEOPLE:
        if only in (None, (source, name)):
            rows = connection.execute(
                f"select record_id, payload::varchar from {find(source, name).table} where {where}", values
            ).fetchall()
            yield from ((source, name, *row) for row in rows)


def _with_merged(connection: duckdb.DuckDBPyConnection, records: set[Key]) -> set[Key]:
    """Whoever the CRM itself says is the same: losers and survivors of merges, a lead and its contact."""
    pairs: list[tuple[Key, Key]] = []
    for source, name in PEOPLE:
        for column in _MERGES:
            target = "contacts" if column == "ConvertedContactId" else name
            rows = connection.execute(
                f"""select distinct record_id, payload ->> '$.{column}' as other from {find(source, name).table}
                    where contains(payload::varchar, '"{column}"') and coalesce(payload ->> '$.{column}', '') <> ''"""
            ).fetchall()
            pairs += [((source, name, left), (source, target, right)) for left, right in rows]
    known, waiting = set(records), list(records)
    beside: dict[Key, set[Key]] = {}
    for left, right in pairs:
        beside.setdefault(left, set()).add(right)
        beside.setdefault(right, set()).add(left)
    while waiting:
        for other in beside.get(waiting.pop(), set()) - known:
            known.add(other)
            waiting.append(other)
    return known


def _traces(payload: dict[str, Any], region: str) -> Iterator[Trace]:
    fields = _flat(payload)
    for address in suppression.addresses_of(payload):
        yield from _sane("email", address, region)
    for key, value in fields:
        if _NUMBER.search(key) and phone_key(value):
            yield from _sane("phone", value.strip(), region)
    names = {key.lower(): value for key, value in fields if key.lower() in (*_FIRST, *_LAST, *_FULL)}
    yield from _named(names, region)


def _named(names: dict[str, str], region: str) -> Iterator[Trace]:
    first = next((names[key] for key in _FIRST if names.get(key)), "")
    last = next((names[key] for key in _LAST if names.get(key)), "")
    for text in {f"{first} {last}" if first and last else "", *(names.get(key, "") for key in _FULL)}:
        words = text.split()
        if 2 <= len(words) <= 6 and sum(len(word) for word in words) >= 4:
            yield from _sane("name", " ".join(words), region)


def _sane(kind: str, text: str, region: str) -> Iterator[Trace]:
    if len(text) <= LONGEST[kind]:
        yield Trace(kind, text, region)


def _historic(
    connection: duckdb.DuckDBPyConnection, source: str, name: str, ids: list[str], region: str
) -> Iterator[Trace]:
    """Earlier addresses, numbers and names, of the vendor's own history: each earlier name with each other part."""
    entry = find(source, name)
    if not entry.has_history or not ids:
        return
    rows = connection.execute(
        f"""select record_id, lower(replace(property, 'old:', '')), value from {entry.history_table}
            where list_contains(?, record_id) and coalesce(value, '') <> ''""",
        [ids],
    ).fetchall()
    firsts: dict[str, set[str]] = {}
    lasts: dict[str, set[str]] = {}
    for record_id, key, value in rows:
        for address in suppression.addresses_of(value, key):
            yield from _sane("email", address, region)
        if _NUMBER.search(key) and phone_key(value):
            yield from _sane("phone", value.strip(), region)
        if key in _FIRST:
            firsts.setdefault(record_id, set()).add(value)
        if key in _LAST:
            lasts.setdefault(record_id, set()).add(value)
    for record_id in firsts.keys() | lasts.keys():
        for payload in _payloads(connection, entry.table, record_id):
            held = {key.lower(): value for key, value in _flat(json.loads(payload))}
            for first in firsts.get(record_id, {held.get(_FIRST[0]) or held.get(_FIRST[1]) or ""}):
                for last in lasts.get(record_id, {held.get(_LAST[0]) or held.get(_LAST[1]) or ""}):
                    yield from _named({_FIRST[0]: first, _LAST[0]: last}, region)


def _payloads(connection: duckdb.DuckDBPyConnection, table: str, record_id: str) -> list[str]:
    rows = connection.execute(f"select payload::varchar from {table} where record_id = ?", [record_id]).fetchall()
    return [payload for (payload,) in rows]


def _flat(value: Any, key: str = "") -> list[tuple[str, str]]:
    """(field, text) of any depth; entries of a list bear the list's name."""
    if isinstance(value, dict):
        inner = [(key if k in ("value", "label", "primary") and key else k, v) for k, v in value.items()]
        return [pair for k, v in inner for pair in _flat(v, k)]
    if isinstance(value, list):
        return [pair for item in value for pair in _flat(item, key)]
    return [(key, value)] if isinstance(value, str) and value else []


def _shared(connection: duckdb.DuckDBPyConnection, person: Person) -> Iterator[tuple[Trace, str]]:
    """Traces that are also another person's, a user's, or a company's: cutting them would take from somebody else."""
    if not person.traces:
        return
    traces = Traces(person.traces)
    for source, name in PEOPLE:
        ids = person.ids(source, name)
        rows = _people(connection, "regexp_matches(payload::varchar, ?)", [traces.loose], only=(source, name))
        for _, _, record_id, payload in rows:
            if record_id not in ids:
                theirs = {(trace.kind, trace.key) for trace in _traces(json.loads(payload), "SE")}
                for trace in person.traces:
                    if (trace.kind, trace.key) in theirs:
                        yield trace, f"{source}/{name}/{record_id}"
    for table in USERS:
        for payload in _candidates(connection, table, traces):
            yield from ((trace, "a user of the CRM") for trace in person.traces if Traces([trace]).found_in(payload))
    for table, path in COMPANIES.items():
        for payload in _candidates(connection, table, traces):
            held: Any = json.loads(payload)
            for part in path.split(".")[1:]:
                held = (held or {}).get(part)
            for trace in person.traces:
                if trace.kind == "name" and isinstance(held, str) and Traces([trace]).found_in(held):
                    yield trace, "the name of a company"


def _candidates(connection: duckdb.DuckDBPyConnection, table: str, traces: Traces) -> Iterable[str]:
    rows = connection.execute(
        f"select distinct payload::varchar from {table} where regexp_matches(payload::varchar, ?)", [traces.loose]
    ).fetchall()
    return [payload for (payload,) in rows]


def _is_user(connection: duckdb.DuckDBPyConnection, email: str) -> bool:
    return any(
        connection.execute(
            f"select 1 from {table} where contains(lower(payload::varchar), ?)", [f'"{email}"']
        ).fetchone()
        for table in USERS
    )


def hashed_keys(erased: suppression.Erased, person: Person) -> dict[str, list[str]]:
    """What the list keeps of a person: hashes, and of what is shared none."""
    keys: dict[str, set[str]] = {
        "record": {erased.hashed("record", suppression.record_key(*k)) for k in person.records}
    }
    for trace in person.traces - person.shared.keys():
        if trace.key:
            keys.setdefault(trace.kind, set()).add(erased.hashed(trace.kind, trace.key))
    return {kind: sorted(values) for kind, values in keys.items() if values}
