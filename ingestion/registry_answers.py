"""What the company registers answer, checked whole: pages of Norway's and Finland's register as entries for raw."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from ingestion.legal_ids import organisation_number
from ingestion.session import BrokenPage

NOT_LOADED = {"_links", "telefon", "mobil", "epostadresse", "roller", "rollegrupper"}
HELSINKI = ZoneInfo("Europe/Helsinki")


@dataclass
class Entry:
    """One answer: the unit as it goes into raw, and what makes a new version of it."""

    number: str
    payload: dict[str, Any]
    hashed: dict[str, Any]
    stamp: datetime | None = None
    is_deleted: bool = False


def norwegian_page(body: bytes) -> list[Entry]:
    """A page of units. `_embedded` is absent where nothing was found, and only there. Raises BrokenPage."""
    content = _object(body)
    rows = (content.get("_embedded") or {}).get("enheter") or []
    total = (content.get("page") or {}).get("totalElements")
    if not isinstance(total, int) or (total > 0 and not rows):
        raise BrokenPage("a page that does not hold the units that it counts")
    return [_norwegian_entry(row) for row in rows]


def norwegian_unit(body: bytes) -> Entry:
    return _norwegian_entry(_object(body))


def _norwegian_entry(unit: Any) -> Entry:
    if not isinstance(unit, dict) or not re.fullmatch("[0-9]{9}", str(unit.get("organisasjonsnummer"))):
        raise BrokenPage("a unit without an organisation number")
    kept = {key: value for key, value in unit.items() if key not in NOT_LOADED}
    return Entry(kept["organisasjonsnummer"], kept, kept)


def feed_page(body: bytes) -> tuple[list[dict[str, Any]], bool]:
    """Rows, and whether they are the last."""
    content = _object(body)
    rows = (content.get("_embedded") or {}).get("oppdaterteEnheter") or []
    left = (content.get("page") or {}).get("totalElements")
    if not isinstance(left, int) or (left > 0 and not rows):
        raise BrokenPage("a page of the feed that does not hold the changes that it counts")
    if not all(
        isinstance(row, dict) and {"oppdateringsid", "dato", "organisasjonsnummer"} <= row.keys() for row in rows
    ):
        raise BrokenPage("a change without id, day or number")
    return rows, left <= len(rows)


def finnish_page(body: bytes) -> tuple[int, list[Entry]]:
    """How many there are in all, and those of this page. Raises BrokenPage."""
    content = _object(body)
    total, rows = content.get("totalResults"), content.get("companies")
    if not isinstance(total, int) or not isinstance(rows, list) or (total > 0 and not rows):
        raise BrokenPage("a page that does not hold the companies that it counts")
    return total, [_finnish_entry(row) for row in rows]


def _finnish_entry(company: Any) -> Entry:
    number = (company.get("businessId") or {}).get("value") if isinstance(company, dict) else None
    digits = organisation_number(number, "FI")
    if digits is None:
        raise BrokenPage("a company without a business id")
    hashed = {key: value for key, value in company.items() if key != "lastModified"}
    return Entry(digits, company, hashed, _finnish_stamp(company.get("lastModified")))


def _finnish_stamp(text: Any) -> datetime | None:
    try:
        stamp = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return stamp if stamp.tzinfo else stamp.replace(tzinfo=HELSINKI)


def _object(body: bytes) -> dict[str, Any]:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        what = "HTML" if body.lstrip()[:1] == b"<" else "truncated or malformed JSON"
        raise BrokenPage(f"{what} instead of the register's answer") from None
    if not isinstance(content, dict):
        raise BrokenPage("JSON that is not an object")
    return content
