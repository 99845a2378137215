"""The whole erasure, in an order that any interruption can be followed by the same again.

Raw is what tells who the person is, so it is swapped last: killed before that, the next run finds the person as this
one did. What lies half-made holds the person too, in one folder that every run empties first and last.
"""

from __future__ import annotations

import getpass
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from ingestion import durable, suppression
from ingestion.landing import prepare
from ingestion.suppression import PEOPLE
from salesops import publication, shared
from salesops.config import ConfigError, Settings
from salesops.erasure import files, people, publications, raw
from salesops.erasure.people import Key, Person
from salesops.erasure.traces import Traces
from salesops.layout import DataDirectory

GRACE_SECONDS = 5.0  # for who read parquet/CURRENT and is about to open the files that it named
MOST_AT_ONCE = 50  # people whom a CRM has erased that a night follows by itself: more at once may be a fault


class ForgetError(ConfigError):
    """Nobody was erased, or not everything is gone. The message says what to do."""


@dataclass
class Plan:
    """Who is meant and what names them where."""

    person: Person
    records: list[str] = field(default_factory=list)
    linked: dict[str, int] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    operators: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)
    already: str = ""

    def lines(self) -> list[str]:
        """For a person to read before it is done. Names nobody beyond ids."""
        told = [f"{len(self.records)} records of the person: {', '.join(self.records) or 'none'}"]
        if self.already:
            told.append(self.already)
        told += [f"{count} records of {table} that are linked to them" for table, count in sorted(self.linked.items())]
        kinds = [trace.kind for trace in self.person.traces - self.person.shared.keys()]
        told.append(
            f"names them: {kinds.count('email')} addresses, {kinds.count('phone')} numbers, {kinds.count('name')} names"
        )
        for trace, owner in sorted(self.person.shared.items(), key=lambda item: item[1]):
            told.append(f"kept elsewhere, since it is not theirs alone: a {trace.kind} that is also {owner}")
        for key in self.beside:
            source, _, record_id = key.split(":", 2)
            told.append(
                f"matching holds {key} to be the same person: salesops forget --record {source}/.../{record_id}"
            )
        told += [f"file: {name}" for name in self.files]
        told += [f"yours to change, it names the person: {name}" for name in self.operators]
        return told


def parse_record(text: str) -> Key:
    """`hubspot/contacts/123` as source, object, id."""
    parts = text.split("/", 2)
    if len(parts) != 3 or tuple(parts[:2]) not in PEOPLE or not parts[2]:
        kinds = ", ".join(f"{source}/{name}" for source, name in PEOPLE)
        raise ForgetError(f"--record {text}: write SOURCE/TYPE/ID; people are in {kinds}")
    return parts[0], parts[1], parts[2]


def find(data: DataDirectory, settings: Settings, *, email: str | None, record: str | None) -> Person:
    """Who is meant. ForgetError where nothing can be done about it."""
    _need_warehouse(data)
    region = settings.company.country
    with duckdb.connect(str(data.warehouse)) as connection:
        connection.execute("set timezone = 'UTC'")
        prepare(connection)
        if record is not None:
            try:
                return people.by_record(connection, parse_record(record), region)
            except KeyError as error:
                raise ForgetError(str(error.args[0])) from None
        assert email is not None
        if "@" not in email:
            raise ForgetError("--email: that is no address")
        person = people.by_email(connection, email, region)
    if person.is_user:
        raise ForgetError("that address is a user's of the CRM: deals are theirs, and users are not erased")
    return person


def follow_crm(data: DataDirectory, settings: Settings, most: int | None = None) -> Person | None:
    """Everybody whom their CRM has erased and who is still here; None when there is nobody."""
    _need_warehouse(data)
    with duckdb.connect(str(data.warehouse)) as connection:
        connection.execute("set timezone = 'UTC'")
        prepare(connection)
        found = people.gone_from_crm(connection)
        if not found:
            return None
        if most is not None and len(found) > most:
            raise ForgetError(
                f"{len(found)} people vanished from their CRM: if that is right, run `salesops forget --crm`"
            )
        return people.described(connection, found, settings.company.country)


def after_night(data: DataDirectory, settings: Settings, drop: Path, now: datetime) -> str:
    """What a night does when a CRM has erased people. A sentence for its summary; never raises: the night is over."""
    try:
        person = follow_crm(data, settings, MOST_AT_ONCE)
        if person is None:
            return ""
        erase(data, settings, drop, person, "crm", now)
        return f"Erased here too, as in the CRM: {len(person.records)} people."
    except Exception as error:  # noqa: BLE001 as of Dagster's files, which its daemon may hold: the publication stands
        return f"People whom the CRM erased are still here ({_reason(error)}); to erase them: salesops forget --crm"


def find_again(data: DataDirectory, settings: Settings) -> Person | None:
    """Everybody on the list of the erased who is in raw all the same."""
    _need_warehouse(data)
    erased = suppression.read(data.erasures)
    with duckdb.connect(str(data.warehouse)) as connection:
        connection.execute("set timezone = 'UTC'")
        prepare(connection)
        found = people.back_again(connection, erased) if erased else set()
        return people.described(connection, found, settings.company.country) if found else None


