"""Salesforce into raw: whole at first (in bulk where there is much), then what changed by SystemModstamp, deleted too.

Every field that the org describes is read, its own ones included, except those that only repeat others (compound
fields) or hold files (base64). Field history lands beside the records. An object that cannot be read is recorded and
the others go on; nothing is written before the credentials were accepted.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from ingestion.landing import Batch, ObjectResult, Spool, prepare
from ingestion.landing_tables import HISTORY, SNAPSHOTS
from ingestion.objects import find
from ingestion.reads import (
    Connect,
    ProbeResult,
    Read,
    ReadObject,
    believable,
    is_due,
    land_or_record,
    living_ids,
    metered,
)
from ingestion.salesforce_client import JobFailedError, Login, OrgClient
from ingestion.session import (
    PAGE_ATTEMPTS,
    CredentialsError,
    MissingScopeError,
    PermanentSourceError,
    SourceError,
    TransientSourceError,
)
from ingestion.spool import TABLE, Form, Table

SOURCE = "salesforce"
API_VERSION = "61.0"
THREADS = 4
SETTLING = timedelta(minutes=1)  # what was stamped within is read the next night: long transactions commit late
BULK_ABOVE = 50_000  # records; fewer are read page by page
IDS_IN_A_QUERY = 200
REQUIRED = frozenset({"opportunities", "accounts", "contacts", "users", "stages"})
FORM = Form(rows="records", id="Id", nested="", is_nested_required=False)
# fields whose change makes no new version: stamps, and what the vendor notes by itself
VOLATILE = (
    "SystemModstamp", "LastModified(Date|ById)", "Last(Viewed|Referenced|Activity|Login)Date", "NumberOfFailedLogins",
)  # fmt: skip
NEVER_READ = ("address", "location", "base64", "complexvalue")
NO_HISTORY_TYPES = {"Id": "id", "Parent": "reference", "CreatedDate": "datetime", "CreatedById": "reference"}
CHANGE_COLUMNS = NO_HISTORY_TYPES | {"Field": "picklist", "OldValue": "anyType", "NewValue": "anyType"}
SNAPSHOT_COLUMNS = NO_HISTORY_TYPES | {
    "StageName": "picklist", "Amount": "currency", "CloseDate": "date", "ForecastCategory": "picklist",
}  # fmt: skip


@dataclass(frozen=True)
class Stream:
    """One object that is read by its stamp. `changes` and `snapshots`: the objects that hold its history."""

    name: str
    sobject: str
    changes: str = ""
    snapshots: str = ""
    excluded: tuple[str, ...] = ()
    is_small: bool = False  # read whole every night


STREAMS = (
    Stream("opportunities", "Opportunity", changes="OpportunityFieldHistory", snapshots="OpportunityHistory"),
    Stream("accounts", "Account", changes="AccountHistory"),
    Stream("contacts", "Contact", changes="ContactHistory"),
    Stream("leads", "Lead", changes="LeadHistory"),
    Stream("tasks", "Task"),
    Stream("events", "Event"),
    Stream("email_messages", "EmailMessage", excluded=("HtmlBody", "TextBody", "Headers")),
    Stream("line_items", "OpportunityLineItem"),
    Stream("contact_roles", "OpportunityContactRole"),
    Stream("campaigns", "Campaign"),
    Stream("campaign_members", "CampaignMember"),
    Stream("products", "Product2"),
    Stream("users", "User", is_small=True),
    Stream("user_roles", "UserRole", is_small=True),
    Stream("stages", "OpportunityStage", is_small=True),
    Stream("lead_statuses", "LeadStatus", is_small=True),
    Stream("record_types", "RecordType", is_small=True),
    Stream("currencies", "CurrencyType", is_small=True),
    Stream("conversion_rates", "DatedConversionRate", is_small=True),
    Stream("organization", "Organization", is_small=True),
)
SOBJECTS = {stream.name: stream.sobject for stream in STREAMS}
MASTER_RECORD_TYPE = "012000000000000AAA"
Described = dict[str, Any] | None


@dataclass
class Known:
    """What the warehouse holds of an object. `live` is filled only where the ids are to be compared."""

    watermark: datetime | None = None
    fields: str = ""
    last_id_scan_at: datetime | None = None
    live: set[str] = field(default_factory=set)


class SalesforceSource:
    """An org, its credentials and how to read it. `id_scan`: object -> "nightly" or "weekly" (the default)."""

    name = SOURCE

    def __init__(
        self,
        login: Login,
        base_url: str,
        spool_dir: Path | str = "data/spool",
        *,
        api_version: str = API_VERSION,
        daily_share: float = 0.8,
        bulk_above: int = BULK_ABOVE,
        id_scan: Mapping[str, str] | None = None,
        lookback: timedelta = timedelta(minutes=30),
        poll_seconds: float = 2.0,
        **session_options: Any,
    ):
        self.client = OrgClient(base_url, login, api_version, daily_share, poll_seconds, **session_options)
        self.spool_dir, self.lookback, self.bulk_above = Path(spool_dir), lookback, bulk_above
        self.id_scan = {stream.name: (id_scan or {}).get(stream.name, "weekly") for stream in STREAMS}

    def __repr__(self) -> str:
        return f"SalesforceSource({self.client.base_url!r})"

    @property
    def objects(self) -> tuple[str, ...]:
        return (*SOBJECTS, "sales_processes", "fields")

    def check(self) -> list[ProbeResult]:
        """What the credentials may read. Raises CredentialsError where they are refused."""
        described = self.client.describe(list(SOBJECTS.values()))
        probes = []
        for name, sobject in SOBJECTS.items():
            is_there = described[sobject] is not None
            reason = None if is_there else f"{sobject} is not in this org, or its reader may not see it"
            state = "ok" if is_there else "failed" if name in REQUIRED else "absent"
            probes.append(ProbeResult(name, state, reason, name in REQUIRED))
        return probes


def sync_salesforce(
    open_connection: Connect, source: SalesforceSource, run_id: str, now: datetime
) -> Iterator[ObjectResult]:
    """Read every object and land it; yields each object's result as it is committed. Raises CredentialsError only."""
    described: dict[str, Described] = {}
    session = source.client.session  # signed in before anything is written
    fields_read = metered(session, partial(_fields_batch, source, described, run_id, now))
    if isinstance(fields_read.error, CredentialsError):
        raise fields_read.error
    known = _load_known(open_connection, source, now)
    judge = partial(_judged, source)

    def landed(name: str, read: Read) -> ObjectResult:
        return land_or_record(open_connection, SOURCE, name, read, judge, run_id, now)

    yield landed("fields", fields_read)
    with ThreadPoolExecutor(THREADS, thread_name_prefix=SOURCE) as pool:
        reads: dict[Any, str] = {}
        for stream in STREAMS:
            why = fields_read.error
            read = _stream_read(source, stream, described.get(stream.sobject), why, known[stream.name], run_id, now)
            reads[pool.submit(metered, session, read)] = stream.name
        processes = partial(_processes_batch, source, run_id, now)
        reads[pool.submit(metered, session, processes)] = "sales_processes"
        for done in as_completed(reads):
            yield landed(reads[done], done.result())


