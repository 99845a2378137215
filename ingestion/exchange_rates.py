"""Euro reference rates of the European Central Bank into raw: one record for each rate day.

First the whole history, then every night the last 90 days again, since corrections arrive without a word; the history
once more after a longer silence. Asked only while an amount that landed is in another currency than the company's. A
day that is in no file is a holiday; a day that is no longer in a file keeps its rates.

A record's stamp is 16:00 in Frankfurt on its day, when rates are published; a correction, which bears no instant of its
own, is a microsecond later than the version before it. What makes a new version is the number, not how it is printed.
"""

from __future__ import annotations

import csv
import io
import json
import re
import struct
import time
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from xml.parsers import expat
from zoneinfo import ZoneInfo

import duckdb

from ingestion.landing import Batch, ObjectResult, Spool, land, prepare, record_failure
from ingestion.objects import EXCHANGE_RATES
from ingestion.reads import Connect
from ingestion.session import BrokenPage, SourceError, SourceSession

BANK_URL = "https://www.ecb.europa.eu/stats/eurofxref"
DAILY, RECENT = "/eurofxref-daily.xml", "/eurofxref-hist-90d.xml"
HISTORY_ZIP, HISTORY_XML = "/eurofxref-hist.zip", "/eurofxref-hist.xml"
MAX_BYTES = 64 * 1024 * 1024  # the whole history is 8 MB of XML
FRANKFURT = ZoneInfo("Europe/Berlin")
NO_RATE = {"", "-", "N/A"}
ENVELOPE = "http://www.gesmes.org/xml/2002-08-01 Envelope"  # namespace and name, as the parser joins them
CUBE = "http://www.ecb.int/vocabulary/2002-08-01/eurofxref Cube"

(ENTRY,) = EXCHANGE_RATES
SOURCE, NAME = ENTRY.source, ENTRY.name
# Where amounts say what currency they are in. Vendor history counts: a past day is converted, too.
CURRENCIES = (
    ("raw.hubspot__deals", "payload ->> '$.properties.deal_currency_code'"),
    ("raw.hubspot__deals_history", "case when property = 'deal_currency_code' then value end"),
    ("raw.hubspot__line_items", "payload ->> '$.properties.hs_line_item_currency_code'"),
    ("raw.hubspot__account_info", "payload ->> '$.companyCurrency'"),
    *((f"raw.salesforce__{name}", "payload ->> '$.CurrencyIsoCode'") for name in ("opportunities", "line_items")),
    ("raw.salesforce__opportunities_history", "case when property like '%CurrencyIsoCode' then value end"),
    ("raw.salesforce__organization", "payload ->> '$.DefaultCurrencyIsoCode'"),
    *((f"raw.pipedrive__{name}", "payload ->> '$.currency'") for name in ("deals", "deal_products")),
    ("raw.pipedrive__deals_history", "case when property = 'currency' then value end"),
    ("raw.pipedrive__account_info", "payload ->> '$.default_currency'"),
    *((f"raw.spreadsheets__{name}", "payload ->> '$.fields.currency'") for name in ("deals", "contracts", "targets")),
)


