"""Sellers, companies, contacts and leads of the practice company, and what changes about them."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random
from typing import TYPE_CHECKING

from sandbox import activities, budget, contracts, deals, habits
from sandbox.names import (
    CAMPAIGNS,
    COMPANY_FIRST,
    COMPANY_SECOND,
    COUNTRIES,
    FIRST_NAMES,
    INDUSTRIES,
    JOB_TITLES,
    LAST_NAMES,
    plain,
)
from sandbox.registers import Registered, legal_id
from sandbox.store import Record

if TYPE_CHECKING:
    from sandbox.world import Owner, World

TEAMS = (("5201", "New Business"), ("5202", "Enterprise"), ("5203", "Partner and Expansion"))
SOURCES = ("PAID_SEARCH", "ORGANIC_SEARCH", "PAID_SOCIAL", "EMAIL_MARKETING", "REFERRALS", "OFFLINE", "DIRECT_TRAFFIC")
IMPORTED = 0.5  # share of the companies and contacts that came with the portal's first import
DUPLICATE_SHARE = 0.015
RUNNING = 0.07  # share of the deals that were under way when the CRM was bought


def found_company(world: World, rng: Random, day: date) -> None:
    """Day one: the sellers, and the import of what the spreadsheet before the CRM held."""
    start = world.calendar.instant(day, 9 * 60)
    for _ in range(world.size.sellers):
        hire(world, rng, start)
    for number in range(1, 1 + max(1, world.size.sellers // 5)):
        world.schedule(world.later(rng, start, 90, 640), seller_leaves, (number * 5 + 1) % world.size.sellers)
    for index in range(round(world.size.companies * IMPORTED)):
        add_company(world, rng, start + index * 40, "IMPORT")
    for index in range(round(world.size.contacts * IMPORTED)):
        at = start + 3_600_000 + index * 40
        contact = add_contact(world, rng, at, _some_company(world, rng), rng.choice(SOURCES), "subscriber", "IMPORT")
        if rng.random() < DUPLICATE_SHARE * 2:
            copy_contact(world, rng, at + 20, contact.id)
        elif rng.random() < 0.01:
            world.schedule(world.later(rng, at, 30, 700), erase_contact, contact.id)
    for _ in range(round(world.size.deals * RUNNING)):
        world.schedule(world.later(rng, start, 0, 14), deals.running_deal_entered)
    contracts.inherit(world, rng, start)
    budget.plan_first(world, rng, start)


def plan_day(world: World, rng: Random, day: date) -> None:
    """What is planned for a day before it starts. Leads come in on any day, the rest on workdays."""
    size, calendar = world.size, world.calendar
    leads = world.count(rng, size.contacts * 0.21)
    if not calendar.is_workday(day):
        leads = leads if rng.random() < 0.35 else 0
    for _ in range(leads):
        world.schedule(calendar.instant(day, rng.triangular(5 * 60, 23 * 60, 13 * 60)), lead_arrives)
    budget.plan_day(world, day)
    if day == world.causes.cleanup_day:
        world.schedule(calendar.instant(day, 16 * 60), deals.clean_up)
    if (day - world.start).days % habits.TIDY_UP_EVERY_DAYS == habits.TIDY_UP_EVERY_DAYS - 1:
        world.schedule(calendar.instant(calendar.next_workday(day), 16 * 60), habits.tidy_up)
    if not calendar.is_workday(day):
        return
    plans = (
        (size.companies * 0.05, company_found),
        (size.contacts * 0.3, contact_found),
        (size.contacts * 0.003, forget_someone),
        (size.deals * 0.8, deals.deal_opened),
        (size.deals * 0.03, deals.tidy),
        (size.contacts * 0.06, person_changes),
        (size.companies * 0.1, company_changes),
        (size.contacts * 0.01, merge_copies),
        (size.activities * 0.1, activities.unplanned),
    )
    for total, action in plans:
        for _ in range(world.count(rng, total)):
            world.schedule(world.work_time(rng, day), action)


def hire(world: World, rng: Random, at: int) -> Owner:
    """A new seller."""
    from sandbox.world import Owner

    number = len(world.owners)
    taken = {(owner.first_name, owner.last_name) for owner in world.owners}
    first, last = rng.choice(FIRST_NAMES), rng.choice(LAST_NAMES)
    while (first, last) in taken:
        first, last = rng.choice(FIRST_NAMES), rng.choice(LAST_NAMES)
    team_id, team = TEAMS[number % len(TEAMS)]
    owner = Owner(
        id=str(41_000_100 + number * 37),
        user_id=7_700_200 + number * 11,
        email=f"{plain(first)}.{plain(last)}{number}@flowfactory.example",
        first_name=first,
        last_name=last,
        team_id=team_id,
        team=team,
        created_at=at,
        updated_at=at,
        skill=rng.uniform(0.8, 1.2),
    )
    world.owners.append(owner)
    return owner


def seller_leaves(world: World, rng: Random, at: int, index: int) -> None:
    """A seller is archived; most open deals go to others, some are forgotten; a successor is hired."""
    owner = world.owners[index]
    if owner.archived_at is not None or owner.id == world.causes.overselling_owner_id:
        return
    owner.archived_at = owner.updated_at = at
    for deal in list(world.store.records["deals"].values()):
        if deal.properties["hubspot_owner_id"] != owner.id or deal.archived_at or rng.random() < 0.25:
            continue
        if deal.properties["hs_is_closed"] == "false":
            successor = rng.choice(world.sellers())
            world.store.change(deal, at, {"hubspot_owner_id": successor.id}, user=successor.user_id)
    budget.hand_over(world, at, owner, hire(world, rng, world.later(rng, at, 0, 0)))


def company_found(world: World, rng: Random, at: int) -> None:
    """A seller adds a company."""
    add_company(world, rng, at, "CRM_UI")


def add_company(world: World, rng: Random, at: int, source: str) -> Record:
    country, top, _, form, cities = rng.choices(COUNTRIES, (60, 16, 12, 12))[0]
    name = rng.choice(COMPANY_FIRST) + rng.choice(COMPANY_SECOND)
    number = len(world.store.records["companies"])
    employees = int(min(9_000, 8 * 2 ** rng.expovariate(0.45)))
    owner, city = rng.choice(world.sellers()), rng.choice(cities)
    spellings = (
        f"{name.capitalize()} {form}",
        f"{name.capitalize()} {city} {form}",
        f"{name.capitalize()} {number} {form}",
    )
    full_name = next(text for text in spellings if text not in world.company_names)
    world.company_names.add(full_name)
    registered = _registered(world, number, country, full_name, city, f"{plain(name)}{number}.{top}", employees, at)
    company = world.store.create(
        "companies",
        at,
        {
            "name": full_name,
            "domain": f"{plain(name)}{number}.{top}",
            "industry": rng.choice(INDUSTRIES) if rng.random() > 0.12 else None,
            "numberofemployees": str(employees) if rng.random() > 0.1 else None,
            "annualrevenue": str(employees * rng.randint(900, 2_400) * 1_000) if rng.random() > 0.3 else None,
            "country": country if rng.random() > 0.05 else None,
            "city": city,
            "hubspot_owner_id": owner.id,
            "hs_parent_company_id": None,
            "segment": "Enterprise" if employees > 1_000 else "Mid-market" if employees > 100 else "SMB",
            "organisation_number": _typed_number(registered),
        },
        source,
        owner.user_id,
    )
    world.registered[company.id] = registered
    world.employees[company.id] = []
    world.company_keys.append(company.id)
    if rng.random() < 0.008 and not _is_quiet(world, at):
        copy = world.store.create(
            "companies",
            at + 60_000,
            {**_typed(company), "domain": f"www.{company.properties['domain']}", "name": name.upper()},
            source,
        )
        world.duplicates.append({"object": "companies", "original": company.id, "copy": copy.id, "kind": "same_domain"})
    return company


def _registered(
    world: World, number: int, country: str, name: str, city: str, domain: str, employees: int, at: int
) -> Registered:
    """What its country's register has of a new company; nothing is drawn for it."""
    since = world.calendar.local_date(at) - timedelta(days=200 + number * 97 % 9_000)
    industry = INDUSTRIES[number * 7 % len(INDUSTRIES)]
    return Registered(number, legal_id(country, number), country, name, city, domain, employees, industry, since)