def _judged(source: SalesforceSource, name: str, error: Exception) -> tuple[str, str]:
    """(state, reason) of an object that was not read. Required objects have no soft landing."""
    state, reason = "failed", str(error)
    code = error.code if isinstance(error, PermanentSourceError) else None
    if name not in REQUIRED and (code == "INVALID_TYPE" or isinstance(error, _AbsentError)):
        state, reason = "absent", "not in this org, or its reader may not see it"
    elif isinstance(error, MissingScopeError) and name not in REQUIRED:
        state = "not_permitted"
    elif not isinstance(error, SourceError):
        reason = f"{type(error).__name__}: an answer of an unknown form ({str(error)[:200]})"
    return state, source.client.scrub(reason)


class _AbsentError(PermanentSourceError):
    """The org does not describe the object."""


def columns_of(described: Mapping[str, Any], excluded: tuple[str, ...] = ()) -> dict[str, str]:
    """Field -> type of what is read: everything but compound fields (their parts are read) and files."""
    fields = described["fields"]
    compound = {entry.get("compoundFieldName") for entry in fields} - {None, "Name"}
    left_out = compound | set(excluded)
    kept = [entry for entry in fields if entry["type"] not in NEVER_READ and entry["name"] not in left_out]
    return {str(entry["name"]): str(entry["type"]) for entry in kept}


