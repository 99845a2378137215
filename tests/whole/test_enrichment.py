"""What registers and enrichment sheets say reaches its company, from when it was known on, and nothing else."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import duckdb
import pytest

from sandbox.registers import legal_id
from tests.whole.companies import BEGIN, anyones, basic, day
from tests.whole.conftest import NIGHTS
from tests.whole.project import AS_OF, Company

EARLY, LATE = AS_OF - timedelta(days=300), AS_OF - timedelta(days=50)
NUMBERS = {"NO": "923609016", "FI": "01120389", "SE": "5560160680"}  # well known ones
TABLES = ("company_attributes", "company_technologies", "company_signals")
ADDED = ("legal_id", "technologies", "enriched_at", "matched_count", "match_rate")
# what the suppliers are worth, and what they say that the CRM does not hold
WORTH = ("kpi.enrichment_quality", "kpi.signal_lift", "kpi.enrichment_worklist")


def line(**fields: str) -> dict[str, Any]:
    """A line of a sheet as the reader lands it."""
    return {"source": "Vainu"} | fields


def unit(name: str = "NORDLYS AS", employees: int | None = 60, **says: Any) -> dict[str, Any]:
    """An entry of Norway's register."""
    found = {
        "organisasjonsnummer": NUMBERS["NO"],
        "navn": name,
        "naeringskode1": {"kode": "62.100", "beskrivelse": "Programmeringstjenester"},
        "harRegistrertAntallAnsatte": True,
        "hjemmeside": "www.nordlys.no",
        "forretningsadresse": {"adresse": ["Storgata 1"], "postnummer": "0155", "poststed": "OSLO"},
        "stiftelsesdato": "1972-06-14",
        "konkurs": False,
    }
    return found | ({"antallAnsatte": employees} if employees is not None else {}) | says


def three() -> Company:
    """One company with its number, two that are told by name and domain."""
    company = basic()
    company.add(
        *("companies", "c1", BEGIN),
        **{"name": "Nordlys", "domain": "nordlys.no", "country": "Norway", "organisation_number": "NO 923 609 016 MVA"},
    )
    company.add("companies", "c2", BEGIN, name="Solros Bageri AB", domain="solros.se", country="Sweden")
    company.add("companies", "c3", BEGIN, name="Kuusi Metsä Oy", domain="kuusimetsa.fi", country="Finland")
    return company


@pytest.fixture
def ask(project):
    def built(company: Company, sql: str, **instants: datetime) -> list[tuple]:
        connection = project.build(company, NIGHTS, **instants)
        assert project.failures(connection) == {}
        return connection.execute(f"use marts; {sql}").fetchall()

    return built


def test_an_entry_is_found_by_number_and_its_values_follow_each_other(ask):
    company = three()
    company.entries = [
        ("norway", NUMBERS["NO"], EARLY, unit()),
        ("norway", NUMBERS["NO"], LATE, unit(employees=None, konkurs=True, konkursdato="2026-05-01")),
    ]
    rows = ask(
        company,
        """select company_key, attribute, value, valid_from, valid_to, matched_by from pipeline.company_attributes
           where attribute in ('employees', 'employees_band', 'status', 'industry_code') order by 2, 4""",
    )
    assert [row[:5] for row in rows] == [
        ("hubspot:company:c1", "employees", "60", EARLY, LATE),
        ("hubspot:company:c1", "employees_band", "50-249", EARLY, LATE),
        ("hubspot:company:c1", "employees_band", "1-9", LATE, None),  # withheld: one to four, never none
        ("hubspot:company:c1", "industry_code", "62.100", EARLY, None),
        ("hubspot:company:c1", "status", "active", EARLY, LATE),
        ("hubspot:company:c1", "status", "bankrupt", LATE, None),
    ]
    assert {row[-1] for row in rows} == {"organisation number"}
    rows = ask(
        company, "select signal, cast(valid_from as varchar), observed_at, valid_to from pipeline.company_signals"
    )
    assert rows == [("bankruptcy", "2026-04-30 22:00:00+00", LATE, None)]  # midnight in Stockholm
    assert ask(company, "select count(*) from pipeline.company_signals", as_of=LATE - timedelta(days=1)) == [(0,)]
    assert ask(company, "select legal_id, enriched_at from pipeline.companies where name = 'Nordlys'") == [
        ("NO 923609016", LATE)
    ]


