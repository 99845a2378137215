"""The company registers over real HTTP into a real warehouse: who is asked for what, the feed, what ceased, faults."""

from __future__ import annotations

import gzip
import io
import json
import urllib.request
import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest

from ingestion import landing, registries
from ingestion.landing import Batch, ObjectResult, Spool
from ingestion.objects import find
from ingestion.registries import RegistrySource, sync_registries
from sandbox.registers import Registered, Registers, legal_id
from sandbox.servers.registries import RegistryOffice, serve
from tests.unit.ingestion.practice import Warehouse

NIGHT = datetime(2026, 6, 4, 1, 15, tzinfo=UTC)
MINUTES_IN = timedelta(minutes=3)  # the night asks the registers some time after it began
COUNTRIES = {"NO": ("Norway", "Oslo", "no", "AS"), "FI": ("Finland", "Turku", "fi", "Oy")}


def registered(number: int, code: str = "NO", name: str | None = None, employees: int = 40) -> Registered:
    country, city, top, form = COUNTRIES[code]
    name = name or f"Firma {number} {form}"
    since = date(2010, 3, 1) + timedelta(days=number)
    digits = legal_id(country, number)
    return Registered(number, digits, country, name, city, f"firma{number}.{top}", employees, "MACHINERY", since)


class Nights:
    """Two registers, a CRM's companies in a warehouse, and one night per call of `night`."""

    def __init__(self, office: RegistryOffice, registers: Registers, warehouse: Warehouse):
        self.office, self.registers, self.warehouse = office, registers, warehouse
        self.now = NIGHT
        self.saved = 0

    def crm(self, *companies: tuple[str, dict], is_deleted: bool = False) -> None:
        """Companies of the CRM: id and properties."""
        found = [(record_id, {"properties": properties}) for record_id, properties in companies]
        self.land("hubspot", "companies", *found, is_deleted=is_deleted)

    def land(self, source: str, name: str, *records: tuple[str, dict], is_deleted: bool = False) -> None:
        """Records of any object: id and payload."""
        self.saved += 1
        spool = Spool(self.warehouse.folder / "crm")
        for record_id, payload in records:
            spool.add_row(record_id, payload, is_deleted=is_deleted)
        with self.warehouse.open() as connection:
            at = NIGHT - timedelta(days=9) + timedelta(hours=self.saved)
            landing.land(connection, Batch(find(source, name), spool, "run", at))

    def knows(self, *companies: Registered) -> None:
        """The CRM has them, with their numbers."""
        self.crm(*((f"{c.country}{c.number}", {"name": c.name, "country": c.country, "organisation_number": c.legal_id})
                   for c in companies))  # fmt: skip

    def night(self, days: float = 0, **options) -> dict[str, ObjectResult]:
        self.now += timedelta(days=days)
        self.office.calls.clear()
        quick = {"backoff_seconds": 0.002, "rate_per_second": None}
        urls = self.office.norway_url, self.office.finland_url
        source = RegistrySource(*urls, self.warehouse.folder / "spool", **quick | options)
        numbers = {
            "hubspot": "organisation_number",
            "salesforce": "Organisation_Number__c",
            "pipedrive": "Organisation number",
        }
        found = sync_registries(self.warehouse.open, source, numbers, "run", self.now, self.now - MINUTES_IN)
        results = {result.object: result for result in found}
        source.close()
        for result in results.values():
            if result.state != "failed":
                assert result.rows_read == result.rows_appended + result.rows_unchanged + result.rows_quarantined
        return results

    def asked(self) -> list[str]:
        return [call["path"].split("/api", 1)[-1].split("/v3", 1)[-1] for call in self.office.calls]

    def held(self, name: str) -> dict[str, dict]:
        """Number -> newest payload."""
        rows = self.warehouse.query(
            f"""select record_id, arg_max(payload, (version_at, landed_at, batch_id))
                from raw.registries__{name} group by 1"""
        )
        return {number: json.loads(payload) for number, payload in rows}

    def versions(self) -> int:
        return sum(
            self.warehouse.query(f"select count(*) from raw.registries__{n}")[0][0] for n in ("norway", "finland")
        )

    def refused(self) -> list[tuple]:
        return self.warehouse.query("select object, record_id, value, reason from raw.quarantine order by all")


@pytest.fixture
def nights(warehouse: Warehouse) -> Iterator[Nights]:
    companies = [registered(n, code) for n in range(1, 120) for code in ("NO", "FI")]
    registers = Registers([company for company in companies if company.number % 5])
    with serve(lambda: registers, lambda: nights.now) as office:
        nights = Nights(office, registers, warehouse)
        yield nights


