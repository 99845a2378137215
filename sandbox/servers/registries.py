"""The practice world's company registers over HTTP: Norway's Enhetsregisteret and Finland's PRH/YTJ open data (v3).

Keyless GET under two paths. Norway: unit (a stub with 200 once it ceased, 410 once taken out, 404 for what never was),
search with the wall at 10,000 rows and no `_embedded` where nothing is found, change feed with holes in its ids, the
whole as gzip. Finland: search whose pages beyond the end are page one again and whose first page may be short,
`/description` as tabbed text, the whole as zip, 429 with Retry-After. Roles are not served: nobody may load them.
"""

from __future__ import annotations

import gzip
import io
import json
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from sandbox.faults import Fault, Faults
from sandbox.registers import Registers, words
from sandbox.servers.answers import Answer
from sandbox.servers.wire import Handler, serving

NORWAY, FINLAND = "/enhetsregisteret/api", "/opendata-ytj-api/v3"
WALL = 10_000
FINNISH_PAGE, SHORT_PAGE = 100, 73
DESCRIPTIONS = {
    "YRMU": {"16": "Limited company", "26": "Public limited company"},
    "REK": {"1": "Trade register", "5": "Prepayment register", "6": "VAT register", "7": "Employer register"},
    "REK_KDI": {"1": "Registered", "3": "Being registered", "4": "Ceased"},
}