def test_lines_are_found_by_name_and_domain_unless_the_company_bears_another_number(ask):
    company = three()
    sweden = line(
        company="Solros Bageri AB", domain="https://www.solros.se/", legal_id="556016-0680", country="Sverige"
    )
    other = line(company="Nordlys", domain="nordlys.no", country="NO", legal_id="974760673")  # valid, not Nordlys's
    nobody = line(company="Helt Annat AB", domain="annat.se", employees="9")
    company.sheets = [
        ("firmographics", "f1", EARLY, sweden | {"employees": "12", "confidence": "0.8"}),
        ("firmographics", "f2", EARLY, other | {"employees": "7"}),
        ("firmographics", "f3", EARLY, nobody),
        ("technographics", "t1", EARLY, sweden | {"product": "Shopify", "first_seen": "2025-01-10"}),
        (
            "technographics",
            "t2",
            EARLY,
            sweden | {"product": "Magento", "first_seen": "2023-01-10", "last_seen": "2024-02-01"},
        ),
        ("company_signals", "s1", LATE, sweden | {"signal": "funding", "valid_from": "2026-05-10"}),
    ]
    rows = ask(
        company,
        """select company_key, value, confidence, matched_by from pipeline.company_attributes
           where attribute = 'employees'""",
    )
    assert rows == [("hubspot:company:c2", "12", 0.8, "entity resolution")]
    assert ask(company, "select legal_id, technologies from pipeline.companies order by company_key") == [
        ("NO 923609016", None), ("SE 5560160680", "Shopify"), (None, None),
    ]  # fmt: skip
    rows = ask(company, "select technology, valid_to is null from pipeline.company_technologies order by 1")
    assert rows == [("Magento", False), ("Shopify", True)]
    rows = ask(company, "select signal, date_diff('day', valid_from, valid_to) from pipeline.company_signals")
    assert rows == [("funding", 180)]


def test_what_others_say_joins_no_companies_and_changes_nothing_beside(project):
    company = anyones(3)
    plain = project.build(company, NIGHTS)
    for number in range(6):
        about = line(company=f"Firm {number} AB", domain=f"firm{number}.se")
        company.sheets.append(("firmographics", f"f{number}", EARLY, about | {"employees": "5000", "industry": "X"}))
    enriched = project.build(company, NIGHTS)
    assert enriched.execute("select count(*) from marts.pipeline.company_attributes").fetchone() > (0,)
    found = project.differences(plain, enriched, ADDED)
    assert set(found) == {"pipeline.company_attributes", *WORTH}


def test_a_company_without_any_of_it_has_none_of_it(ask):
    counts = ", ".join(f"(select count(*) from pipeline.{table})" for table in TABLES)
    assert ask(three(), f"select {counts}") == [(0, 0, 0)]
    assert ask(
        three(), "select count(*) from pipeline.companies where technologies is null and enriched_at is null"
    ) == [(3,)]


