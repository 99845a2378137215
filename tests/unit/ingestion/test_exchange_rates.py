"""The central bank's rates over real HTTP into a real warehouse: first load, re-read, corrections, faults, kills."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion import exchange_rates, landing
from ingestion.exchange_rates import (
    CURRENCIES,
    ExchangeRateSource,
    has_foreign_amounts,
    read_csv,
    read_xml,
    read_zip,
    sync_exchange_rates,
)
from ingestion.landing import Batch, ObjectResult, Spool
from ingestion.objects import find
from ingestion.session import BrokenPage, CredentialsError
from sandbox.rates import FIRST_DAY, ReferenceRates, is_closed
from sandbox.servers.exchange_rates import RateBank, serve
from tests.unit.ingestion.practice import Warehouse

NIGHT = datetime(2026, 6, 4, 1, 15, tzinfo=UTC)  # a Thursday; the newest rates are Wednesday's
TABLE = "raw.exchange_rates__reference_rates"


class Clock:
    """The night's and the bank's."""

    now = NIGHT


class Rates:
    """A bank, a warehouse, and one night per call of `night`."""

    def __init__(self, bank: RateBank, warehouse: Warehouse, clock: Clock):
        self.bank, self.warehouse, self.clock = bank, warehouse, clock

    def night(self, days: int = 0, company: str = "SEK", **options) -> ObjectResult:
        self.clock.now += timedelta(days=days)
        self.bank.calls.clear()
        source = ExchangeRateSource(
            self.bank.url, self.warehouse.folder / "spool", **{"backoff_seconds": 0.002} | options
        )
        (result,) = sync_exchange_rates(self.warehouse.open, source, company, "run", self.clock.now)
        source.session.close()
        if result.state != "failed":
            assert result.rows_read == result.rows_appended + result.rows_unchanged + result.rows_quarantined
        return result

    def asked(self) -> list[str]:
        return [call["path"].rpartition("/")[2] for call in self.bank.calls]

    def held(self) -> dict[str, dict[str, Decimal]]:
        """Day -> currency -> rate of the newest version."""
        rows = self.warehouse.query(
            f"select record_id, arg_max(payload, (version_at, landed_at, batch_id)) from {TABLE} group by 1"
        )
        return {
            day: {row["currency"]: Decimal(row["rate"]) for row in json.loads(payload)["rates"]}
            for day, payload in rows
        }

    def printed(self) -> dict[str, dict[str, Decimal]]:
        """The same, as the bank has it."""
        rates = self.bank.rates
        return {
            day.isoformat(): {name: Decimal(text) for name, text in rates.of_day(day).items()}
            for day in rates.until(self.clock.now)
        }

    def versions(self) -> int:
        return self.warehouse.query(f"select count(*) from {TABLE}")[0][0]


def amount_in(warehouse: Warehouse, currency: str | None, name: str = "deals") -> None:
    spool = Spool(warehouse.folder / "sheet")
    spool.add_row("d1", {"fields": {"amount": "5", "currency": currency}})
    with warehouse.open() as connection:
        landing.land(connection, Batch(find("spreadsheets", name), spool, "run", NIGHT - timedelta(days=400)))


@pytest.fixture
def rates(warehouse: Warehouse) -> Iterator[Rates]:
    amount_in(warehouse, "EUR")
    clock = Clock()
    with serve(ReferenceRates(), lambda: clock.now) as bank:
        yield Rates(bank, warehouse, clock)


def test_the_first_night_has_the_whole_history(rates):
    result = rates.night()
    assert (result.state, rates.asked()) == ("ok", ["eurofxref-hist.zip"])
    assert rates.held() == rates.printed()
    assert min(rates.held()) == FIRST_DAY.isoformat() and max(rates.held()) == "2026-06-03"
    assert "HRK" in rates.held()["2022-12-30"] and "HRK" not in rates.held()["2023-01-02"]
    assert result.rows_appended == len(rates.held()) > 1800


def test_a_record_is_stamped_with_its_publication_and_keeps_the_text(rates):
    rates.night()
    ((stamp, payload),) = rates.warehouse.query(
        f"select version_at, payload from {TABLE} where record_id = '2026-06-03'"
    )
    assert stamp == datetime(2026, 6, 3, 14, tzinfo=UTC)
    listed = json.loads(payload)["rates"]
    assert listed == sorted(listed, key=lambda row: row["currency"]) and all(type(r["rate"]) is str for r in listed)


def test_later_nights_read_the_last_90_days_and_append_the_new_day_only(rates):
    rates.night()
    result = rates.night(days=1)
    assert rates.asked() == ["eurofxref-hist-90d.xml"]
    assert (result.rows_appended, result.rows_unchanged > 55) == (1, True)  # zeros that XML prints and CSV does not
    assert rates.held() == rates.printed()


def test_an_unchanged_file_is_not_sent_again_and_appends_nothing(rates):
    for _ in range(2):
        rates.night()
    before = rates.versions()
    result = rates.night()
    assert [call["status"] for call in rates.bank.calls] == [304]
    assert (result.state, result.rows_read, rates.versions()) == ("ok", 0, before)
    rates.night(days=1)
    assert max(rates.held()) == "2026-06-04"


def test_a_weekend_adds_no_day_and_is_no_failure(rates):
    rates.night(days=1)
    for _ in range(3):
        assert rates.night(days=1).state == "ok"
    assert max(rates.held()) == "2026-06-05"
    assert not any(is_closed(date.fromisoformat(day)) for day in rates.held())


def test_a_correction_is_a_new_version_and_so_is_its_withdrawal(rates):
    rates.night()
    rates.night()
    day, was = date(2026, 6, 2), rates.bank.rates.of_day(date(2026, 6, 2))["SEK"]
    for text in ("11.9999", was, "11.9999"):
        rates.bank.correct(day, "SEK", text)
        assert rates.night(days=1).rows_appended in (1, 2)  # and the day that is new, unless it is a weekend
        assert rates.held()[day.isoformat()]["SEK"] == Decimal(text)
    versions = rates.warehouse.query(f"select count(*) from {TABLE} where record_id = '{day}'")
    assert versions == [(4,)]
    assert rates.held() == rates.printed()


def test_a_currency_that_is_taken_out_of_a_day_is_a_correction(rates):
    rates.night()
    rates.bank.correct(date(2026, 6, 2), "SEK", None)
    rates.night(days=1)
    assert "SEK" not in rates.held()["2026-06-02"]


@pytest.mark.parametrize(("days", "files"), [(60, 1), (150, 2)], ids=["within the 90 days", "longer"])
def test_after_a_long_silence_no_day_is_missing(rates, days, files):
    rates.night()
    rates.night(days=days)
    assert rates.asked() == ["eurofxref-hist-90d.xml", "eurofxref-hist.zip"][:files]
    assert rates.held() == rates.printed()


def test_a_night_before_16_00_sees_the_day_before_and_does_not_fail(rates):
    rates.bank.set_faults(["not_yet"])
    assert rates.night().state == "ok"
    assert max(rates.held()) == "2026-06-02"
    rates.bank.set_faults([])
    rates.night()
    assert max(rates.held()) == "2026-06-03"


@pytest.mark.parametrize(
    "fault",
    ["server_errors:eurofxref@1x3", "rate_limit:eurofxref@1x1", "html:eurofxref@1x1", "truncated:eurofxref@1x2",
     "null_body:eurofxref@1x1", "reset:eurofxref@1x1", "slow:eurofxref@1x1"],
)  # fmt: skip
@pytest.mark.parametrize("first", [True, False], ids=["history", "90 days"])
def test_a_passing_fault_is_ridden_out(rates, fault, first):
    if not first:
        rates.night()
        rates.clock.now += timedelta(days=1)
    rates.bank.set_faults([fault])
    result = rates.night(timeout_seconds=(1.0, 1.0))
    assert result.state == "ok" and result.retries >= 1
    assert rates.held() == rates.printed()


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("down", "HTTP 503 after bounded retries"),
        ("html", "HTML instead of the rates"),
        ("truncated", "truncated or malformed"),
        ("null_body", "an empty file"),
        ("not_found", "HTTP 404"),
    ],
)
def test_a_lasting_fault_is_a_clear_failure_and_leaves_everything_as_it_was(rates, fault, said):
    rates.night()
    before, cursor = (
        rates.versions(),
        rates.warehouse.query("select cursor from raw.sync_state where source = 'exchange_rates'"),
    )
    rates.bank.set_faults([f"{fault}:eurofxref@1x999"])
    result = rates.night(days=1, attempts=2)
    assert (result.state, rates.versions()) == ("failed", before)
    assert said in result.reason and "eurofxref-hist-90d.xml" in result.reason
    ((state, reason, now),) = rates.warehouse.query(
        "select state, state_reason, cursor from raw.sync_state where source = 'exchange_rates'"
    )
    assert (state, reason, [(now,)]) == ("failed", result.reason, cursor)
    rates.bank.set_faults([])
    assert rates.night().state == "ok" and rates.held() == rates.printed()


def test_a_history_that_cannot_be_had_as_zip_is_read_as_xml(rates):
    rates.bank.set_faults(["truncated:hist.zip@1x999"])
    result = rates.night()
    assert result.state == "ok" and "eurofxref-hist.xml" in result.reason and "malformed zip" in result.reason
    assert rates.held() == rates.printed()
    assert rates.night(days=1).rows_appended == 1


def test_a_history_that_cannot_be_had_at_all_names_both_files(rates):
    rates.bank.set_faults(["down:eurofxref@1x999"])
    result = rates.night(attempts=2)
    assert (result.state, rates.versions()) == ("failed", 0)
    assert "eurofxref-hist.zip" in result.reason and "eurofxref-hist.xml" in result.reason


@pytest.mark.parametrize("place", ["after the files", "inside the landing"])
def test_a_killed_night_leaves_nothing_half(rates, monkeypatch, place):
    class Killed(BaseException):
        pass

    def die(*_, **__):
        raise Killed

    with monkeypatch.context() as patch:
        if place == "after the files":
            patch.setattr(exchange_rates, "_fill", die)
        else:
            patch.setattr(landing, "_remember", die)
        with pytest.raises(Killed):
            rates.night()
    assert rates.versions() == 0
    assert rates.warehouse.query("select count(*) from raw.sync_state where source = 'exchange_rates'") == [(0,)]
    assert rates.night().state == "ok" and rates.held() == rates.printed()


def test_a_day_that_has_not_come_is_refused_and_listed_once(rates):
    rates.night()
    rates.clock.now += timedelta(days=2)
    late = rates.clock.now - timedelta(days=2)
    source = ExchangeRateSource(rates.bank.url, rates.warehouse.folder / "spool")
    for _ in range(2):
        rates.warehouse.query("update raw.sync_state set cursor = null where source = 'exchange_rates'")
        (result,) = sync_exchange_rates(rates.warehouse.open, source, "SEK", "run", late)
        assert result.rows_read == result.rows_appended + result.rows_unchanged + result.rows_quarantined
    listed = rates.warehouse.query("select record_id, reason from raw.quarantine")
    assert listed == [("2026-06-05", "is a day that has not come")] and max(rates.held()) == "2026-06-04"


# --- asked only when it is needed ---------------------------------------------------------------------------------


@pytest.mark.parametrize("currency", ["SEK", "sek ", "", None])
def test_without_an_amount_in_another_currency_nobody_is_asked(warehouse, currency):
    amount_in(warehouse, currency)
    with serve(ReferenceRates(), lambda: NIGHT) as bank:
        result = Rates(bank, warehouse, Clock()).night()
        assert (result.state, result.requests, bank.calls) == ("skipped", 0, [])
    assert result.reason == "not asked: no amount is in another currency than SEK"
    books = "select state, {} from raw.{} where source = 'exchange_rates'"
    assert warehouse.query(books.format("reason", "batches")) == [("skipped", result.reason)]
    assert warehouse.query(books.format("state_reason", "sync_state")) == [("skipped", result.reason)]


@pytest.mark.parametrize("name", ["deals", "contracts", "targets"])
def test_a_sheet_row_in_another_currency_is_enough(warehouse, name):
    amount_in(warehouse, "NOK", name)
    with warehouse.open() as connection:
        assert has_foreign_amounts(connection, "SEK") and not has_foreign_amounts(connection, "NOK")


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("hubspot__deals", {"payload": '{"properties": {"deal_currency_code": "USD"}}'}),
        ("hubspot__line_items", {"payload": '{"properties": {"hs_line_item_currency_code": "USD"}}'}),
        ("hubspot__account_info", {"payload": '{"companyCurrency": "USD"}'}),
        ("hubspot__deals_history", {"property": "deal_currency_code", "value": "USD"}),
        ("salesforce__opportunities", {"payload": '{"CurrencyIsoCode": "USD"}'}),
        ("salesforce__line_items", {"payload": '{"CurrencyIsoCode": "USD"}'}),
        ("salesforce__organization", {"payload": '{"DefaultCurrencyIsoCode": "USD"}'}),
        ("salesforce__opportunities_history", {"property": "old:CurrencyIsoCode", "value": "USD"}),
    ],
)
def test_what_the_crm_holds_is_enough(warehouse, table, row):
    assert f"raw.{table}" in {name for name, _ in CURRENCIES}
    known = {"record_id": "1", "batch_id": 1, "landed_at": NIGHT, "version_at": NIGHT, "is_deleted": False}
    known |= {"payload_hash": "x", "changed_at": NIGHT} | row
    columns = [name for (name,) in warehouse.query(f"select column_name from (describe raw.{table})") if name in known]
    places = ", ".join("?" * len(columns))
    warehouse.query(f"insert into raw.{table} ({', '.join(columns)}) values ({places})", *(known[c] for c in columns))
    with warehouse.open() as connection:
        assert has_foreign_amounts(connection, "SEK") and not has_foreign_amounts(connection, "USD")


def test_no_history_of_another_property_is_taken_for_a_currency(warehouse):
    warehouse.query(
        "insert into raw.hubspot__deals_history (record_id, property, value, changed_at, batch_id, landed_at) "
        "values ('1', 'dealstage', 'USD', ?, 1, ?)",
        NIGHT,
        NIGHT,
    )
    with warehouse.open() as connection:
        assert not has_foreign_amounts(connection, "SEK")


# --- files --------------------------------------------------------------------------------------------------------

HEAD = '<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01" xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">'
GOOD = f"{HEAD}<Cube><Cube time='2026-06-03'><Cube currency='USD' rate='1.1355'/></Cube></Cube></gesmes:Envelope>"


def zipped(**files: str | bytes) -> bytes:
    """The same bytes whenever it is asked: a clock in the name of a test is another test for each worker."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            member = zipfile.ZipInfo(name.replace("_", "."))
            archive.writestr(member, content, zipfile.ZIP_DEFLATED)
    return body.getvalue()


