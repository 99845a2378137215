"""The practice world's central bank: the euro reference rate files over HTTP, as the European Central Bank serves them.

Keyless GET under `/stats/eurofxref/`: the last day, the last 90 days and the whole history as XML, the history also as
a zip of CSV (`N/A` where there is no rate, a comma at the end of each line). `Last-Modified` and 304. Nothing of a day
before 16:00 in Frankfurt by the given clock; the fault `not_yet` holds the newest day back as if it were earlier.
"""

from __future__ import annotations

import io
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from http.server import ThreadingHTTPServer
from typing import Any
from xml.sax.saxutils import quoteattr

from sandbox.faults import Fault, Faults
from sandbox.rates import CURRENCIES, ReferenceRates, published_at
from sandbox.servers.answers import Answer
from sandbox.servers.wire import Handler, serving

PATH = "/stats/eurofxref"
RECENT_DAYS = 90
_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?><gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01" '
    'xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref"><gesmes:subject>Reference rates</gesmes:subject>'
    "<gesmes:Sender><gesmes:name>European Central Bank</gesmes:name></gesmes:Sender><Cube>"
)


class RateBank(ThreadingHTTPServer):
    """The server. `calls` is the request log, oldest first; `corrected_at` moves Last-Modified."""

    daemon_threads = True

    def __init__(self, rates: ReferenceRates, clock: Callable[[], datetime], port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.rates, self.clock = rates, clock
        self.faults = Faults()
        self.corrected_at: datetime | None = None
        self.calls: list[dict[str, Any]] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{PATH}"

    def set_faults(self, specs: list[str] | tuple[str, ...]) -> None:
        """Replace the faults."""
        self.faults = Faults(list(specs))

    def correct(self, day: date, currency: str, printed: str | None) -> None:
        """The bank prints another rate for a past day, now."""
        self.rates.correct(day, currency, printed)
        self.corrected_at = self.clock()

    def answer(self, name: str, since: str | None, fault: Fault | None) -> Answer:
        """The file, or 304 when nothing changed since the instant that the client names."""
        days = self.rates.until(self.clock())
        if fault is not None and fault.name == "not_yet":
            days = days[:-1]
        make = FILES.get(name)
        if make is None or not days:
            return Answer(404, b"<html><body>Not found</body></html>")
        modified = max(filter(None, (published_at(days[-1]), self.corrected_at))).replace(microsecond=0)
        stamp = {"Last-Modified": format_datetime(modified.astimezone(UTC), usegmt=True)}
        if since is not None and parsedate_to_datetime(since) >= modified:
            return Answer(304, b"", stamp)
        return Answer(200, make(self.rates, days), stamp)


def _xml(rates: ReferenceRates, days: list[date]) -> bytes:
    cubes = []
    for day in reversed(days):
        listed = (f"<Cube currency={quoteattr(c)} rate={quoteattr(r)}/>" for c, r in rates.of_day(day).items())
        cubes.append(f'<Cube time="{day}">{"".join(listed)}</Cube>')
    return f"{_HEAD}{''.join(cubes)}</Cube></gesmes:Envelope>".encode()


def _csv(rates: ReferenceRates, days: list[date]) -> str:
    lines = [",".join(["Date", *CURRENCIES]) + ","]
    for day in reversed(days):
        printed = rates.of_day(day)
        lines.append(",".join([day.isoformat(), *(_short(printed.get(name, "N/A")) for name in CURRENCIES)]) + ",")
    return "\n".join(lines) + "\n"


def _short(text: str) -> str:
    """The CSV prints no zeros at the end: the same number, another text than in the XML."""
    return text.rstrip("0").rstrip(".") if "." in text else text


def _zip(rates: ReferenceRates, days: list[date]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("eurofxref-hist.csv", (2026, 1, 1, 16, 0, 0)), _csv(rates, days))
    return file.getvalue()


def _recent(days: list[date]) -> list[date]:
    return [day for day in days if day > days[-1] - timedelta(days=RECENT_DAYS)]


FILES: dict[str, Callable[[ReferenceRates, list[date]], bytes]] = {
    "eurofxref-daily.xml": lambda rates, days: _xml(rates, days[-1:]),
    "eurofxref-hist-90d.xml": lambda rates, days: _xml(rates, _recent(days)),
    "eurofxref-hist.xml": _xml,
    "eurofxref-hist.zip": _zip,
}
PLANNED = {
    "rate_limit": Answer(429, b"slow down", {"Retry-After": "1"}),
    "rate_limit_silent": Answer(429, b"slow down"),
    "server_errors": Answer(502, b"<html><body>Bad gateway</body></html>"),
    "down": Answer(503, b"<html><body>Service unavailable</body></html>"),
    "html": Answer(200, b"<!DOCTYPE html><html><body>We'll be right back</body></html>"),
    "null_body": Answer(200, b""),
    "not_found": Answer(404, b""),
}


class _Handler(Handler):
    server: RateBank

    def do_GET(self) -> None:
        bank, since = self.server, self.headers.get("If-Modified-Since")
        with bank.lock:
            fault = bank.faults.next(self.path)
            known = self.path.startswith(PATH + "/")
            answer = PLANNED.get(fault.name if fault else "") or bank.answer(
                self.path.removeprefix(PATH + "/") if known else "", since, fault
            )
            bank.calls.append({"path": self.path, "status": answer.status, "since": since})
        self.send_bytes(answer, answer.body, "application/octet-stream", fault)


def concerns(fault: str) -> bool:
    """Whether a fault of the practice company's is meant for the bank: it names its path, such as `down:eurofxref`."""
    return "eurofxref" in fault or fault.startswith("not_yet")


@contextmanager
def serve(
    rates: ReferenceRates, clock: Callable[[], datetime], faults: list[str] | tuple[str, ...] = (), port: int = 0
) -> Iterator[RateBank]:
    """A running server; stopped on leaving."""
    bank = RateBank(rates, clock, port)
    bank.set_faults(faults)
    with serving(bank):
        yield bank