def test_norway_is_asked_for_fifty_numbers_at_once_and_finland_for_one(nights):
    norwegian = [registered(n) for n in range(1, 100) if n % 5]
    finnish = [registered(n, "FI") for n in (1, 2, 3)]
    nights.knows(*norwegian)
    nights.crm(*((f"f{c.number}", {"country": "Suomi", "organisation_number": c.legal_id}) for c in finnish))
    results = nights.night()
    assert nights.asked() == ["/oppdateringer/enheter", "/enheter", "/enheter"] + ["/companies"] * 3
    assert {name: result.rows_appended for name, result in results.items()} == {"norway": 80, "finland": 3}
    assert set(nights.held("norway")) == {c.legal_id for c in norwegian}
    held = nights.held("finland")[finnish[0].legal_id]
    assert held["names"][0]["name"] == "Firma 1 Oy"


def test_the_companies_of_every_crm_are_asked_about_by_the_number_in_their_own_field(nights):
    """Salesforce's by its API name, Pipedrive's by what the account calls a custom field; a number field adds a .0"""
    one, two, three, four = registered(1), registered(2, "FI"), registered(3), registered(4)
    nights.knows(one)
    account = {"Name": "Two", "Website": "https://two.fi/etusivu", "Organisation_Number__c": f"{two.legal_id}.0"}
    nights.land("salesforce", "accounts", ("001A", account))
    key = "0" * 40
    custom = {"Organisation_Number__c": "9", key: int(three.legal_id)}
    nights.land("pipedrive", "organization_fields", (key, {"field_code": key, "field_name": " organisation NUMBER"}))
    nights.land(
        *("pipedrive", "organizations"),
        ("3", {"name": "Three", "address": {"country": "Norway"}, "custom_fields": custom}),
        ("4", {"name": four.name, "website": "firma4.no"}),
    )
    nights.night()
    assert set(nights.held("norway")) == {one.legal_id, three.legal_id, four.legal_id}
    assert set(nights.held("finland")) == {two.legal_id} and nights.refused() == []
    custom[key] = int(three.legal_id) + 1
    nights.land("pipedrive", "organizations", ("3", {"address": {"country": "Norway"}, "custom_fields": custom}))
    nights.night()
    assert [row[:2] for row in nights.refused()] == [("norway", "pipedrive:company:3")]


def test_an_unchanged_night_appends_nothing_and_asks_the_feed_alone(nights):
    nights.knows(*[registered(n, code) for n in (1, 2, 3, 4) for code in ("NO", "FI")][:4])
    nights.crm(("x", {"name": "Firma 6 AS", "country": "Norway"}), ("y", {"name": "Nobody AS", "country": "Norge"}))
    nights.night()
    before = nights.versions()
    results = nights.night(days=1)
    assert nights.asked() == ["/oppdateringer/enheter"] and nights.versions() == before > 4
    assert all(result.state == "ok" for result in results.values())


def test_what_the_feed_names_is_asked_again_and_nothing_else(nights):
    """Also after more nights than an entry keeps: in between the feed said that nothing had happened to the others."""
    nights.knows(*(registered(n) for n in (1, 2, 3)))
    nights.night()
    for _ in range(5):
        nights.night(days=10)
        assert nights.asked() == ["/oppdateringer/enheter"]
    changed = registered(2).legal_id
    nights.registers.write(changed, nights.now + timedelta(hours=5), antallAnsatte=77)
    nights.night(days=1)
    assert nights.office.calls[1]["query"] == {"organisasjonsnummer": changed, "size": "1"}
    assert nights.held("norway")[changed]["antallAnsatte"] == 77 and len(nights.asked()) == 2
    stamps = f"select version_at from raw.registries__norway where record_id = '{changed}' order by all"
    begun = (
        nights.now - timedelta(days=51) - MINUTES_IN
    )  # the first answer bears no stamp: it is a version of its night
    assert nights.warehouse.query(stamps) == [(begun,), (nights.now - timedelta(hours=19),)]


def test_after_a_long_silence_everything_is_asked_again(nights):
    nights.knows(*(registered(n) for n in (1, 2)), registered(3, "FI"))
    nights.night()
    before = nights.versions()
    nights.night(days=29)
    assert nights.asked() == ["/oppdateringer/enheter"]
    nights.night(days=1)
    assert nights.asked() == ["/oppdateringer/enheter", "/companies"]
    nights.night(days=31)
    assert nights.asked() == ["/oppdateringer/enheter", "/enheter", "/companies"] and nights.versions() == before