def _typed_number(company: Registered) -> str | None:
    """Seven of ten companies have their number in the CRM, in the spellings that people use."""
    digits = company.legal_id
    if company.number % 10 >= 7:
        return None
    if company.country == "Sweden":
        return f"{digits[:6]}-{digits[6:]}"
    if company.country == "Norway":
        return f"NO {digits} MVA" if company.number % 3 == 0 else f"{digits[:3]} {digits[3:6]} {digits[6:]}"
    return f"FI{digits}" if company.country == "Finland" and company.number % 3 == 0 else digits


def _typed(record: Record) -> dict[str, str | None]:
    """The values a person typed: no system stamps."""
    from sandbox.properties import definitions

    written = {str(entry["name"]) for entry in definitions(record.object_type) if not entry["calculated"]}
    skipped = {"createdate", "hs_createdate", "hs_object_source", "hs_created_by_user_id", "hs_object_source_id"}
    return {name: value for name, value in record.properties.items() if name in written - skipped}


def _is_quiet(world: World, at: int) -> bool:
    from sandbox.world import QUIET_AFTER_DAYS

    return world.calendar.local_date(at) > world.start + timedelta(days=QUIET_AFTER_DAYS)


def _some_company(world: World, rng: Random) -> Record:
    """Any living company."""
    while True:
        company = world.alive("companies", rng.choice(world.company_keys))
        if company is not None:
            return company