def _fields_batch(source: SalesforceSource, described: dict[str, Described], run_id: str, now: datetime) -> Batch:
    """The fields that the org has, without which nothing can be asked for; a row for each."""
    described |= source.client.describe(list(SOBJECTS.values()))
    spool = Spool(source.spool_dir / f"{SOURCE}__fields")
    kept = (
        "name",
        "label",
        "type",
        "custom",
        "calculated",
        "nillable",
        "referenceTo",
        "compoundFieldName",
        "filterable",
    )
    for sobject, answer in described.items():
        for entry in answer["fields"] if answer else ():
            values = [value["value"] for value in entry.get("picklistValues") or () if value.get("active")]
            row = {"sobject": sobject} | {key: entry.get(key) for key in kept} | {"values": values}
            spool.add_row(f"{sobject}.{entry['name']}", row)
    spool.is_complete = all(described.values())
    return Batch(find(SOURCE, "fields"), spool, run_id, now, window_to=now)


def _stream_read(
    source: SalesforceSource,
    stream: Stream,
    described: Described,
    why: Exception | None,
    known: Known,
    run_id: str,
    now: datetime,
) -> ReadObject:
    def read() -> Batch:
        if why is not None:
            raise why
        if described is None:
            raise _AbsentError(f"{stream.sobject} is not described: missing, or hidden from this user", 404)
        try:
            return _ObjectRead(source, stream, described, known, now).batch(run_id)
        except PermanentSourceError as error:
            if error.code != "INVALID_FIELD":
                raise
            again = source.client.describe([stream.sobject])[stream.sobject]  # changed since it was described
            if again is None:
                raise
            return _ObjectRead(source, stream, again, known, now).batch(run_id)

    return read