def plan(data: DataDirectory, drop: Path, person: Person) -> Plan:
    """What would go. Changes nothing."""
    made = Plan(person, sorted("/".join(key) for key in person.records))
    with duckdb.connect(str(data.warehouse), read_only=True) as connection:
        made.linked = {table: len(ids) for table, ids in raw.linked_records(connection, person).items()}
    made.already = _already(data, person)
    published = data.published / "marts.duckdb"
    if published.exists() and person.records:
        made.beside = publications.same_people(published, person)
    if person.own:
        held = [p for p in files.everything(data, drop) if not p.is_relative_to(data.scratch)]  # half-made, and to go
        made.files = [_short(p, data) for p in held if files.names(p, person.own)]
    made.operators = files.of_operators(data, drop, Traces(person.traces))
    return made


def is_left(data: DataDirectory, plan: Plan) -> bool:
    """Whether there is anything to erase. If not, what an erasure that was killed at its end left half-made goes."""
    if plan.person.records or plan.files:
        return True
    shutil.rmtree(data.scratch, ignore_errors=True)
    return False


def erase(
    data: DataDirectory,
    settings: Settings,
    drop: Path,
    person: Person,
    asked: str,
    now: datetime,
    say: Callable[[str], None] = lambda _: None,
) -> list[str]:
    """Erase the person from every file. The night's lock is held by the caller. What remains for people to do.

    `asked`: email, record, crm or again; a CRM's own erasure does not keep the record out if the CRM has it again.
    """
    traces = person.own
    shutil.rmtree(data.scratch, ignore_errors=True)
    data.scratch.mkdir(mode=0o700)
    try:
        files.remove_working_files(data)
        say("Publications ...")
        moved_at = -GRACE_SECONDS
        for path in [*publication.kept_publications(data.published), data.published / "marts.duckdb"]:
            is_meant = path.exists() and publications.concerns(path, person)
            if is_meant and publications.rewrite(path, data.published, data.scratch, person):
                moved_at = time.monotonic()
        published = data.published / "marts.duckdb"
        if settings.sharing.folder is not None and published.exists():
            shared.write(published, settings.sharing.folder, data.shared_key)
        say("Other files ...")
        if traces:
            for path in files.others(data):
                if files.names(path, traces) or files.may_name(path, traces):
                    say(f"{_short(path, data)}: {files.clean(path, traces)}")
        say("Raw ...")
        _write_down(data, person, asked, now)
        kept = {crm: set(fields) for crm, fields in _kept_fields(settings).items()}
        fresh = raw.rewritten(data.warehouse, data.scratch, person, data.erasures, kept, now)
        time.sleep(max(0.0, moved_at + GRACE_SECONDS - time.monotonic()))
        publication.remove_replaced(data.published)
        files.settle(data)
        _swap(fresh, data.warehouse)
    finally:
        shutil.rmtree(data.scratch, ignore_errors=True)
    say("Looking through every file ...")
    left = [_short(p, data) for p in files.everything(data, drop) if traces and files.names(p, traces)]
    if left:
        raise ForgetError(
            "still named in: " + ", ".join(left) + ". Run it again; if that does not help, remove the file."
        )
    return files.of_operators(data, drop, Traces(person.traces))


def _write_down(data: DataDirectory, person: Person, asked: str, now: datetime) -> None:
    """The line that stays: when, who, how many, hashes. The same erasure again leaves it as it is."""
    erased = suppression.opened(data.erasures)
    keys = people.hashed_keys(erased, person)
    written: dict[str, set[str]] = {}
    for line in suppression.audit(data.erasures):
        if line["keeps_out"] or asked == "crm":
            for kind, hashes in line["keys"].items():
                written.setdefault(kind, set()).update(hashes)
    if all(set(hashes) <= written.get(kind, set()) for kind, hashes in keys.items()):
        return
    line = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "by": _whoami(),
        "asked": asked,
        "records": len(person.records),
        "keys": keys,
        "keeps_out": asked != "crm",
    }
    suppression.append(data.erasures, line)


def _already(data: DataDirectory, person: Person) -> str:
    erased = suppression.read(data.erasures)
    if erased is None:
        return ""
    known = any(erased.holds_record(*key) for key in person.records)
    known = known or any(erased.holds(trace.kind, trace.key) for trace in person.traces if trace.kind == "email")
    return "erased before: what is on the list of the erased does not come back" if known else ""


def _kept_fields(settings: Settings) -> dict[str, list[str]]:
    """Fields that the settings name for stages and campaigns of people: no figure is lost with the person."""
    found = {}
    for crm in ("salesforce", "pipedrive"):
        fields = getattr(settings.sources, crm).all_fields
        found[crm] = [
            field
            for thing in ("contacts", "leads", "persons")
            for ours, field in fields.get(thing, {}).items()
            if ours in ("lifecycle_stage", "lead_status", "campaign", "disqualification_reason", "role")
        ]
    return found


def _swap(fresh: Path, warehouse: Path) -> None:
    durable.fsync(fresh)
    warehouse.with_name(warehouse.name + ".wal").unlink(missing_ok=True)
    os.replace(fresh, warehouse)
    durable.fsync(warehouse.parent)


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, ConfigError) else type(error).__name__  # others may quote a row


def _whoami() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _short(path: Path, data: DataDirectory) -> str:
    return str(path.relative_to(data.root)) if path.is_relative_to(data.root) else str(path)


def _need_warehouse(data: DataDirectory) -> None:
    if not data.warehouse.exists():
        raise ForgetError(f"nothing was read yet in {data.root}")