def test_quotes_of_either_kind_and_another_prefix_are_read():
    other = GOOD.replace("'", '"').replace("gesmes:", "g:").replace("xmlns:gesmes", "xmlns:g")
    assert read_xml(GOOD.encode()).days == read_xml(other.encode()).days == {"2026-06-03": {"USD": "1.1355"}}


BOMB = '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>' + GOOD.replace("1.1355", "&b;")
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
LAUGHS = f'<!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}]>' + GOOD.replace("1.1355", "&l9;")
OUTSIDE = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + GOOD.replace("1.1355", "&e;")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("", "an empty file"),
        ("<!DOCTYPE html><html><body>Sorry</body></html>", "HTML instead"),
        ("<html><body>Sorry</body></html>", "opens with 'html'"),
        (GOOD[:-20], "truncated or malformed"),
        (BOMB, "document type"),
        (LAUGHS, "document type"),
        (OUTSIDE, "document type"),
        (HEAD + "<Cube></Cube></gesmes:Envelope>", "without a single rate day"),
        (GOOD.replace("2002-08-01/eurofxref", "2030-01-01/other"), "without a single rate day"),
        ('{"message": "no"}', "truncated or malformed"),
        (GOOD.replace("1.1355", "N/A"), "without a single rate day"),
    ],
)
def test_a_bad_xml_file_says_what_it_is(body, said):
    with pytest.raises(BrokenPage, match=said):
        read_xml(body.encode())


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "an empty file"),
        (b"<html>Sorry</html>", "HTML instead"),
        (zipped(a_csv="Date,USD,\n2026-06-03,1.1,\n")[:-30], "truncated or malformed zip"),
        (zipped(a_txt="x"), "0 CSV files"),
        (zipped(a_csv="x", b_csv="x"), "2 CSV files"),
        (zipped(a_csv=""), "without the header"),
        (zipped(a_csv="<html>"), "without the header"),
        (zipped(a_csv="Date,USD,\n"), "without a single rate day"),
        (zipped(a_csv=b"Date,USD,\n2026-06-03,\xff\xfe,\n"), "no CSV"),
    ],
)
def test_a_bad_zip_says_what_it_is(body, said):
    with pytest.raises(BrokenPage, match=said):
        read_zip(body)


