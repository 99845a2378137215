"""The words of the dashboard's tiles: what cannot be said is not said, and no text of the data is HTML."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from salesops.dashboard import page, server
from salesops.dashboard.figures import Filter, Measure, Record, Scope

SCOPE = Scope(
    *("20261126T030000Z", "Firm", "SEK", False, date(2026, 11, 26)),
    ((date(2026, 10, 1), "Q4"), (date(2026, 7, 1), "Q3"), (date(2026, 4, 1), "Q2"), (date(2026, 1, 1), "Q1"))
    + ((date(2025, 10, 1), "Q4 2025"),),
)
RATE = Measure("hit_rate", 70, 23, 70, Decimal(1), 0, 23 / 70, 0.2299, 0.4451, None, "kpi.win_rate")
BOOKED = Measure("bookings", 3, None, None, Decimal("22449999.99"), 1, None, None, None, None, "kpi.bookings")
CYCLE = Measure("cycle", 12, None, None, None, None, None, None, None, 84.5, "kpi.sales_cycle")
RESPONSE = Measure("response", 20, 5, 20, None, None, 0.25, None, None, None, "kpi.lead_response")


def text(measure: Measure, chosen: Filter | None = None) -> str:
    html = page.tile(measure, SCOPE, chosen or Filter(), "")
    return " | ".join(part for part in re.split(r"\s*<[^>]*>\s*", html) if part).replace("\u00a0", " ")


def test_a_rate_stands_with_its_counts_and_its_range():
    assert text(RATE) == "Hit rate | 32.9% | 23 of 70 decided | 95% range 23.0–44.5% | Q4; kpi.win_rate"
    assert "25.0% | 5 of 20 leads due" in text(RESPONSE)
    assert "84.5 days" in text(CYCLE)


@pytest.mark.parametrize("count", [1, 9])
def test_fewer_than_ten_are_too_few_for_a_rate_or_a_median(count):
    assert "too few" in text(replace(RATE, count=count, decided=count, good=1))
    assert f"1 of {count} decided" in text(replace(RATE, count=count, decided=count, good=1))
    assert "32.9%" not in text(replace(RATE, count=count, decided=count, good=1))
    assert "too few" in text(replace(RESPONSE, count=count, decided=count))
    assert "too few" in text(replace(CYCLE, count=count))
    assert "too few" not in text(replace(RATE, count=10, decided=10))


def test_nothing_decided_is_not_defined_and_never_nought():
    for measure in (RATE, RESPONSE):
        said = text(replace(measure, count=0, decided=0, good=0, rate=None, low=None, high=None))
        assert "not defined" in said
        assert "0.0%" not in said
    assert "not defined" in text(replace(CYCLE, count=0, median_days=None))
    assert "not defined" in text(replace(CYCLE, median_days=None))


def test_bookings_stand_against_their_target_or_say_that_there_is_none():
    said = text(replace(BOOKED, target=Decimal(20_000_000), attainment=1.1225))
    assert "SEK 22.4m" in said
    assert "3 won deals, 1 of them without an amount" in said
    assert "target SEK 20.0m, met" in said
    assert "112.3% of target" in said
    assert "no target set" in text(BOOKED)
    assert "no target here: targets are set for teams and sellers, by quarter" in text(BOOKED, Filter(source="web"))


def test_a_number_that_no_mart_has_says_so():
    assert "last" not in text(RATE)
    assert "Q4 2025 to Q3; counted from the records" in text(replace(RATE, origin=None), Filter("last_4_quarters"))


def test_money_is_rounded_half_away_from_zero_and_keeps_its_sign():
    words = [page.money(Decimal(value), "EUR").replace("\u00a0", " ") for value in ("1250000", "-340499", "999", "0")]
    assert words == ["EUR 1.3m", "EUR −340k", "EUR 999", "EUR 0"]


def test_no_text_of_the_data_is_html_and_only_web_addresses_are_links():
    bad = '<img src=x onerror="alert(1)">'
    record = Record(bad, Decimal(5), bad, bad, "open", None, None, "javascript:alert(1)")
    html = page.drill("hit_rate", [record], SCOPE, Filter())
    html += page.status([(bad, bad, bad, datetime(2026, 11, 20, tzinfo=UTC))])
    html += page.head(replace(SCOPE, company=bad)) + page.unreadable(bad) + page.nothing_published(bad)
    assert "<img" not in html
    assert "javascript:" not in html
    safe = page.drill("hit_rate", [replace(record, url='https://crm.example/1?a="b&c')], SCOPE, Filter())
    assert 'href="https://crm.example/1?a=&quot;b&amp;c"' in safe


def test_a_long_list_says_how_much_of_it_is_shown():
    record = Record("A", None, None, None, "won", date(2026, 10, 2), 7, None)
    html = page.drill("cycle", [record] * 501, SCOPE, Filter())
    assert html.count('<tr><th scope="row">') == 500
    assert "The first 500 of 501" in html
    assert "missing" in html


def test_a_page_of_another_site_cannot_open_the_live_connection():
    sent, reached = [], []

    async def inner(scope, receive, send):
        reached.append(dict(scope["headers"])[b"origin"])

    async def ask(origin: bytes) -> None:
        scope = {"type": "websocket", "headers": [(b"host", b"127.0.0.1:2718"), (b"origin", origin)]}

        async def receive():
            return {"type": "websocket.connect"}

        async def send(message):
            sent.append(message)

        await server.Loopback(inner)(scope, receive, send)

    asyncio.run(ask(b"https://elsewhere.example"))
    assert (reached, sent) == ([], [{"type": "websocket.close", "code": 1008}])
    asyncio.run(ask(b"http://127.0.0.1:2718"))
    assert reached == [b"http://127.0.0.1:2718"]