class RegistryOffice(ThreadingHTTPServer):
    """The server. `calls` is the request log, oldest first."""

    daemon_threads = True

    def __init__(self, registers: Callable[[], Registers], clock: Callable[[], datetime], port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.registers, self.clock = registers, clock
        self.faults = Faults()
        self.calls: list[dict[str, Any]] = []
        self.lock = threading.Lock()

    @property
    def norway_url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{NORWAY}"

    @property
    def finland_url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{FINLAND}"

    def set_faults(self, specs: list[str] | tuple[str, ...]) -> None:
        """Replace the faults."""
        self.faults = Faults(list(specs))

    def answer(self, path: str, query: dict[str, str], fault: Fault | None) -> Answer:
        """What the register whose path this is says."""
        name = fault.name if fault is not None else ""
        if path.startswith(NORWAY + "/"):
            return self._norway(path.removeprefix(NORWAY), query, name)
        if path.startswith(FINLAND + "/"):
            return self._finland(path.removeprefix(FINLAND), query)
        return Answer(404, b"<html><body>Not found</body></html>")

    def _norway(self, path: str, query: dict[str, str], fault: str) -> Answer:
        registers, now = self.registers(), self.clock()
        units = registers.norway(now)
        if path == "/enheter":
            return self._norwegian_search(list(units.values()), query, fault)
        if path == "/oppdateringer/enheter":
            return self._feed(registers.feed(now), query)
        if path == "/enheter/lastned":
            living = [unit for unit in units.values() if "slettedato" not in unit]
            return Answer(200, gzip.compress(json.dumps(living).encode(), mtime=0))
        number = path.removeprefix("/enheter/")
        if number in registers.removed:
            ceased = registers.struck_off[number].isoformat()
            return Answer(410, {"organisasjonsnummer": number, "slettedato": ceased, "_links": _self(path)})
        if number in units:
            return Answer(200, units[number] | {"_links": _self(path)})
        return Answer(404, {"status": 404, "error": "Not Found", "path": path})

    def _norwegian_search(self, units: list[dict[str, Any]], query: dict[str, str], fault: str) -> Answer:
        page, size = int(query.get("page", 0)), int(query.get("size", 20))
        if (page + 1) * size > WALL:
            return Answer(400, {"status": 400, "error": "Bad Request", "message": "page * size is more than 10000"})
        found = [unit for unit in units if "slettedato" not in unit and _is_asked(unit, query)]
        if "navn" in query:
            asked = words(query["navn"])
            found = [unit for unit in found if set(asked[:1]) & set(words(unit["navn"]))]
            found.sort(key=lambda unit: (-len(set(asked) & set(words(unit["navn"]))), unit["navn"]))
        part = found[page * size : (page + 1) * size]
        body: dict[str, Any] = {"_links": {"self": {"href": f"{self.norway_url}/enheter"}}}
        if part or fault == "empty_page":
            listed = [unit | {"_links": _self(f"/enheter/{unit['organisasjonsnummer']}")} for unit in part]
            body["_embedded"] = {"enheter": [] if fault == "empty_page" else listed}
        pages = -(-len(found) // size)
        return Answer(
            200, body | {"page": {"size": size, "totalElements": len(found), "totalPages": pages, "number": page}}
        )

    def _feed(self, lines: list[tuple[int, Any]], query: dict[str, str]) -> Answer:
        size, first = int(query.get("size", 20)), int(query.get("oppdateringsid", 0))
        if int(query.get("page", 0)) >= 20 or size > WALL:
            return Answer(400, {"status": 400, "error": "Bad Request"})
        since = datetime.fromisoformat(query["dato"]) if "dato" in query else None
        left = [(number, u) for number, u in lines if number >= first and (since is None or u.at >= since)]
        rows = [
            {
                "oppdateringsid": number,
                "dato": f"{update.at:%Y-%m-%dT%H:%M:%S}.{update.at.microsecond // 1000:03d}Z",
                "organisasjonsnummer": update.legal_id,
                "endringstype": update.kind,
                "_links": {"enhet": {"href": f"{self.norway_url}/enheter/{update.legal_id}"}},
            }
            for number, update in left[:size]
        ]
        page = {"size": size, "totalElements": len(left), "totalPages": -(-len(left) // size), "number": 0}
        body = {"_links": {"self": {"href": "/oppdateringer/enheter"}}, "page": page}
        return Answer(200, body | ({"_embedded": {"oppdaterteEnheter": rows}} if rows else {}))

    def _finland(self, path: str, query: dict[str, str]) -> Answer:
        companies = list(self.registers().finland(self.clock()).values())
        if path == "/description":
            listed = DESCRIPTIONS.get(query.get("code", ""), {})
            return Answer(200, "".join(f"{code}\t{label}\n" for code, label in listed.items()).encode())
        if path == "/all_companies":
            return Answer(200, _zip(companies))
        if path != "/companies":
            return Answer(404, {"timestamp": "2026-01-01T00:00:00", "message": "Not found", "errorcode": 404})
        if not query.keys() & {"businessId", "name", "location", "companyForm", "mainBusinessLine", "postCode"}:
            return Answer(400, {"message": "At least one search parameter is needed", "errorcode": 400})
        found = [company for company in companies if _is_finnish(company, query)]
        page = int(query.get("page") or 1)
        part = found[(page - 1) * FINNISH_PAGE : page * FINNISH_PAGE]
        part = part or found[:FINNISH_PAGE]  # beyond the end: page one again
        if part[:1] == found[:1] and len(found) > FINNISH_PAGE:
            part = part[:SHORT_PAGE]
        return Answer(200, {"totalResults": len(found), "companies": part})


def _self(path: str) -> dict[str, Any]:
    return {"self": {"href": f"https://data.brreg.no{NORWAY}{path}"}}


def _is_asked(unit: dict[str, Any], query: dict[str, str]) -> bool:
    numbers = query.get("organisasjonsnummer", "").split(",")
    code = unit["naeringskode1"]["kode"]
    return (
        (numbers == [""] or unit["organisasjonsnummer"] in numbers)
        and ("kommunenummer" not in query or unit["forretningsadresse"]["kommunenummer"] == query["kommunenummer"])
        and ("konkurs" not in query or unit["konkurs"] == (query["konkurs"] == "true"))
        and ("naeringskode" not in query or any(code.startswith(c) for c in query["naeringskode"].split(",")))
    )


def _is_finnish(company: dict[str, Any], query: dict[str, str]) -> bool:
    names = [entry["name"].casefold() for entry in company["names"]]
    city = company["addresses"][0]["postOffices"][0]["city"]
    return (
        query.get("businessId", company["businessId"]["value"]) == company["businessId"]["value"]
        and any(query.get("name", "").casefold() in name for name in names)
        and query.get("location", city).upper() == city
    )


def _zip(companies: list[dict[str, Any]]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("data_all_companies.json", (2026, 1, 1, 3, 0, 0)), json.dumps(companies))
    return file.getvalue()


PLANNED = {
    "rate_limit": Answer(429, {"message": "Too many requests", "errorcode": 429}, {"Retry-After": "1"}),
    "rate_limit_silent": Answer(429, b"slow down"),
    "server_errors": Answer(502, b"<html><body>Bad gateway</body></html>"),
    "down": Answer(503, b"<html><body>Service unavailable</body></html>"),
    "html": Answer(200, b"<!DOCTYPE html><html><body>We'll be right back</body></html>"),
    "null_body": Answer(200, b""),
    "not_found": Answer(404, b""),
}


class _Handler(Handler):
    server: RegistryOffice

    def do_GET(self) -> None:
        office, parts = self.server, urlsplit(self.path)
        query = dict(parse_qsl(parts.query))
        with office.lock:
            fault = office.faults.next(unquote(self.path))
            answer = PLANNED.get(fault.name if fault else "") or office.answer(parts.path, query, fault)
            office.calls.append({"path": parts.path, "query": query, "status": answer.status})
        is_file = isinstance(answer.body, bytes)
        body = answer.body if is_file else json.dumps(answer.body, ensure_ascii=False).encode()
        self.send_bytes(answer, body, "application/octet-stream" if is_file else "application/json", fault)


def concerns(fault: str) -> bool:
    """Whether a fault of the practice company's is meant for the registers: it names the path of one of them."""
    return "enhetsregisteret" in fault or "opendata" in fault


@contextmanager
def serve(
    registers: Callable[[], Registers],
    clock: Callable[[], datetime],
    faults: list[str] | tuple[str, ...] = (),
    port: int = 0,
) -> Iterator[RegistryOffice]:
    """A running server; stopped on leaving."""
    office = RegistryOffice(registers, clock, port)
    office.set_faults(faults)
    with serving(office):
        yield office