def test_a_zip_that_unpacks_to_too_much_is_refused(monkeypatch):
    monkeypatch.setattr(exchange_rates, "MAX_BYTES", 1000)
    with pytest.raises(BrokenPage, match="unpacks to more than 1000 bytes"):
        read_zip(zipped(a_csv="Date,USD,\n" + "2026-06-03,1.1,\n" * 100))


def test_a_csv_has_its_gaps_and_its_spaces():
    file = read_csv(b"Date, USD, JPY, \n2026-06-03, 1.10 , N/A, \n2026-06-02,-,\xc2\xa0n/a,\n\n2026-06-01,1.2,150,\n")
    assert file.days == {"2026-06-03": {"USD": "1.10"}, "2026-06-01": {"USD": "1.2", "JPY": "150"}}
    assert not file.refused


def test_days_that_contradict_themselves_are_refused_and_the_others_load():
    file = read_csv(
        b"Date,USD,JPY,\n2026-06-05,1.1,150,\n2026-06-04,1.1,150,\n2026-06-04,1.2,150,\n2026-06-04,1.1,150,\n"
        b"2026-06-03,1.1,150,\n2026-06-03,1.10,150.0,\n2026-06-02,1.1\nsoon,1.1,150,\n2026-02-30,1.1,150,\n"
    )
    assert list(file.days) == ["2026-06-05", "2026-06-03"]
    assert set(file.refused) == {"2026-06-04", "2026-06-02", "soon", "2026-02-30"}
    assert file.refused["2026-06-04"] == "USD is given twice, as 1.1 and 1.2"