@dataclass
class RateFile:
    """Day -> currency -> rate as printed, of the days that have any. `refused`: days that cannot be used, and why."""

    days: dict[str, dict[str, str]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def add(self, day: str, rates: Iterable[tuple[str, str]]) -> None:
        """One day of a file. A day that contradicts itself, or its twin, is refused whole: neither is the truth."""
        if not _is_day(day):
            self.refused[day[:40]] = "is no day in the form 2026-12-31"
            return
        held = self.days.setdefault(day, {})
        for currency, printed in rates:
            name, text = currency.strip().upper(), printed.strip()
            if text.upper() in NO_RATE:
                continue
            if _number(held.setdefault(name, text)) != _number(text):
                self.refused[day] = f"{name} is given twice, as {held[name]} and {text}"
        if day in self.refused or not held:
            del self.days[day]


@dataclass
class Known:
    """What the warehouse holds: the newest stamp of each day, refusals that were listed, the stamp of the last file."""

    stamps: dict[str, datetime] = field(default_factory=dict)
    refused: set[tuple[str, str]] = field(default_factory=set)
    last_modified: str | None = None


@dataclass
class _Reading:
    file: RateFile
    last_modified: str | None
    note: str | None = None


class ExchangeRateSource:
    """The bank's files. Knows what to ask for; nothing of the warehouse."""

    name = SOURCE

    def __init__(self, base_url: str = BANK_URL, spool_dir: Path | str = "data/spool", **session_options: Any):
        self.spool_dir = Path(spool_dir)
        self.session = SourceSession(base_url, None, max_bytes=MAX_BYTES, **session_options)

    def check(self) -> str:
        """The newest rate day that the bank shows. Raises SourceError."""
        daily = self.session.download(DAILY, read_xml)
        assert daily is not None
        return max(daily.content.days)

    def read(self, known: Known) -> _Reading:
        """What the bank has that may be new."""
        if not known.stamps:
            return self._history()
        recent = self.session.download(RECENT, read_xml, since=known.last_modified)
        if recent is None:
            return _Reading(RateFile(), known.last_modified)
        found = recent.content
        note = None
        if min(found.days) > max(known.stamps):  # silent for so long that days are missing in between
            whole = self._history()
            found = RateFile(whole.file.days | found.days, whole.file.refused | found.refused)
            note = whole.note
        return _Reading(found, recent.last_modified, note)

    def _history(self) -> _Reading:
        """The zip is a tenth of the XML and carries a checksum; where it cannot be had, the XML says the same."""
        try:
            zipped = self.session.download(HISTORY_ZIP, read_zip)
            assert zipped is not None
            return _Reading(zipped.content, None)
        except SourceError as error:
            reason = str(error)
        try:
            plain = self.session.download(HISTORY_XML, read_xml)
        except SourceError as error:
            raise type(error)(f"{reason}; {error}") from None
        assert plain is not None
        return _Reading(plain.content, None, f"read from {HISTORY_XML}: {reason}")


def sync_exchange_rates(
    open_connection: Connect, source: ExchangeRateSource, company_currency: str, run_id: str, now: datetime
) -> Iterator[ObjectResult]:
    """Land what the bank has, if any amount needs it; one result, with state `skipped` where none does."""
    with open_connection() as connection:
        prepare(connection)
        if not has_foreign_amounts(connection, company_currency):
            reason = f"not asked: no amount is in another currency than {company_currency}"
            record_failure(connection, SOURCE, NAME, "skipped", reason, run_id, now)
            yield ObjectResult(SOURCE, NAME, "skipped", reason)
            return
        known = _load_known(connection)
    started = time.monotonic()
    try:
        with source.session.metered() as meter:
            reading = source.read(known)
    except SourceError as error:
        cost: dict[str, Any] = vars(meter) | {"seconds": time.monotonic() - started}
        with open_connection() as connection:
            record_failure(connection, SOURCE, NAME, "failed", str(error), run_id, now, cost)
        yield ObjectResult(SOURCE, NAME, "failed", str(error), **cost)
        return
    spool = Spool(source.spool_dir / f"{SOURCE}__{NAME}")
    _fill(spool, reading.file, known, now)
    batch = Batch(
        ENTRY, spool, run_id, now, cursor=json.dumps({"last_modified": reading.last_modified}), window_to=now,
        reason=reading.note, seconds=time.monotonic() - started, **vars(meter),
    )  # fmt: skip
    if reading.file.days:
        batch.window_from = published_at(min(reading.file.days))
    with open_connection() as connection:
        yield land(connection, batch)
    spool.remove()


def has_foreign_amounts(connection: duckdb.DuckDBPyConnection, company_currency: str) -> bool:
    """Whether anything that ever landed is, or was, in another currency than the company's."""
    for table, currency in CURRENCIES:
        row = connection.execute(
            f"""select 1 from (select upper(trim({currency})) as currency from {table})
                where currency <> '' and currency <> ? limit 1""",
            [company_currency],
        ).fetchone()
        if row is not None:
            return True
    return False


def published_at(day: str) -> datetime:
    """The instant from which a day's rates can be known."""
    return datetime.fromisoformat(f"{day}T16:00:00").replace(tzinfo=FRANKFURT)


def read_zip(body: bytes) -> RateFile:
    """The history as a zip of one CSV file. Raises BrokenPage."""
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            files = [file for file in archive.infolist() if file.filename.lower().endswith(".csv")]
            if len(files) != 1 or files[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise BrokenPage(f"a zip with {len(files)} CSV files, or packed in a way that the bank does not use")
            with archive.open(files[0]) as member:
                content = member.read(MAX_BYTES + 1)
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, ValueError) as error:
        what = "HTML" if body.lstrip()[:1] == b"<" else f"truncated or malformed zip ({type(error).__name__})"
        raise BrokenPage(f"{what} instead of the rates" if body else "an empty file") from None
    if len(content) > MAX_BYTES:
        raise BrokenPage(f"a zip that unpacks to more than {MAX_BYTES} bytes")
    return read_csv(content)


def read_csv(body: bytes) -> RateFile:
    """`Date,USD,JPY,..,` newest first; N/A where a currency has no rate, a comma too many at the end."""
    try:
        rows = csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""))
        header = [name.strip() for name in next(rows, [])]
        if header[:1] != ["Date"] or len(header) < 2:
            raise BrokenPage("CSV without the header `Date` and currencies")
        file = RateFile()
        for cells in rows:
            if len(cells) == len(header):
                named = zip(header[1:], cells[1:], strict=True)
                file.add(cells[0].strip(), [(name, text) for name, text in named if name])
            elif cells:
                file.refused[cells[0].strip()[:40]] = f"has {len(cells)} cells under a header of {len(header)}"
    except (UnicodeDecodeError, csv.Error) as error:
        raise BrokenPage(f"no CSV ({type(error).__name__})") from None
    return _with_days(file)