def test_what_cannot_be_in_a_line_is_listed_with_its_file_and_row_and_the_lines_beside_it_are_kept(project):
    company = three()
    solros = line(company="Solros Bageri AB", domain="solros.se", country="Sverige")
    company.sheets = [
        ("firmographics", "f1", EARLY, solros | {"employees": "12", "confidence": "1.01"}),
        ("technographics", "t1", EARLY, solros | {"product": "Shopify", "confidence": "-0.1"}),
        ("technographics", "t2", EARLY, solros | {"product": "Magento", "confidence": "1"}),
        ("technographics", "t3", EARLY, solros | {"product": "SAP", "confidence": "0", "legal_id": "556016-0681"}),
        ("company_signals", "s1", EARLY, line(signal="hiring", observed_at="2025-08-01")),
        ("company_signals", "s2", LATE, solros | {"signal": "funding", "observed_at": f"{AS_OF.date()}"}),
        ("company_signals", "s3", LATE, solros | {"signal": "expansion", "observed_at": f"{LATE.date()}"}),
    ]
    built = project.build(company, NIGHTS)
    built.execute("use marts")

    def ask(sql: str) -> list[tuple]:
        return built.execute(sql).fetchall()

    rows = ask(
        """select object, record_id, field, value, substring(problem, 1, 20) from kpi.data_quality_issues
           where object in ('firmographics', 'technographics', 'company_signals') order by all""",
    )
    assert rows == [
        ("company_signals", "company_signals.csv row 2", "legal_id", None, "no company is named,"),
        ("company_signals", "company_signals.csv row 2", "observed_at", f"{AS_OF.date()}", "observed on a day af"),
        ("firmographics", "firmographics.csv row 2", "confidence", "1.01", "confidence is not be"),
        ("technographics", "technographics.csv row 2", "confidence", "-0.1", "confidence is not be"),
        ("technographics", "technographics.csv row 2", "legal_id", "556016-0681", "is no organisation n"),
    ]
    kept = "select technology, confidence from pipeline.company_technologies order by 1"
    assert ask(kept) == [("Magento", 1.0), ("SAP", 0.0), ("Shopify", None)]
    assert ask("select signal, observed_at from pipeline.company_signals order by 1") == [
        ("expansion", datetime.combine(LATE.date(), datetime.min.time(), LATE.tzinfo) - timedelta(hours=2)),
        ("funding", LATE),  # never later than its file
    ]
    assert ask("select value, confidence from pipeline.company_attributes where attribute = 'employees'") == [
        ("12", None)
    ]


RATED = """from marts.pipeline.deals
    where not is_excluded and sao_at is not null and life_state in ('open', 'won', 'lost')
        and coalesce(order_type, 'unknown') not in ('renewal', 'contraction')"""


def moments_with(connection: duckdb.DuckDBPyConnection, moments: str) -> dict[tuple, set[tuple[str, str]]]:
    """What was true of a company and observed at each of these rows (.., company_key, instant), line by line."""
    lines = connection.execute(
        """select company_key, 'technology', lower(technology), valid_from, observed_at, valid_to
           from marts.pipeline.company_technologies
           union all
           select company_key, 'signal', signal, valid_from, observed_at, valid_to
           from marts.pipeline.company_signals"""
    ).fetchall()
    return {
        moment: {
            (dimension, member)
            for company, dimension, member, valid_from, observed, valid_to in lines
            if company == moment[-2] and moment[-1] >= valid_from and moment[-1] >= observed
            and not (valid_to and moment[-1] >= valid_to)
        }
        for moment in connection.execute(moments).fetchall()
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(2))
def test_a_deal_is_cut_by_what_was_known_when_it_was_made_and_a_win_by_what_was_known_then(anyone, seed):
    connection = anyone(seed)
    made = moments_with(
        connection,
        f"""select deal_key, sao_date between date '2024-04-01' and date '2026-03-31', company_key,
            coalesce(created_at, first_observed_at)
            {RATED}""",
    )
    first = connection.execute(
        """select company_key, min(greatest(valid_from, observed_at)) from (
               select company_key, valid_from, observed_at from marts.pipeline.company_attributes
               union all select company_key, valid_from, observed_at from marts.pipeline.company_technologies
               union all select company_key, valid_from, observed_at from marts.pipeline.company_signals
           ) group by company_key"""
    )
    known = dict(first.fetchall())
    subjects = [traits for deal, traits in made.items() if deal[-2] in known and deal[-1] >= known[deal[-2]]]
    cells = {cell for traits in subjects for cell in traits}
    lifts = connection.execute("select dimension, member, with_count, without_count from marts.kpi.signal_lift")
    assert sorted(lifts.fetchall()) == sorted(
        (*cell, sum(cell in traits for traits in subjects), sum(cell not in traits for traits in subjects))
        for cell in cells
    )
    won = moments_with(
        connection,
        f"""select deal_key, company_key, closed_at {RATED} and life_state = 'won' and acv is not null
            and booking_date between date '2024-04-01' and date '2026-03-31'""",
    )
    profiles = connection.execute(
        """select dimension, member, accepted_count, acv_count from marts.kpi.customer_profile
           where dimension in ('technology', 'signal') and member <> 'unknown'"""
    ).fetchall()
    accepted = [traits for deal, traits in made.items() if deal[1]]
    assert {(dimension, member): tuple(counts) for dimension, member, *counts in profiles if any(counts)} == {
        cell: (sum(cell in traits for traits in accepted), sum(cell in traits for traits in won.values()))
        for traits in (*accepted, *won.values())
        for cell in traits
    }
    assert len(cells) >= 3 and any(cell not in traits for cell in cells for traits in subjects)