ZIPPED = zipped(a_csv="Date,USD,JPY,\n2026-06-03,1.1,150,\n2026-06-02,1.1,N/A,\n")


@given(st.sampled_from([GOOD.encode(), ZIPPED]), st.data())
def test_any_damage_is_a_broken_file_or_a_readable_one_never_a_crash(body, data):
    place = data.draw(st.integers(0, len(body) - 1))
    damaged = body[:place] + data.draw(st.binary(max_size=4)) + body[place + data.draw(st.integers(0, 30)) :]
    for read in (read_xml, read_zip, read_csv):
        with suppress(BrokenPage):
            assert read(damaged).days


def test_the_bank_is_asked_without_credentials(rates, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    source = ExchangeRateSource(rates.bank.url, tmp_path)
    sent = source.session._http.prepare_request
    prepared = []
    monkeypatch.setattr(source.session._http, "prepare_request", lambda r: prepared.append(sent(r)) or prepared[-1])
    assert source.check() == "2026-06-03"
    assert "Authorization" not in prepared[0].headers and prepared[0].headers["User-Agent"] == "salesops-warehouse"


def test_a_bank_that_wants_credentials_is_a_failed_source_and_no_token_is_asked_for(rates, monkeypatch):
    from sandbox.servers import exchange_rates as server
    from sandbox.servers.answers import Answer

    monkeypatch.setitem(server.PLANNED, "unauthorized", Answer(401, b""))
    rates.bank.set_faults(["unauthorized:eurofxref"])
    try:
        result = rates.night()
    except CredentialsError:
        pytest.fail("an open source must not end the night for credentials")
    assert result.state == "failed" and "HTTP 401" in result.reason


def test_the_spool_is_gone_afterwards(rates):
    rates.night()
    assert not list(Path(rates.warehouse.folder / "spool").glob("exchange_rates*"))
