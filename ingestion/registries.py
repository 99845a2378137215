"""Company registers into raw: Norway's Enhetsregisteret and Finland's PRH/YTJ, one record for each legal entity.

Asked are only companies that a CRM or a sheet has: by organisation number, and by name where the number is unknown or
cannot be right. A name's hit is a candidate and no more: it lands only if it is spelt the same, and matching decides.
What has landed is the cache. In Norway the change feed says what moved since, so everything else is known to be
unchanged without being asked; in Finland, which has no such feed, an entry is asked again when it is `refresh_days`
old. Numbers are checked before they leave: one that could be a person's is never sent anywhere, nor written down.

Not loaded: roles and other people, phone and e-mail, which for a sole trader are a person's.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import duckdb

from ingestion.landing import Batch, ObjectResult, Spool, land, prepare, record_failure
from ingestion.legal_ids import country_of, organisation_number, same_name
from ingestion.objects import REGISTRIES
from ingestion.reads import Connect
from ingestion.registry_answers import Entry, feed_page, finnish_page, norwegian_page, norwegian_unit
from ingestion.session import PermanentSourceError, SourceError, SourceSession

NORWAY_URL = "https://data.brreg.no/enhetsregisteret/api"
FINLAND_URL = "https://avoindata.prh.fi/opendata-ytj-api/v3"
NORWAY, FINLAND = REGISTRIES
SOURCE = NORWAY.source
REQUESTS_PER_SECOND = 4
NUMBERS_A_REQUEST = 50  # Norway's search takes a list
FEED_ROWS = 10_000  # the most that a page of Norway's feed holds: about three days
FEED_PAGES = 40
FINNISH_PAGE = 100
NAME_PAGES = 3
MOST_CANDIDATES = 5  # more companies of one name than this tell nothing
SOLE_TRADER = "ENK"  # Norway's: the name is a person's, so it is not looked for by name


@dataclass(frozen=True)
class Table:
    """Where a source has its companies: paths of name, country, domain, and what stands before the number's field,
    which the company names; by its label where the table `labels` says what fields are called."""

    name: str
    before: str
    paths: tuple[str, str, str]
    labels: str = ""


COMPANIES = {
    "hubspot": Table(
        "raw.hubspot__companies", "properties.", ("properties.name", "properties.country", "properties.domain")
    ),
    "salesforce": Table("raw.salesforce__accounts", "", ("Name", "BillingCountry", "Website")),
    "pipedrive": Table(
        *("raw.pipedrive__organizations", "custom_fields.", ("name", "address.country", "website")),
        labels="raw.pipedrive__organization_fields",
    ),
    "spreadsheets": Table("raw.spreadsheets__companies", "fields.", ("fields.name", "fields.country", "fields.domain")),
}


@dataclass(frozen=True)
class Company:
    """A company that somebody has: its record there, what it is asked for by."""

    record: str
    country: str
    number: str | None
    name: str | None
    is_number_wrong: bool


@dataclass
class Known:
    """What the warehouse holds of one register. `asked`: what was asked for -> the day its answer was last true."""

    stamps: dict[str, datetime] = field(default_factory=dict)
    asked: dict[str, str] = field(default_factory=dict)
    feed: dict[str, Any] = field(default_factory=dict)
    refused: set[tuple[str, str]] = field(default_factory=set)

    @property
    def cursor(self) -> str:
        return json.dumps({"asked": self.asked, "feed": self.feed}, sort_keys=True)


class _Register:
    """What both registers share: what is stale, how much is asked in a night, what of it was answered."""

    country = ""
    entry = NORWAY

    def __init__(self, session: SourceSession, refresh_days: int, most_lookups: int):
        self.session = session
        self.refresh_days, self.most_lookups = refresh_days, most_lookups

    def check(self) -> None:
        """One small request. Raises SourceError."""
        raise NotImplementedError

    def changed(self, known: Known, now: datetime) -> dict[str, datetime]:
        """Numbers that moved since the last look -> when; forgets in `known` what has to be asked again."""
        return {}

    def by_numbers(self, numbers: list[str]) -> Iterator[tuple[str, Entry | None]]:
        """Each number with what the register has of it; None: it never had such a number."""
        raise NotImplementedError

    def by_name(self, name: str) -> list[Entry]:
        """Companies that are spelt the same; empty where there are none, or too many to tell."""
        raise NotImplementedError

    def is_due(self, known: Known, key: str, now: datetime) -> bool:
        day = known.asked.get(key)
        return day is None or datetime.fromisoformat(day).date() <= (now - timedelta(days=self.refresh_days)).date()

    def read(self, companies: list[Company], known: Known, now: datetime) -> Iterator[Entry | Company]:
        """Answers, and companies whose number is in no register. Moves `known` on with every answer."""
        today = now.date().isoformat()
        moved = self.changed(known, now)
        owners = {c.number: c for c in companies if c.number}
        numbers = sorted(n for n in {*owners, *known.stamps} if self.is_due(known, n, now))
        for number, found in self.by_numbers(numbers[: self.most_lookups]):
            known.asked[number] = today
            if found is not None:
                yield replace(found, stamp=found.stamp or moved.get(number))
            elif number in owners:
                yield owners[number]
        names = sorted({c.name for c in companies if c.number is None and c.name and same_name(c.name)})
        due = [name for name in names if self.is_due(known, f"name:{name}", now)]
        for name in due[: max(self.most_lookups - len(numbers), 0)]:
            found_names = self.by_name(name)
            known.asked[f"name:{name}"] = today
            for candidate in found_names:
                known.asked[candidate.number] = today
                yield candidate
        self.waiting = max(len(numbers) + len(due) - self.most_lookups, 0)

    waiting = 0


class Norway(_Register):
    """Brønnøysund's Enhetsregisteret."""

    country, entry = "NO", NORWAY

    def check(self) -> None:
        self.session.download("/enheter?size=1", norwegian_page)

    def changed(self, known: Known, now: datetime) -> dict[str, datetime]:
        """Walk the feed from where the last night ended. What it does not name is as it was: true today."""
        walked = datetime.fromisoformat(known.feed["walked"]) if known.feed else None
        is_fresh = walked is not None and walked > now - timedelta(days=self.refresh_days)
        start = {"dato": _instant((walked if walked and is_fresh else now) - timedelta(days=1))}
        if is_fresh and "next" in known.feed:
            start = {"oppdateringsid": str(known.feed["next"])}
        moved: dict[str, datetime] = {}
        for _ in range(FEED_PAGES):
            rows, is_last = self._changes(start)
            for row in rows:
                at = datetime.fromisoformat(row["dato"])
                moved[row["organisasjonsnummer"]] = max(at, moved.get(row["organisasjonsnummer"], at))
            if rows:
                following = max(int(row["oppdateringsid"]) for row in rows) + 1
                known.feed["next"], start = following, {"oppdateringsid": str(following)}
            if is_last:
                break
        else:
            raise PermanentSourceError(f"GET /oppdateringer/enheter: no end after {FEED_PAGES} pages")
        for number in list(known.asked):
            if number in moved:
                del known.asked[number]
            elif is_fresh and not number.startswith("name:"):
                known.asked[number] = now.date().isoformat()
        known.feed["walked"] = now.isoformat()
        return moved

    def _changes(self, start: dict[str, str]) -> tuple[list[dict[str, Any]], bool]:
        query = urlencode(start | {"size": str(FEED_ROWS)})
        page = self.session.download(f"/oppdateringer/enheter?{query}", feed_page)
        assert page is not None
        return page.content

    def by_numbers(self, numbers: list[str]) -> Iterator[tuple[str, Entry | None]]:
        for start in range(0, len(numbers), NUMBERS_A_REQUEST):
            part = numbers[start : start + NUMBERS_A_REQUEST]
            found = {e.number: e for e in self._search({"organisasjonsnummer": ",".join(part), "size": str(len(part))})}
            for number in part:  # what has ceased is in no search
                yield number, found[number] if number in found else self._unit(number)

    def _unit(self, number: str) -> Entry | None:
        try:
            answer = self.session.download(f"/enheter/{number}", norwegian_unit)
        except PermanentSourceError as error:
            if error.status == 410:
                gone = {"organisasjonsnummer": number, "respons_klasse": "Fjernet"}
                return Entry(number, gone, gone, is_deleted=True)
            if error.status == 404:
                return None
            raise
        assert answer is not None
        if answer.content.number != number:
            raise PermanentSourceError(f"GET /enheter/{number}: answered with another company")
        return answer.content

    def by_name(self, name: str) -> list[Entry]:
        wanted = same_name(name)
        found = [
            entry
            for entry in self._search({"navn": name, "size": "20"})
            if same_name(entry.payload.get("navn")) == wanted
            and (entry.payload.get("organisasjonsform") or {}).get("kode") != SOLE_TRADER
        ]
        return found if len(found) <= MOST_CANDIDATES else []

    def _search(self, query: dict[str, str]) -> list[Entry]:
        page = self.session.download(f"/enheter?{urlencode(query)}", norwegian_page)
        assert page is not None
        return page.content