def planted() -> tuple[Company, set[str]]:
    """Every third company works with Lagerlink, known since long, and buys more often; who has bought says some days
    later that it has used Tendra all the time. Gives also who bought."""
    dice, company, buyers = random.Random(5), basic(), set[str]()
    looked_up = f"{(BEGIN + timedelta(days=1)).date()}"
    for number in range(70):
        about = line(company=f"Firm {number} AB", domain=f"firm{number}.se", legal_id=legal_id("Sweden", number))
        company.add("companies", f"c{number}", BEGIN, name=f"Firm {number} AB", country="Sweden",
                    organisation_number=about["legal_id"])  # fmt: skip
        known = about | {"observed_at": looked_up, "country": "SE"}
        company.sheets.append(("firmographics", f"f{number}", EARLY, known | {"employees": "60"}))
        for product, is_used in (("Lagerlink", number % 3 == 0), ("Bokia", number % 2 == 0)):
            if is_used:
                company.sheets.append(("technographics", f"{product}{number}", EARLY, known | {"product": product}))
        for turn in range(3):
            made = BEGIN + timedelta(days=20 + 100 * turn + dice.randrange(60))
            company.add("deals", f"d{number}-{turn}", made, [("companies", f"c{number}", "Primary")], dealname="Deal",
                        pipeline="sales", dealstage="new", amount="1000", closedate=day(made), hubspot_owner_id="41",
                        dealtype="newbusiness", deal_currency_code="SEK")  # fmt: skip
            closed = made + timedelta(days=dice.randrange(20, 80))
            is_won = dice.random() < (0.75 if number % 3 == 0 else 0.35)
            company.set("deals", f"d{number}-{turn}", closed, dealstage="won" if is_won else "lost")
            if is_won and f"c{number}" not in buyers:
                buyers.add(f"c{number}")
                asked = {"product": "Tendra", "source": "Onboarding", "first_seen": looked_up}
                asked["observed_at"] = f"{(closed + timedelta(days=12)).date()}"
                company.sheets.append(("technographics", f"Tendra{number}", LATE, known | asked))
    return company, buyers


def test_what_makes_deals_won_is_found_and_what_was_asked_after_the_win_is_not_taken_for_it(project):
    """M32: by what is true of companies today, every deal that was won was won with Tendra and none without."""
    company, buyers = planted()
    connection = project.build(company, [EARLY, LATE, AS_OF])
    rows = connection.execute("select member, lift, lift_low, lift_high from marts.kpi.signal_lift").fetchall()
    lifts = {member: bounds for member, *bounds in rows}
    assert set(lifts) == {"lagerlink", "bokia", "tendra"}
    assert lifts["lagerlink"][0] > 1.5 and lifts["lagerlink"][1] > 1.2
    for member in ("bokia", "tendra"):
        assert lifts[member][1] < 1 < lifts[member][2], member
    naive = connection.execute(
        """select avg(cast(life_state = 'won' as int)) filter (where not has_it)
           from (
               select life_state, company_key in (
                   select company_key from marts.pipeline.company_technologies where technology = 'Tendra'
               ) as has_it
               from marts.pipeline.deals
           )"""
    ).fetchone()
    assert naive == (0.0,) and len(buyers) > 30
    profiles = dict(
        connection.execute(
            """select member, [cif_win_180, cif_win_180_low, cif_win_180_high] from marts.kpi.customer_profile
               where dimension in ('company', 'technology')"""
        ).fetchall()
    )
    everyone = profiles["all"][0]
    assert profiles["lagerlink"][1] > everyone
    assert profiles["tendra"][1] < everyone < profiles["tendra"][2]