def read_xml(body: bytes) -> RateFile:
    """`Cube`s of days, each with `Cube`s of currency and rate. Raises BrokenPage; follows no entity and no DOCTYPE."""
    found: list[tuple[str, list[tuple[str, str]]]] = []
    is_open = False

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal is_open
        if not is_open and name != ENVELOPE:
            raise BrokenPage(f"XML that opens with {name.rpartition(' ')[2][:40]!r}, not with the bank's envelope")
        is_open = True
        if name == CUBE and "time" in attributes:
            found.append((attributes["time"].strip(), []))
        elif name == CUBE and "currency" in attributes and found:
            found[-1][1].append((attributes["currency"], attributes.get("rate", "")))

    def refuse(name: str, *_: Any) -> None:
        raise BrokenPage("HTML instead of the rates" if name.lower() == "html" else "XML with a document type")

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = start
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise BrokenPage(f"truncated or malformed XML ({str(error)[:80]})" if body else "an empty file") from None
    file = RateFile()
    for day, rates in found:
        file.add(day, rates)
    return _with_days(file)


def _with_days(file: RateFile) -> RateFile:
    if not file.days:
        raise BrokenPage("a file without a single rate day")
    return file


def _fill(spool: Spool, file: RateFile, known: Known, now: datetime) -> None:
    today = now.astimezone(FRANKFURT).date().isoformat()
    refused = file.refused | {day: "is a day that has not come" for day in file.days if day > today}
    for day, rates in file.days.items():
        if day not in refused:
            before = known.stamps.get(day)
            stamp = published_at(day) if before is None else before + timedelta(microseconds=1)
            listed = [{"currency": name, "rate": rates[name]} for name in sorted(rates)]
            hashed = {name: str(_number(text)) for name, text in rates.items()}
            spool.add_row(day, {"date": day, "rates": listed}, hashed=hashed, version_at=stamp)
    for day, reason in refused.items():
        if (day, reason) in known.refused:
            spool.rows_read += 1
        else:
            spool.refuse(reason, record_id=day, column_name="date", value=day)


def _load_known(connection: duckdb.DuckDBPyConnection) -> Known:
    row = connection.execute("select cursor from raw.sync_state where source = ? and object = ?", [SOURCE, NAME])
    cursor = (row.fetchone() or (None,))[0]
    refused = "select record_id, reason from raw.quarantine where source = ? and object = ?"
    return Known(
        dict(connection.execute(f"select record_id, max(version_at) from {ENTRY.table} group by record_id").fetchall()),
        set(connection.execute(refused, [SOURCE, NAME]).fetchall()),
        json.loads(cursor)["last_modified"] if cursor else None,
    )


def _is_day(text: str) -> bool:
    try:
        return bool(re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text)) and date.fromisoformat(text) is not None
    except ValueError:
        return False


def _number(text: str) -> Decimal | str:
    """The number that a text prints, in one form; a text that is no number stays as it is."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    return number.normalize() if number.is_finite() else text