class Finland(_Register):
    """PRH/YTJ open data, version 3."""

    country, entry = "FI", FINLAND

    def check(self) -> None:
        self.session.download("/companies?businessId=0112038-9", finnish_page)

    def by_numbers(self, numbers: list[str]) -> Iterator[tuple[str, Entry | None]]:
        for number in numbers:
            _, found = self._page({"businessId": f"{number[:-1]}-{number[-1]}"})
            yield number, next((entry for entry in found if entry.number == number), None)

    def by_name(self, name: str) -> list[Entry]:
        """A page beyond the last is the first again, and a page may be short: count by what there is in all."""
        wanted, found = same_name(name), dict[str, Entry]()
        for page in range(1, NAME_PAGES + 1):
            total, entries = self._page({"name": name, "page": str(page)})
            is_repeated = any(entry.number in found for entry in entries)
            found |= {entry.number: entry for entry in entries}
            if is_repeated or page * FINNISH_PAGE >= total:
                break
        same = [e for e in found.values() if wanted in {same_name(n.get("name")) for n in e.payload.get("names") or []}]
        return same if len(same) <= MOST_CANDIDATES else []

    def _page(self, query: dict[str, str]) -> tuple[int, list[Entry]]:
        page = self.session.download(f"/companies?{urlencode(query)}", finnish_page)
        assert page is not None
        return page.content