class _ObjectRead:
    """One object's read in one night: its spool is filled from queries, jobs and, when due, a listing of ids."""

    def __init__(
        self, source: SalesforceSource, stream: Stream, described: dict[str, Any], known: Known, now: datetime
    ):
        self.source, self.client, self.stream, self.known, self.now = source, source.client, stream, known, now
        self.columns = columns_of(described, stream.excluded)
        self.fields = ",".join(sorted(self.columns))
        filterable = {entry["name"] for entry in described["fields"] if entry.get("filterable", True)}
        stamps = [name for name in ("SystemModstamp", "LastModifiedDate", "CreatedDate") if name in filterable]
        self.stamp = stamps[0] if stamps and not stream.is_small else None
        self.spool = Spool(source.spool_dir / f"{SOURCE}__{stream.name}", form=FORM)
        self.table = Table(TABLE, self.columns)
        self.notes: list[str] = []

    def batch(self, run_id: str) -> Batch:
        until = max(_whole_second(self.now - SETTLING), self.known.watermark or datetime.min.replace(tzinfo=UTC))
        is_first = self.known.watermark is None or self.known.fields != _digest(self.fields) or self.stamp is None
        since = None if is_first or self.known.watermark is None else self.known.watermark - self.source.lookback
        self._read(self.table, self.stream.sobject, self.stamp, since, until)
        self._read_history(None if self.known.watermark is None else since, until)
        is_due_now = is_due(self.known.last_id_scan_at, self.now, self.source.id_scan[self.stream.name])
        scan = self.stamp is not None and since is not None and is_due_now
        if scan:
            with self.source.client.session.scanning():
                self._compare_ids()
        self.spool.is_complete = self.stamp is None and self.table.rows > 0  # an empty answer never deletes a table
        return Batch(
            find(SOURCE, self.stream.name), self.spool, run_id, self.now, volatile=VOLATILE,
            cursor=json.dumps({"watermark": until.isoformat(), "fields": _digest(self.fields)}),
            window_from=since, window_to=until, id_scan_at=self.now if scan or since is None else None,
            reason="; ".join(self.notes) or None,
        )  # fmt: skip

    def _read_history(self, since: datetime | None, until: datetime) -> None:
        parent = f"{self.stream.sobject}Id"
        kinds = ((self.stream.changes, HISTORY, CHANGE_COLUMNS), (self.stream.snapshots, SNAPSHOTS, SNAPSHOT_COLUMNS))
        for sobject, name, columns in kinds:
            if not sobject:
                continue
            try:
                self._read(Table(name, dict(columns), parent), sobject, "CreatedDate", since, until)
            except PermanentSourceError as error:
                if error.code not in ("INVALID_TYPE", "INVALID_FIELD"):
                    raise
                self.notes.append(f"no {sobject} in this org: {error.code}")

    def _read(self, table: Table, sobject: str, stamp: str | None, since: datetime | None, until: datetime) -> None:
        """Rows stamped in [since, until): page by page, or in bulk where there are many or the query is too long."""
        soql = _soql(table, sobject, stamp, since, until)
        if self.client.is_too_long(soql):
            self._in_bulk(table, soql)
            return
        try:
            self._by_page(table, sobject, stamp, since, until)
        except _TooManyError:
            try:
                self._in_bulk(table, soql)
            except JobFailedError as error:
                self.notes.append(f"{error}: read page by page")
                self._by_page(table, sobject, stamp, since, until, may_be_many=True)

    def _by_page(
        self,
        table: Table,
        sobject: str,
        stamp: str | None,
        since: datetime | None,
        until: datetime,
        may_be_many: bool = False,
    ) -> None:
        """A cursor that the org has dropped is replaced by a query from the last stamp seen: nothing is skipped."""
        last: str | None = None
        for _ in range(PAGE_ATTEMPTS):
            begin = datetime.fromisoformat(last.replace("+0000", "+00:00")) if last else since
            try:
                for page in self.client.query(_soql(table, sobject, stamp, begin, until, ordered=True)):
                    rows = page.content["records"]
                    if int(page.content.get("totalSize") or 0) > self.source.bulk_above and not may_be_many:
                        raise _TooManyError
                    if rows:
                        self.spool.add_rows_of(table, page.body, len(rows))
                        last = rows[-1][stamp] if stamp else None
                return
            except PermanentSourceError as error:
                if error.code == "QUERY_TIMEOUT" and not may_be_many:
                    raise _TooManyError from None
                if error.code != "INVALID_QUERY_LOCATOR":
                    raise
                reason = str(error)
        raise TransientSourceError(f"{sobject}: {reason} ({PAGE_ATTEMPTS} times)")

    def _in_bulk(self, table: Table, soql: str) -> None:
        for attempt in (1, 2):
            try:
                for body, count in self.client.bulk(soql):
                    self.spool.add_csv_of(table, body, count)
                return
            except JobFailedError:
                if attempt == 2:
                    raise

    def _compare_ids(self) -> None:
        """Ids listed and ids held: what is on one side only is asked for by id; what is not there at all is gone."""
        listed = set(self._listed_ids())
        odd = sorted(listed ^ self.known.live)
        found: set[str] = set()
        rest = iter(odd)
        while some := list(islice(rest, IDS_IN_A_QUERY)):
            found |= self._read_by_ids(some)
        for record_id in sorted(self.known.live - listed - found):
            tombstone = {"id": record_id, "merged_into": None, "tombstone": "erased"}
            self.spool.add_row(record_id, tombstone, version_at=self.now, is_deleted=True)

    def _listed_ids(self) -> Iterator[str]:
        soql = f"SELECT Id FROM {self.stream.sobject}"
        for page in self.client.query(soql, deleted=False):
            if int(page.content.get("totalSize") or 0) > self.source.bulk_above:
                for body, _ in self.client.bulk(soql, deleted=False):
                    yield from (row["Id"] for row in csv.DictReader(body.decode().splitlines()))
                return
            yield from (row["Id"] for row in page.content["records"])

    def _read_by_ids(self, ids: list[str]) -> set[str]:
        listed = ", ".join(f"'{record_id}'" for record_id in ids)
        soql = f"SELECT {', '.join(self.columns)} FROM {self.stream.sobject} WHERE Id IN ({listed})"
        if self.client.is_too_long(soql):
            if len(ids) > 1:
                half = len(ids) // 2
                return self._read_by_ids(ids[:half]) | self._read_by_ids(ids[half:])
            found = set()
            for body, count in self.client.bulk(soql):
                self.spool.add_csv_of(self.table, body, count)
                found |= set(ids) if count else set()
            return found
        found = set()
        for page in self.client.query(soql):
            if rows := page.content["records"]:
                self.spool.add_rows_of(self.table, page.body, len(rows))
                found |= {row["Id"] for row in rows}
        return found