def test_a_long_feed_is_walked_by_its_ids_until_it_ends(nights, monkeypatch):
    monkeypatch.setattr(registries, "FEED_ROWS", 5)
    nights.knows(registered(1))
    nights.night()
    starts = [call["query"] for call in nights.office.calls if call["path"].endswith("oppdateringer/enheter")]
    assert "dato" in starts[0] and len(starts) > 2 and all("oppdateringsid" in query for query in starts[1:])
    assert len({query["oppdateringsid"] for query in starts[1:]}) == len(starts) - 1


def test_what_ceased_is_a_stub_and_what_was_taken_out_a_deletion(nights):
    nights.knows(*(registered(n) for n in (1, 2, 3)))
    nights.night()
    ceased, removed = registered(1).legal_id, registered(2).legal_id
    nights.registers.strike_off(ceased, nights.now + timedelta(hours=1))
    nights.registers.strike_off(removed, nights.now + timedelta(hours=1), is_removed=True)
    results = nights.night(days=1)
    assert (results["norway"].rows_appended, results["norway"].deletions) == (2, 1)
    assert nights.held("norway")[ceased]["slettedato"] == "2026-06-04"
    assert {call["status"] for call in nights.office.calls} == {200, 410}
    nights.night(days=1)
    assert nights.asked() == ["/oppdateringer/enheter"]


def test_a_company_without_a_number_is_asked_by_name_and_only_the_same_name_lands(nights):
    nights.registers.add([registered(200, name="Firma Tretti AS"), registered(201, "FI", "Pohjola Palvelu Oy")])
    nights.crm(
        ("a", {"name": "firma tretti a/s", "country": "Norway"}), ("b", {"name": "POHJOLA PALVELU", "domain": "p.fi"})
    )
    nights.night()
    assert set(nights.held("norway")) == {registered(200).legal_id}
    assert set(nights.held("finland")) == {registered(201, "FI").legal_id}


def test_a_name_that_too_many_bear_lands_nothing(nights):
    nights.registers.add([registered(300 + n, name="Sameiet AS") for n in range(6)])
    nights.crm(("a", {"name": "Sameiet", "country": "Norway"}))
    assert nights.night()["norway"].rows_read == 0


def test_finnish_pages_end_although_a_page_beyond_the_end_is_the_first_again(nights):
    """And the first page of a broad search is short: it is counted by what there is in all."""
    nights.registers.add([registered(1_000 + n, "FI", f"Suomi Yhtio {n} Oy") for n in range(150)])
    nights.crm(("a", {"name": "Suomi Yhtio", "country": "Finland"}))
    nights.night()
    assert [call["query"].get("page") for call in nights.office.calls] == ["1", "2"]


def test_wrong_and_personal_numbers_go_nowhere_and_are_not_written_down(nights):
    nights.crm(
        ("a", {"name": "Anna Andersson", "country": "Norway", "organisation_number": "811228-9874"}),
        ("b", {"country": "Finland", "organisation_number": "0112038-8"}),
        ("c", {"country": "Sweden", "organisation_number": "556016-0680", "name": "Svensk AB"}),
        ("d", {"country": "Norway", "organisation_number": legal_id("Norway", 9_000)}),
    )
    for _ in range(2):
        nights.night()
        sent = json.dumps([call["query"] for call in nights.office.calls])
        assert not any(text in sent for text in ("811228", "0112038", "556016", "Svensk"))
    wrong, unknown = (
        "is no organisation number of its country",
        "is an organisation number that the register does not know",
    )
    assert [(name, record, value, reason.split(":")[0]) for name, record, value, reason in nights.refused()] == [
        ("finland", "hubspot:company:b", None, wrong),
        ("norway", "hubspot:company:a", None, wrong),
        ("norway", "hubspot:company:d", None, unknown),
    ]


def test_nobody_is_asked_for_companies_of_other_countries_or_deleted_ones(nights):
    nights.crm(("a", {"name": "Alfa", "country": "Germany"}), ("b", {"name": "Beta", "domain": "beta.com"}))
    nights.crm(("c", {"name": "Firma 1 AS", "country": "Norway"}), is_deleted=True)
    results = nights.night()
    assert {r.state for r in results.values()} == {"skipped"} and nights.office.calls == []
    assert results["norway"].reason == "not asked: no company is in Norway"


def test_people_and_their_addresses_do_not_land_and_roles_are_never_asked(nights):
    nights.knows(registered(1))
    nights.registers.write(registered(1).legal_id, NIGHT, epostadresse="kari@firma1.no", mobil="90000000")
    nights.night()
    text = json.dumps(nights.held("norway"))
    assert not any(word in text for word in ("kari@", "90000000", "22 00 00 00", "_links"))
    assert not any("roller" in path for path in nights.asked())