def contact_found(world: World, rng: Random, at: int) -> None:
    """A seller adds a contact to a company."""
    add_contact(world, rng, at, _some_company(world, rng), "OFFLINE", "subscriber", "CRM_UI")


def add_contact(
    world: World, rng: Random, at: int, company: Record, source: str, lifecycle: str, origin: str
) -> Record:
    first, last = rng.choice(FIRST_NAMES), rng.choice(LAST_NAMES)
    number = world.store.next_id["contacts"] % 100_000
    domain = company.properties["domain"] or "example.com"
    prefix = {"no": "+47", "dk": "+45", "fi": "+358"}.get(domain.rsplit(".", 1)[-1], "+46")
    role_mailbox = rng.random() < 0.02
    owner = world.owner(company.properties["hubspot_owner_id"])
    email = f"{plain(first)}.{plain(last)}{number % 97}@{domain}"
    contact = world.store.create(
        "contacts",
        at,
        {
            "email": None if rng.random() < 0.04 else f"info@{domain}" if role_mailbox else email,
            "firstname": first,
            "lastname": last,
            "phone": f"{prefix} {rng.randint(70, 79)} {rng.randint(1_000_000, 9_999_999)}"
            if rng.random() < 0.6
            else None,
            "mobilephone": f"{prefix}{rng.randint(700_000_000, 799_999_999)}" if rng.random() < 0.4 else None,
            "jobtitle": rng.choice(JOB_TITLES) if rng.random() < 0.85 else None,
            "company": company.properties["name"],
            "country": company.properties["country"],
            "city": company.properties["city"],
            "lifecyclestage": lifecycle,
            "hs_lead_status": "NEW" if lifecycle == "lead" else None,
            "hs_latest_source": source,
            "hs_analytics_source": source,
            "hubspot_owner_id": owner.id if owner and origin != "FORM" else None,
            "campaign": CAMPAIGNS[source],
            "buying_role": None,
        },
        origin,
        owner.user_id if owner and origin == "CRM_UI" else None,
    )
    world.store.link(contact, company, at, primary=True)
    world.employees[company.id].append(contact.id)
    return contact