class _TooManyError(Exception):
    """More rows than are read page by page."""


def _soql(
    table: Table, sobject: str, stamp: str | None, since: datetime | None, until: datetime, ordered: bool = False
) -> str:
    names = ", ".join(table.parent if name == "Parent" else name for name in table.columns)
    soql = f"SELECT {names} FROM {sobject}"
    if stamp is None:
        return soql
    window = [f"{stamp} >= {_literal(since)}"] if since else []
    soql += f" WHERE {' AND '.join([*window, f'{stamp} < {_literal(until)}'])}"
    return soql + (f" ORDER BY {stamp}, Id" if ordered else "")


def _literal(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _whole_second(instant: datetime) -> datetime:
    return instant.replace(microsecond=0)


def _digest(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def _processes_batch(source: SalesforceSource, run_id: str, now: datetime) -> Batch:
    """Which stages the opportunities of each record type go through: the org's only word on that."""
    client, spool = source.client, Spool(source.spool_dir / f"{SOURCE}__sales_processes")
    types = [MASTER_RECORD_TYPE]
    for page in client.query("SELECT Id FROM RecordType WHERE SobjectType = 'Opportunity'"):
        types += [row["Id"] for row in page.content["records"]]
    for record_type in types:
        path = f"{client.prefix}/ui-api/object-info/Opportunity/picklist-values/{record_type}/StageName"
        values = client.get(path, require="values").content["values"]
        stages = [{"value": row["value"], "label": row.get("label")} for row in values]
        spool.add_row(record_type, {"id": record_type, "stages": stages})
    spool.is_complete = True
    return Batch(find(SOURCE, "sales_processes"), spool, run_id, now, window_to=now)


def _load_known(open_connection: Connect, source: SalesforceSource, now: datetime) -> dict[str, Known]:
    known: dict[str, Known] = {}
    with open_connection() as connection:
        prepare(connection)
        rows = connection.execute(
            "select object, cursor, last_id_scan_at from raw.sync_state where source = ?", [SOURCE]
        ).fetchall()
        state = {name: (cursor, scanned) for name, cursor, scanned in rows}
        for stream in STREAMS:
            cursor, scanned = state.get(stream.name, (None, None))
            held = json.loads(cursor) if cursor else {}
            at = datetime.fromisoformat(held["watermark"]) if held else None
            entry = known[stream.name] = Known(believable(at, now), held.get("fields", ""), scanned)
            if at is not None and not stream.is_small and is_due(scanned, now, source.id_scan[stream.name]):
                entry.live = living_ids(connection, find(SOURCE, stream.name))
    return known