def test_a_night_asks_no_more_than_it_may_and_the_next_goes_on(nights):
    nights.crm(
        *((f"f{n}", {"country": "Finland", "organisation_number": legal_id("Finland", n)}) for n in (1, 2, 3, 4, 6))
    )
    result = nights.night(most_lookups=3)["finland"]
    assert (result.rows_appended, result.reason) == (3, "2 companies wait for the next nights")
    result = nights.night(most_lookups=3)["finland"]
    assert (result.rows_appended, result.reason, len(nights.held("finland"))) == (2, None, 5)


@pytest.mark.parametrize(
    "fault",
    [
        "rate_limit:{}@1",
        "server_errors:{}@1x2",
        "html:{}@1",
        "truncated:{}@1",
        "reset:{}@1",
        "null_body:{}@1",
        "empty_page:api/enheter?@1",
    ],
)
def test_a_passing_fault_ends_as_if_it_had_not_been(nights, fault):
    nights.knows(registered(1), registered(2), registered(3, "FI"))
    nights.office.set_faults([fault.format(part) for part in ("enheter?", "companies")])
    results = nights.night()
    assert {r.state for r in results.values()} == {"ok"} and sum(r.retries for r in results.values()) > 0
    assert (len(nights.held("norway")), len(nights.held("finland"))) == (2, 1)


@pytest.mark.parametrize("fault", ["down", "html", "truncated", "not_found"])
def test_a_lasting_fault_fails_one_register_and_the_other_answers(nights, fault):
    nights.knows(registered(1), registered(2, "FI"))
    nights.office.set_faults([f"{fault}:enhetsregisteret@1x999"])
    results = nights.night(attempts=2)
    assert (results["norway"].state, results["finland"].state) == ("failed", "ok")
    assert "/oppdateringer/enheter" in results["norway"].reason and nights.held("norway") == {}
    nights.office.set_faults([])
    assert nights.night()["norway"].rows_appended == 1


def test_what_was_answered_before_a_register_failed_is_kept_and_the_rest_asked_next_time(nights):
    nights.crm(*((f"f{n}", {"country": "Finland", "organisation_number": legal_id("Finland", n)}) for n in (1, 2, 3)))
    nights.office.set_faults(["down:companies@3x999"])
    result = nights.night(attempts=2)["finland"]
    assert (result.state, result.rows_appended) == ("failed", 2)
    assert nights.warehouse.query("select state from raw.sync_state where object = 'finland'") == [("failed",)]
    nights.office.set_faults([])
    assert (nights.night()["finland"].rows_appended, len(nights.asked())) == (1, 1)


def test_a_change_that_could_not_be_fetched_is_fetched_the_next_night(nights):
    nights.knows(registered(1))
    nights.night()
    nights.registers.write(registered(1).legal_id, nights.now + timedelta(hours=1), antallAnsatte=99)
    nights.office.set_faults(["down:enheter?organ@1x999"])
    assert nights.night(days=1, attempts=2)["norway"].state == "failed"
    nights.office.set_faults([])
    nights.night(days=1)
    assert nights.held("norway")[registered(1).legal_id]["antallAnsatte"] == 99


def test_the_practice_registers_hold_their_vendors_limits(nights):
    """What the reader does not use is served as the vendor does: the wall, the whole files, the descriptions."""

    def get(url: str) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(url) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    norway, finland = nights.office.norway_url, nights.office.finland_url
    assert get(f"{norway}/enheter?page=100&size=100")[0] == 400 and get(f"{norway}/enheter?page=99&size=100")[0] == 200
    assert b"_embedded" not in get(f"{norway}/enheter?navn=ingen")[1]
    units = json.loads(gzip.decompress(get(f"{norway}/enheter/lastned")[1]))
    nights.registers.strike_off(units[0]["organisasjonsnummer"], NIGHT)
    assert len(json.loads(gzip.decompress(get(f"{norway}/enheter/lastned")[1]))) == len(units) - 1 > 50
    assert get(f"{norway}/enheter/910000004")[0] == 404
    with zipfile.ZipFile(io.BytesIO(get(f"{finland}/all_companies")[1])) as archive:
        assert len(json.loads(archive.read(archive.namelist()[0]))) == len(units)
    assert get(f"{finland}/description?code=YRMU&lang=en")[1].startswith(b"16\tLimited company\n")
    page = [json.loads(get(f"{finland}/companies?name=firma&page={n}")[1])["companies"] for n in (1, 9)]
    assert page[0] == page[1]
    assert get(f"{finland}/companies")[0] == 400