def copy_contact(world: World, rng: Random, at: int, contact_id: str, record_id: str | None = None) -> Record | None:
    """A second record of a living person: same address in other letters, or same phone under a private address."""
    original = world.alive("contacts", contact_id)
    if original is None or not original.properties["email"] or original.properties["email"].startswith("info@"):
        return None
    values = _typed(original)
    kind = "same_email" if not values["phone"] or rng.random() < 0.6 else "same_phone"
    if kind == "same_email":
        values["email"] = f" {(values['email'] or '').title()}"
        values["phone"] = values["mobilephone"] = None
    else:
        values["email"] = f"{plain(values['firstname'] or '')}{rng.randint(1_000, 99_999)}@mail.example"
        values["phone"] = (values["phone"] or "").replace(" ", "-")
    copy = world.store.create("contacts", at, values, "IMPORT", record_id=record_id)
    for company_id in world.store.linked("contacts", original.id, "companies")[:1]:
        company = world.alive("companies", company_id)
        if company is not None:
            world.store.link(copy, company, at, primary=True)
    world.duplicates.append({"object": "contacts", "original": original.id, "copy": copy.id, "kind": kind})
    return copy


def merge_copies(world: World, rng: Random, at: int) -> None:
    """Somebody cleans up: one known duplicate is merged into a third id."""
    for known in world.duplicates:
        if "merged_at" in known:
            continue
        first = world.store.records[known["object"]].get(known["original"])
        second = world.store.records[known["object"]].get(known["copy"])
        if first and second and not first.archived_at and not second.archived_at and rng.random() < 0.5:
            merged = world.store.merge(first, second, at)
            known |= {"merged_at": str(at), "merged_into": merged.id}
            if merged.object_type == "companies":
                world.employees[merged.id] = world.employees.get(first.id, [])
                contracts.follow_merge(world, first, second, merged)
            return


def erase_contact(world: World, rng: Random, at: int, contact_id: str) -> None:
    """A person asks to be forgotten. Buyers of a deal stay, as most do."""
    contact = world.store.records["contacts"].get(contact_id)
    if contact is not None and not world.store.linked("contacts", contact_id, "deals"):
        world.store.erase(contact, at)


def forget_someone(world: World, rng: Random, at: int) -> None:
    """A person without a deal asks to be erased."""
    people = world.employees.get(_some_company(world, rng).id)
    if people:
        erase_contact(world, rng, at, rng.choice(people))


def person_changes(world: World, rng: Random, at: int) -> None:
    """A contact gets a new title, phone, employer or status."""
    company = _some_company(world, rng)
    people = world.employees.get(company.id) or []
    contact = world.alive("contacts", rng.choice(people)) if people else None
    if contact is None:
        return
    user = rng.choice(world.sellers()).user_id
    roll = rng.random()
    if roll < 0.5:
        world.store.change(contact, at, {"jobtitle": rng.choice(JOB_TITLES)}, user=user)
    elif roll < 0.75:
        world.store.change(contact, at, {"hs_lead_status": rng.choice(("OPEN", "CONNECTED"))}, user=user)
    elif roll < 0.95:
        employer = _some_company(world, rng)
        world.store.change(contact, at, {"company": employer.properties["name"]}, user=user)
        world.store.link(contact, employer, at)
    else:
        world.store.archive(contact, at)


def company_changes(world: World, rng: Random, at: int) -> None:
    """A company grows, shrinks, or changes hands."""
    company = _some_company(world, rng)
    user = rng.choice(world.sellers()).user_id
    if rng.random() < 0.7:
        employees = int(int(company.properties["numberofemployees"] or 20) * rng.uniform(0.7, 1.6)) + 1
        world.store.change(company, at, {"numberofemployees": str(employees)}, user=user)
    elif rng.random() < 0.8:
        world.store.change(company, at, {"hubspot_owner_id": rng.choice(world.sellers()).id}, user=user)
    else:
        world.store.change(company, at, {"industry": rng.choice(INDUSTRIES)}, user=user)


