"""Random small companies: everything that sellers, imports and archives do to deals, out of order and in one second."""

from __future__ import annotations

import json
import random
from datetime import datetime, timedelta

from sandbox.registers import legal_id
from tests.whole.project import AS_OF, Company, Fact, Record

BEGIN = AS_OF - timedelta(days=500)
STAGES = ("new", "qualified", "proposal", "negotiation")
SALES = [*((stage, stage.title(), None) for stage in STAGES), ("won", "Closed won", 1.0), ("lost", "Closed lost", 0.0)]
PARTNER = [("p_open", "Open", None), ("p_terms", "Terms", None), ("p_won", "Won", 1.0), ("p_lost", "Lost", 0.0)]
OWNERS = (
    ("41", "Ada Berg", "North"),
    ("42", "Bo Ek", "North"),
    ("43", "Cia Lund", "South"),
    ("44", "Dan Holm", "South"),
)
REASONS = ("price", "Competitor", "timing", "Other", "", None)


def basic() -> Company:
    """Two pipelines, four sellers, no deal."""
    company = Company()
    company.add("account_info", "1", BEGIN, portalId="1", timeZone='"Europe/Stockholm"', companyCurrency='"SEK"')
    company.pipeline("sales", "Sales", SALES, BEGIN)
    company.pipeline("partner", "Partner", PARTNER, BEGIN)
    for id, name, team in OWNERS:
        company.owner(id, name, team, BEGIN)
    return company