class RegistrySource:
    """Both registers. Knows what to ask for; nothing of the warehouse."""

    name = SOURCE

    def __init__(
        self,
        norway_url: str = NORWAY_URL,
        finland_url: str = FINLAND_URL,
        spool_dir: Path | str = "data/spool",
        *,
        refresh_days: int = 30,
        most_lookups: int = 1_000,
        **session_options: Any,
    ):
        self.spool_dir = Path(spool_dir)
        options = {"rate_per_second": REQUESTS_PER_SECOND} | session_options
        self.registers: tuple[_Register, ...] = (
            Norway(SourceSession(norway_url, None, **options), refresh_days, most_lookups),
            Finland(SourceSession(finland_url, None, **options), refresh_days, most_lookups),
        )

    def close(self) -> None:
        for register in self.registers:
            register.session.close()


def sync_registries(
    open_connection: Connect,
    source: RegistrySource,
    number_fields: dict[str, str],
    run_id: str,
    now: datetime,
    began: datetime,
) -> Iterator[ObjectResult]:
    """Ask both registers about the companies that have landed; one result for each. `number_fields`: CRM -> its field
    with the organisation number. `began`: the night's own instant; an answer without a stamp is a version of then, so
    that the tables which show that instant hold it."""
    with open_connection() as connection:
        prepare(connection)
        companies = landed_companies(connection, number_fields)
    for register in source.registers:
        own = [company for company in companies if company.country == register.country]
        yield _sync(open_connection, register, own, source.spool_dir, run_id, now, began)


def landed_companies(connection: duckdb.DuckDBPyConnection, number_fields: dict[str, str]) -> list[Company]:
    """The living companies of every source, newest version, that are in Norway or Finland."""
    found = []
    for source, table in COMPANIES.items():
        number = number_fields.get(source, "legal_id")
        if table.labels:
            number = _field_key(connection, table.labels, number)
        paths = [f'$.{table.before}"{number}"', *(f"$.{path}" for path in table.paths)]
        rows = connection.execute(
            f"""select record_id, regexp_replace(payload ->> $a, '[.]0+$', ''), payload ->> $b, payload ->> $c,
                    payload ->> $d from (
                    select * from {table.name}
                    qualify row_number() over (
                        partition by record_id order by version_at desc, landed_at desc, batch_id desc) = 1)
                where not is_deleted order by record_id""",
            dict(zip("abcd", paths, strict=True)),
        ).fetchall()
        for record_id, text, name, country_text, domain in rows:
            country = country_of(country_text, text, domain)
            if country in (NORWAY_CODE, FINLAND_CODE):
                digits = organisation_number(text, country)
                is_wrong = bool((text or "").strip()) and digits is None
                found.append(Company(f"{source}:company:{record_id}", country, digits, name, is_wrong))
    return found