def lead_arrives(world: World, rng: Random, at: int) -> None:
    """Somebody fills in a form: a contact (sometimes known), its lead record, and soon an answer."""
    source = rng.choices(SOURCES, (22, 18, 20, 12, 10, 8, 10))[0]
    known = rng.random() < 0.15
    company = _some_company(world, rng) if rng.random() < 0.3 else add_company(world, rng, at - 2_000, "FORM")
    people = world.employees.get(company.id) or []
    contact = world.alive("contacts", rng.choice(people)) if known and people else None
    if contact is None:
        contact = add_contact(world, rng, at - 1_000, company, source, "lead", "FORM")
    else:
        world.store.change(contact, at - 1_000, {"hs_latest_source": source}, "FORM")
    routed = rng.random() < 0.6
    owner = rng.choice(world.sellers())
    lead = world.store.create(
        "leads",
        at,
        {
            "hs_lead_name": f"{contact.properties['firstname']} {contact.properties['lastname']}",
            "hs_pipeline": "lead-pipeline-id",
            "hs_pipeline_stage": "new-stage-id",
            "hs_lead_type": "NEW_BUSINESS",
            "hs_lead_label": rng.choice(("WARM", "HOT", "COLD")),
            "hs_lead_source": source,
            "hs_lead_disqualification_reason": None,
            "hubspot_owner_id": owner.id if routed else None,
            "campaign": CAMPAIGNS[source],
        },
        "AUTOMATION_PLATFORM",
    )
    world.store.link(lead, contact, at, primary=True)
    world.store.link(lead, company, at)
    if not routed:
        world.schedule(world.calendar.add_business_minutes(at, rng.uniform(2, 50)), route_lead, lead.id, owner.id)
    if rng.random() < 0.25:
        activities.sequence_email(world, rng, at + 120_000, owner, contact)
    if rng.random() < 0.9:
        minutes = rng.expovariate(1 / 26) if rng.random() < 0.8 else rng.uniform(60, 1_500)
        if owner.team == world.causes.slow_team:
            minutes = minutes * 2 + 45
        world.schedule(
            world.calendar.add_business_minutes(at, minutes + 1), answer_lead, lead.id, contact.id, owner.id, source
        )


def route_lead(world: World, rng: Random, at: int, lead_id: str, owner_id: str) -> None:
    """The lead gets its owner later than it came."""
    lead = world.alive("leads", lead_id)
    if lead is not None and lead.properties["hubspot_owner_id"] is None:
        world.store.change(lead, at, {"hubspot_owner_id": owner_id}, "AUTOMATION_PLATFORM")


def answer_lead(world: World, rng: Random, at: int, lead_id: str, contact_id: str, owner_id: str, source: str) -> None:
    """First touch; the lead moves on and may become a deal some days later."""
    lead, contact, owner = world.alive("leads", lead_id), world.alive("contacts", contact_id), world.owner(owner_id)
    if lead is None or contact is None or owner is None or owner.archived_at is not None:
        return
    activities.touch(world, rng, at, owner, contact)
    change = {"hs_pipeline_stage": "attempting-stage-id", "hubspot_owner_id": owner.id}
    world.store.change(lead, at + 60_000, change, user=owner.user_id)
    world.schedule(world.later(rng, at, 1, 12), judge_lead, lead_id, contact_id, owner_id, source)


def judge_lead(world: World, rng: Random, at: int, lead_id: str, contact_id: str, owner_id: str, source: str) -> None:
    """Qualified into a deal, or not."""
    lead, contact, owner = world.alive("leads", lead_id), world.alive("contacts", contact_id), world.owner(owner_id)
    if lead is None or contact is None or owner is None or owner.archived_at is not None:
        return
    user = owner.user_id
    if rng.random() < 0.35:
        reason = rng.choice(("No fit", "Student", "No answer"))
        values = {"hs_pipeline_stage": "unqualified-stage-id", "hs_lead_disqualification_reason": reason}
        world.store.change(lead, at, values, user=user)
        world.store.change(contact, at, {"hs_lead_status": "UNQUALIFIED"}, user=user)
        return
    activities.meeting(world, rng, at, owner, contact, None)
    world.store.change(lead, at + 60_000, {"hs_pipeline_stage": "qualified-stage-id"}, user=user)
    world.store.change(contact, at, {"lifecyclestage": "salesqualifiedlead", "hs_lead_status": "CONNECTED"}, user=user)
    deal = deals.open_deal(world, rng, at + 120_000, owner, contact, source)
    if deal is not None:
        world.store.link(lead, deal, at + 120_000)