def anyones(seed: int, deals: int = 24, merges: bool = True) -> Company:
    """A company in which `deals` deals live from BEGIN until ten days after AS_OF."""
    dice = random.Random(seed)
    company = basic()
    end = AS_OF + timedelta(days=10)

    def moment(after: datetime, days: float = 60.0) -> datetime:
        """Some instant after another one; often to the full hour, so that instants collide."""
        found = after + timedelta(seconds=dice.expovariate(1 / (days * 86400 / 3)))
        if dice.random() < 0.4:
            found = found.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        return found.replace(microsecond=found.microsecond // 1000 * 1000)

    for number in range(6):
        created = moment(BEGIN, 200)
        home = {4: "Norway", 5: "Finland"}.get(number, "Sweden")
        company.add(
            "companies",
            f"c{number}",
            created,
            name=f"Firm {number} AB",
            domain=f"firm{number}.se",
            country=dice.choice([home, home, "Denmark"] if number < 4 else [home]),
            industry=dice.choice(["COMPUTER_SOFTWARE", "RETAIL", None]),
            numberofemployees=dice.choice(["5", "80", "4000", None]),
            segment=dice.choice(["SMB", "ENT", None]),
            organisation_number=legal_id(home, number),
        )
        if dice.random() < 0.5:
            company.set("companies", f"c{number}", moment(created, 300), segment="MID", numberofemployees="300")
    for number in range(10):
        created, firm = moment(BEGIN, 200), f"c{number % 6}"
        company.add(
            "contacts",
            f"p{number}",
            created,
            [("companies", firm, "Primary")],
            email=f"person{number}@firm{number % 6}.se",
            firstname="Per",
            lastname=f"Son{number}",
            lifecyclestage=dice.choice(["subscriber", "lead", None]),
            hubspot_owner_id=dice.choice(["41", "43", None]),
            hs_latest_source="DIRECT_TRAFFIC",
            campaign="Fair",
        )
        if dice.random() < 0.6:
            company.set(
                "contacts",
                f"p{number}",
                moment(created, 100),
                lifecyclestage=dice.choice(["marketingqualifiedlead", "customer"]),
            )
    for number in range(deals):
        _deal(company, dice, moment, f"d{number}", end)
    _activities(company, dice, moment, deals, end)
    _leads(company, dice, moment)
    _sheets(company, dice)
    _enrichment(company, random.Random(seed), end)
    ends = [id for id in (f"d{number}" for number in range(deals)) if dice.random() < 0.12]
    for id in ends:
        record = company.records["deals", id]
        at = moment(max(fact.at for fact in record.facts), 30)
        others = [f"d{number}" for number in range(deals) if f"d{number}" not in ends]
        company.end("deals", id, at, dice.choice([None, None, *others[:2]]) if merges else None)
    return company


def _deal(company: Company, dice: random.Random, moment, id: str, end: datetime) -> None:
    created = moment(BEGIN, 400)
    pipeline = dice.choice(["sales", "sales", "sales", "partner"])
    names = {"sales": [stage for stage, *_ in SALES], "partner": [stage for stage, *_ in PARTNER]}
    firm = f"c{dice.randrange(6)}"
    links = [("companies", firm, "Primary"), ("companies", "c0", None)] if dice.random() < 0.8 and firm != "c0" else []
    links += [("contacts", f"p{number}", None) for number in dice.sample(range(10), dice.randrange(3))]
    closes = created + timedelta(days=dice.randrange(-5, 150))
    values = {
        "dealname": f"Deal {id}",
        "pipeline": pipeline,
        "dealstage": dice.choice(names[pipeline]),
        "closedate": day(closes),
        "amount": dice.choice([None, "0", "1200.50", "45000", "9999.99", "250000"]),
        "hubspot_owner_id": dice.choice(["41", "42", "43", None]),
        "dealtype": dice.choice(["newbusiness", "newbusiness", "existingbusiness", None]),
        "hs_analytics_source": dice.choice(["EMAIL", "DIRECT_TRAFFIC", None]),
        "deal_currency_code": dice.choice(["SEK", "SEK", "SEK", "EUR", "RSD", None]),
    }
    company.add("deals", id, created, links, **values)
    at = created
    for _ in range(dice.randrange(9)):
        at = moment(at, 40)
        if at > end:
            break
        kind = dice.choice(["stage", "stage", "stage", "amount", "date", "owner", "pipeline", "reason"])
        who = dice.choice(["7", "8", "9"])
        if kind == "stage":
            company.set("deals", id, at, who, dealstage=dice.choice(names[pipeline]))
        elif kind == "amount":
            company.set("deals", id, at, who, amount=dice.choice(["100", "77777.77", "31000", None, "-500"]))
        elif kind == "date":
            closes += timedelta(days=dice.choice([-10, 7, 31, 92]))
            company.set("deals", id, at, who, closedate=dice.choice([day(closes)] * 4 + [None]))
        elif kind == "owner":
            company.set("deals", id, at, who, hubspot_owner_id=dice.choice(["41", "42", "43", "44", None, "99"]))
        elif kind == "reason":
            company.set("deals", id, at, who, closed_lost_reason=dice.choice(REASONS))
        else:
            pipeline = dice.choice(["sales", "partner"])
            company.set("deals", id, at, who, pipeline=pipeline, dealstage=dice.choice(names[pipeline]))
    if dice.random() < 0.5:
        item = f"i{id}"
        company.add(
            "line_items",
            item,
            created,
            name=dice.choice(["Planner", "Connect"]),
            price="1000",
            quantity="3",
            amount="3000.00",
            recurringbillingfrequency=dice.choice(["annually", None]),
            hs_recurring_billing_period="P12M",
            hs_term_in_months="12",
            hs_discount_percentage=dice.choice([None, "10"]),
            hs_cost_of_goods_sold=dice.choice([None, "400"]),
        )
        record = company.records["deals", id]
        company.records["deals", id] = Record(
            "deals", id, record.created, record.facts, (*record.links, ("line_items", item, None))
        )


def _activities(company: Company, dice: random.Random, moment, deals: int, end: datetime) -> None:
    kinds = {
        "calls": lambda at: {
            "hs_call_direction": dice.choice(["OUTBOUND", "INBOUND"]),
            "hs_call_status": "COMPLETED",
            "hs_call_duration": "600000",
        },
        "emails": lambda at: {
            "hs_email_direction": dice.choice(["EMAIL", "INCOMING_EMAIL"]),
            "hs_email_status": "SENT",
        },
        "meetings": lambda at: {
            "hs_meeting_start_time": instant(at),
            "hs_meeting_end_time": instant(at + timedelta(minutes=45)),
            "hs_meeting_outcome": dice.choice(["COMPLETED", "NO_SHOW", "SCHEDULED"]),
        },
        "tasks": lambda at: {
            "hs_task_status": dice.choice(["COMPLETED", "NOT_STARTED"]),
            "hs_task_subject": "Follow up",
        },
    }
    for number in range(3 * deals):
        kind = dice.choice(list(kinds))
        deal = f"d{dice.randrange(deals)}"
        created = moment(company.records["deals", deal].created, 80)
        at = created + timedelta(hours=dice.choice([0, 0, 26, 200]))
        contact = f"p{dice.randrange(10)}"
        company.add(
            kind,
            f"{kind}{number}",
            created,
            [("deals", deal, None), ("contacts", contact, None)],
            hs_timestamp=instant(at),
            hubspot_owner_id=dice.choice(["41", "42", "43"]),
            hs_object_source="CRM_UI",
            **kinds[kind](at),
        )
        if kind in ("tasks", "meetings") and dice.random() < 0.3:
            status = "hs_task_status" if kind == "tasks" else "hs_meeting_outcome"
            company.set(kind, f"{kind}{number}", min(moment(at, 5), end), **{status: "COMPLETED"})


def _leads(company: Company, dice: random.Random, moment) -> None:
    stages = [
        {"id": name, "label": name, "displayOrder": order, "metadata": {"isClosed": "false", "probability": "0.0"}}
        for order, name in enumerate(["l_new", "l_try"])
    ]
    company.add("lead_pipelines", "leads", BEGIN, label='"Leads"', stages=json.dumps(stages))
    for number in range(8):
        created = moment(BEGIN, 450)
        company.add(
            "leads",
            f"l{number}",
            created,
            [("contacts", f"p{number}", None)],
            hs_lead_name=f"Lead {number}",
            hs_pipeline="leads",
            hs_pipeline_stage="l_new",
            hubspot_owner_id=dice.choice(["41", "43", None]),
            hs_lead_source="DIRECT_TRAFFIC",
        )
        if dice.random() < 0.6:
            company.set("leads", f"l{number}", moment(created, 9), hs_pipeline_stage="l_try", hubspot_owner_id="42")


def _sheets(company: Company, dice: random.Random) -> None:
    saved = BEGIN + timedelta(days=1)
    for _, name, _team in OWNERS[:3]:
        for month in ("2026-01-01", "2026-04-01", "2026-05-01", "2026-06-01"):
            fields = {
                "owner": name,
                "team": None,
                "month": month,
                "target": str(dice.randrange(1, 9) * 10000),
                "currency": "SEK",
                "valid_from": None,
            }
            company.sheets.append(("targets", f"{name} {month}", saved, fields))
    for number in range(6):
        start = (BEGIN + timedelta(days=dice.randrange(300))).date()
        for year in range(dice.choice([1, 1, 2])):
            begins = start + timedelta(days=365 * year)
            fields = {
                "contract_id": f"K{number}-{year}",
                "company": f"Firm {number} AB",
                "deal_id": f"d{number}",
                "start_date": begins.isoformat(),
                "end_date": (begins + timedelta(days=364)).isoformat(),
                "arr": str(12000 * (number + year + 1)),
                "currency": dice.choice(["SEK", "EUR"]),
            }
            company.sheets.append(("contracts", f"K{number}-{year}", saved, fields))
    for month in range(0, 510, 30):
        rated = (BEGIN + timedelta(days=month)).date().isoformat()
        fields = {
            "rate_date": rated,
            "currency": "EUR",
            "kind": "day",
            "rate": f"11.{dice.randrange(10, 99)}",
            "units": "1",
        }
        company.sheets.append(("exchange_rates", f"EUR {rated}", saved, fields))


def _enrichment(company: Company, dice: random.Random, end: datetime) -> None:
    """What others say of the companies, by number: some lines say when it was observed, some from when it is true."""
    for number in range(40):
        saved = BEGIN + (end - BEGIN) * dice.random()
        about: dict[str, str | None] = {"legal_id": legal_id("Sweden", number % 4), "country": "SE", "source": "Vainu"}
        if dice.random() < 0.5:
            about["observed_at"] = (saved - timedelta(days=dice.randrange(90))).date().isoformat()
        if dice.random() < 0.5:
            about["valid_from"] = (saved - timedelta(days=dice.randrange(400))).date().isoformat()
        kind, fields = dice.choice(
            [
                ("firmographics", {"employees": dice.choice(["3", "60", "900", None]), "status": "active"}),
                ("technographics", {"product": dice.choice(["Shopify", "SAP"]), "first_seen": "2025-06-01"}),
                ("company_signals", {"signal": dice.choice(["funding", "hiring"]), "detail": str(number)}),
            ]
        )
        company.sheets.append((kind, f"e{number}", saved, about | fields))
    for country, number in (("norway", legal_id("Norway", 4)), ("finland", legal_id("Finland", 5))):
        for _ in range(3):
            said = {"navn": "FIRM", "konkurs": dice.random() < 0.5, "antallAnsatte": dice.randrange(5, 400)}
            company.entries.append((country, number, BEGIN + (end - BEGIN) * dice.random(), said))


def day(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT12:00:00.000Z")


def instant(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def garbled(company: Company, after: datetime, seed: int) -> Company:
    """What was lived up to an instant stays; every later fact, end and record says nonsense."""
    dice = random.Random(seed)
    nonsense = [
        "won",
        "lost",
        "new",
        "partner",
        "-1",
        "99999999",
        "2001-01-01T00:00:00Z",
        "",
        None,
        "44",
        "RSD",
        "{}",
        "ENT",
    ]
    other = Company(
        {},
        [sheet for sheet in company.sheets if sheet[2] <= after],
        [entry for entry in company.entries if entry[2] <= after],
    )
    for kind, key, _, fields in company.sheets:
        if kind in ("firmographics", "technographics", "company_signals"):
            later = {
                name: dice.choice(nonsense) for name in ("employees", "product", "first_seen", "valid_from", "detail")
            }
            day_after = (after + timedelta(days=dice.randrange(2, 9))).date().isoformat()
            told = fields | later | {"observed_at": dice.choice([None, day_after])}
            other.sheets.append((kind, key, after + timedelta(hours=dice.randrange(1, 200)), told))
    for country, number, _, _ in company.entries:
        at = after + timedelta(hours=dice.randrange(1, 200))
        other.entries.append((country, number, at, {"navn": "Nonsense", "konkurs": True}))
    for key, record in company.records.items():
        facts = [
            fact if fact.at <= after else Fact(fact.at, fact.name, dice.choice(nonsense), "13") for fact in record.facts
        ]
        if record.kind in ("deals", "contacts", "companies", "leads"):
            names = sorted({fact.name for fact in facts})
            facts += [
                Fact(after + timedelta(hours=dice.randrange(1, 200)), name, dice.choice(nonsense), "13")
                for name in names
            ]
        ended, survivor = (record.ended, record.survivor) if record.ended and record.ended <= after else (None, None)
        if not ended and dice.random() < 0.3:
            ended, survivor = after + timedelta(hours=dice.randrange(1, 200)), None
        other.records[key] = Record(record.kind, record.id, record.created, tuple(facts), record.links, ended, survivor)
    for number in range(5):
        made = after + timedelta(hours=5 + number)
        other.add(
            "deals",
            f"later{number}",
            made,
            [("companies", "c1", "Primary")],
            dealname="Later",
            pipeline="sales",
            dealstage="won",
            amount="1000000",
            closedate=day(made),
            hubspot_owner_id="41",
        )
        other.add(
            "calls",
            f"later{number}",
            made,
            [("deals", "d0", None)],
            hs_timestamp=instant(made),
            hs_call_direction="OUTBOUND",
            hubspot_owner_id="41",
        )
    return other