def _field_key(connection: duckdb.DuckDBPyConnection, labels: str, name: str) -> str:
    """Key of the field that is called so, or has that key; the name where there is none."""
    found = connection.execute(
        f"""select min(record_id) from (
                select * from {labels}
                qualify row_number() over (partition by record_id order by landed_at desc, batch_id desc) = 1)
            where not is_deleted and (lower(trim(payload ->> '$.field_name')) = lower(trim($name)) or record_id = $name)
        """,
        {"name": name},
    ).fetchone()
    return found[0] if found and found[0] else name


NORWAY_CODE, FINLAND_CODE = Norway.country, Finland.country


def _sync(
    open_connection: Connect,
    register: _Register,
    companies: list[Company],
    spool_dir: Path,
    run_id: str,
    now: datetime,
    began: datetime,
) -> ObjectResult:
    entry, started = register.entry, time.monotonic()
    with open_connection() as connection:
        if not companies:
            reason = f"not asked: no company is in {entry.name.capitalize()}"
            record_failure(connection, SOURCE, entry.name, "skipped", reason, run_id, now)
            return ObjectResult(SOURCE, entry.name, "skipped", reason)
        known = _load_known(connection, register)
    spool, failure = Spool(spool_dir / f"{SOURCE}__{entry.name}"), None
    for company in companies:
        if company.is_number_wrong:
            _refuse(spool, known, company, "is no organisation number of its country: correct it in the CRM")
    with register.session.metered() as meter:
        try:
            for found in register.read(companies, known, now):
                if isinstance(found, Company):
                    _refuse(spool, known, found, "is an organisation number that the register does not know")
                else:
                    _add(spool, known, found, began)
        except SourceError as error:
            failure = str(error)
    cost: dict[str, Any] = vars(meter) | {"seconds": time.monotonic() - started}
    waiting = f"{register.waiting} companies wait for the next nights" if register.waiting else None
    batch = Batch(entry, spool, run_id, now, cursor=known.cursor, window_to=now, reason=waiting, **cost)
    with open_connection() as connection:
        if failure is None or spool.rows_read:  # what was answered before the register failed is kept
            result = land(connection, batch)
        else:
            result = ObjectResult(SOURCE, entry.name, "failed", failure, **cost)
        if failure is not None:
            record_failure(connection, SOURCE, entry.name, "failed", failure, run_id, now, cost)
    spool.remove()
    return result if failure is None else replace(result, state="failed", reason=failure)


def _add(spool: Spool, known: Known, found: Entry, began: datetime) -> None:
    held, stamp = known.stamps.get(found.number), found.stamp or began
    if held is not None and stamp <= held:  # a change that bears no later instant is later all the same
        stamp = held + timedelta(microseconds=1)
    spool.add_row(
        found.number, found.payload, hashed=found.hashed, version_at=stamp, is_deleted=found.is_deleted
    )  # fmt: skip


def _refuse(spool: Spool, known: Known, company: Company, reason: str) -> None:
    """The value is not written down: what is no company's number may be a person's."""
    if (company.record, reason) in known.refused:
        spool.rows_read += 1
    else:
        spool.refuse(reason, record_id=company.record, column_name="organisation number")


def _load_known(connection: duckdb.DuckDBPyConnection, register: _Register) -> Known:
    entry = register.entry
    row = connection.execute("select cursor from raw.sync_state where source = ? and object = ?", [SOURCE, entry.name])
    cursor = json.loads((row.fetchone() or (None,))[0] or "{}")
    refused = "select record_id, reason from raw.quarantine where source = ? and object = ?"
    return Known(
        dict(connection.execute(f"select record_id, max(version_at) from {entry.table} group by record_id").fetchall()),
        cursor.get("asked", {}),
        cursor.get("feed", {}),
        set(connection.execute(refused, [SOURCE, entry.name]).fetchall()),
    )


def _instant(at: datetime) -> str:
    """As Norway wants it: to the millisecond, with a Z."""
    return at.astimezone(ZoneInfo("UTC")).strftime("%Y-%m-%dT%H:%M:%S.000Z")
