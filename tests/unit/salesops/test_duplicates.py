"""The duplicate gate: what is one person, what is nobody's duplicate, what is new since the accepted state."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import duckdb
import pytest

from ingestion import landing
from salesops import duplicates
from salesops.config import DUPLICATES_DEFAULTS

NOW = datetime(2026, 3, 31, 1, 15, tzinfo=UTC)
RULES = dict.fromkeys(("hubspot", "salesforce", "pipedrive"), DUPLICATES_DEFAULTS)


@pytest.fixture
def raw():
    with duckdb.connect() as connection:
        landing.prepare(connection)
        yield connection


def contact(raw, record_id: int, *, deleted: bool = False, version: int = 1, **properties: str) -> None:
    at = NOW.replace(minute=version)
    payload = json.dumps({"id": str(record_id), "properties": properties})
    values = [str(record_id), at, deleted, payload, str(version), version, at]
    raw.execute("insert into raw.hubspot__contacts values (?, ?, ?, ?, ?, ?, ?)", values)


def works_at(raw, record_id: int, company: int) -> None:
    columns = [name for name, *_ in raw.execute("describe raw.hubspot__contacts_companies_links").fetchall()]
    known = {"from_id": str(record_id), "to_id": str(company), "type_id": "1", "is_deleted": False, "batch_id": 1}
    values = [known.get(name, NOW if name.endswith("_at") else "x") for name in columns]
    places = ", ".join("?" * len(columns))
    raw.execute(f"insert into raw.hubspot__contacts_companies_links values ({places})", values)


def groups(raw) -> list[list[str]]:
    return [group.record_ids for group in duplicates.find_groups(raw, "SE")]


def judge(raw) -> duplicates.Verdict:
    return duplicates.judge(raw, DUPLICATES_DEFAULTS, "SE")


def test_the_same_mail_in_another_spelling_is_one_person(raw):
    contact(raw, 1, email="Anna.Berg@Firma.se ")
    contact(raw, 2, email="anna.berg@firma.se")
    contact(raw, 3, email="anna.bergh@firma.se")
    assert groups(raw) == [["1", "2"]]


@pytest.mark.parametrize("mailbox", ["info@firma.se", "No-Reply@firma.se", "order2@firma.se", "sales+fair@firma.se"])
def test_a_shared_mailbox_is_nobodys_duplicate(raw, mailbox):
    contact(raw, 1, email=mailbox)
    contact(raw, 2, email=mailbox.upper())
    assert groups(raw) == []


@pytest.mark.parametrize("other", ["+46 70 123 45 67", "0046701234567", "070-123 45 67"])
def test_the_same_phone_and_name_is_one_person(raw, other):
    contact(raw, 1, phone="+46701234567", firstname="Åsa", lastname="Öberg")
    contact(raw, 2, mobilephone=other, firstname="asa", lastname="OBERG")
    assert groups(raw) == [["1", "2"]]


def test_a_switchboard_with_other_names_is_nobodys_duplicate(raw):
    contact(raw, 1, phone="+4681234567", firstname="Åsa", lastname="Öberg")
    contact(raw, 2, phone="+4681234567", firstname="Lars", lastname="Ek")
    assert groups(raw) == []


def test_deleted_contacts_and_old_versions_do_not_count(raw):
    contact(raw, 1, email="a@firma.se")
    contact(raw, 2, email="a@firma.se")
    contact(raw, 2, email="a@firma.se", deleted=True, version=2)
    contact(raw, 3, email="a@firma.se")
    contact(raw, 3, email="b@firma.se", version=2)
    assert groups(raw) == []


def test_without_an_accepted_state_everything_is_inherited(raw):
    for number in range(60):
        contact(raw, number, email=f"a{number // 2}@firma.se")
    verdict = judge(raw)
    assert verdict.passed and not verdict.has_baseline and verdict.group_count == 30


def accepted(raw) -> None:
    duplicates.accept(raw, duplicates.find_groups(raw, "SE"), "test", NOW)


def test_new_groups_up_to_the_rule_pass_and_one_more_does_not(raw):
    contact(raw, 9999, email="alone@firma.se")
    accepted(raw)
    for number in range(20):
        contact(raw, number, email=f"a{number // 2}@firma.se")
    assert judge(raw).passed and len(judge(raw).new) == 10
    contact(raw, 20, email="a10@firma.se")
    contact(raw, 21, email="a10@firma.se")
    verdict = judge(raw)
    assert not verdict.passed and "11 new groups" in verdict.reason


def test_an_accepted_group_that_grows_is_new_again(raw):
    contact(raw, 1, email="a@firma.se")
    contact(raw, 2, email="a@firma.se")
    accepted(raw)
    assert judge(raw).new == []
    contact(raw, 3, email="a@firma.se")
    assert [group.record_ids for group in judge(raw).new] == [["1", "2", "3"]]


def test_one_new_shared_mail_inside_one_company_is_refused(raw):
    accepted(raw)
    contact(raw, 1, email="a@firma.se")
    contact(raw, 2, email="a@firma.se")
    works_at(raw, 1, 77)
    works_at(raw, 2, 78)
    assert judge(raw).passed, "two employers: perhaps one person, but nobody is hurt yet"
    works_at(raw, 2, 77)
    verdict = judge(raw)
    assert not verdict.passed and "shared inside one company" in verdict.reason


def test_accepting_replaces_the_state_and_keeps_the_note(raw):
    contact(raw, 1, email="a@firma.se")
    contact(raw, 2, email="a@firma.se")
    accepted(raw)
    duplicates.accept(raw, [], "all merged", NOW)
    assert raw.execute("select distinct note from raw.duplicate_baseline").fetchall() == [("all merged",)]
    assert len(judge(raw).new) == 1


def test_contacts_that_were_never_read_make_no_accepted_state(raw):
    assert not duplicates.read_from(raw)
    raw.execute(
        "insert into raw.sync_state (source, object, state, last_success_at) values ('hubspot', 'contacts', 'ok', ?)",
        [NOW],
    )
    assert duplicates.read_from(raw) == {"hubspot"}


def joined(raw, *pairs: tuple[int, int]) -> None:
    """What a build leaves: the records and the pairs that the engine joined."""
    raw.execute("create schema if not exists matching")
    raw.execute(
        """create or replace table matching.int_matching__contact_records as
           select 'hubspot:contact:' || id as record_key, 'FORM' as entry_channel, '7' as owner_id,
               timestamptz '2026-01-01 00:00:00+00' + to_days(cast(id as integer)) as created_at,
               null::timestamptz as known_from
           from range(100) as t(id)"""
    )
    raw.execute(
        "create or replace table matching.int_matching__contacts as from matching.int_matching__contact_records"
    )
    raw.execute(
        """create or replace table matching.int_matching__contact_pairs
           (left_key varchar, right_key varchar, explanation varchar, is_joined boolean, ruling varchar)"""
    )
    for left, right in pairs:
        keys = [f"hubspot:contact:{left}", f"hubspot:contact:{right}"]
        raw.execute("insert into matching.int_matching__contact_pairs values (?, ?, 'same mailbox', true, null)", keys)


def test_new_joined_records_are_counted_once_each_and_refused_beyond_the_rule(raw):
    joined(raw, (1, 2))
    accepted(raw)
    assert duplicates.judge_pairs(raw, RULES).new == []
    joined(raw, (1, 2), (1, 3), (2, 3), *((n, n + 1) for n in range(10, 28, 2)))
    verdict = duplicates.judge_pairs(raw, RULES)
    assert verdict.passed and (len(verdict.new), verdict.record_count) == (11, 10)
    assert {pair.later_key for pair in verdict.new[-2:]} == {"hubspot:contact:3"}
    joined(raw, (1, 2), *((n, n + 1) for n in range(10, 32, 2)))
    assert not duplicates.judge_pairs(raw, RULES).passed


def test_a_state_of_before_there_were_pairs_gets_them_and_keeps_its_groups(raw):
    contact(raw, 1, email="a@firma.se")
    contact(raw, 2, email="a@firma.se")
    accepted(raw)
    raw.execute("delete from raw.duplicate_baseline where group_hash = 'pairs'")
    contact(raw, 3, email="b@firma.se")
    contact(raw, 4, email="b@firma.se")
    joined(raw, (1, 2))
    assert not duplicates.inherit(raw, "SE", NOW)
    assert [group.record_ids for group in judge(raw).new] == [["3", "4"]]
    joined(raw, (1, 2), (3, 4))
    assert [pair.later_key for pair in duplicates.judge_pairs(raw, RULES).new] == ["hubspot:contact:4"]
    raw.execute("delete from raw.duplicate_baseline")
    assert duplicates.inherit(raw, "SE", NOW) and judge(raw).new == []


def landed(raw, source: str, table: str, record_id: str, payload: dict) -> None:
    values = [record_id, NOW, False, json.dumps(payload), record_id, 1, NOW]
    raw.execute(f"insert into raw.{source}__{table} values (?, ?, ?, ?, ?, ?, ?)", values)
    raw.execute(
        "insert or replace into raw.sync_state (source, object, state, last_success_at) values (?, ?, 'ok', ?)",
        [source, table, NOW],
    )


def person(raw, record_id: str, mail: str, org: int = 1, **more) -> None:
    emails = [{"value": "old@firma.se", "primary": False}, {"value": mail, "primary": True}]
    landed(raw, "pipedrive", "persons", record_id, {"emails": emails, "org_id": org, "name": "Åsa Öberg", **more})


def test_contacts_of_every_crm_are_watched_each_among_its_own(raw):
    contact(raw, 1, email="a@firma.se")
    for number, mail in enumerate(["a@firma.se", "A@firma.se", "b@firma.se"]):
        landed(raw, "salesforce", "contacts", f"003{number}", {"Email": mail, "AccountId": "001"})
    person(raw, "1", "c@firma.se", 1)
    person(raw, "2", "C@firma.se", 2)
    mobile = [{"value": "08-1", "primary": True}, {"value": "070-123 45 67", "label": "mobile", "primary": False}]
    person(raw, "3", "d@firma.se", 3, phones=mobile)
    person(raw, "4", "e@firma.se", 3, phones=[{"value": "+46701234567", "primary": True}])
    found = [(g.source, g.kind, g.record_ids, g.is_inside_company) for g in duplicates.find_groups(raw, "SE")]
    assert sorted(found) == [
        ("pipedrive", "email", ["1", "2"], False),
        ("pipedrive", "phone and name", ["3", "4"], False),
        ("salesforce", "email", ["0030", "0031"], True),
    ]


def test_what_a_further_crm_brings_on_its_first_night_is_inherited_and_then_watched(raw):
    contact(raw, 1, email="a@firma.se")
    accepted(raw)
    person(raw, "1", "c@firma.se")
    person(raw, "2", "c@firma.se")
    verdict = duplicates.judge(raw, DUPLICATES_DEFAULTS, "SE", "pipedrive")
    assert verdict.passed and not verdict.has_baseline
    assert not duplicates.inherit(raw, "SE", NOW)
    assert duplicates.judge(raw, DUPLICATES_DEFAULTS, "SE", "pipedrive").new == []
    person(raw, "3", "d@firma.se")
    person(raw, "4", "d@firma.se")
    verdict = duplicates.judge(raw, DUPLICATES_DEFAULTS, "SE", "pipedrive")
    assert [group.record_ids for group in verdict.new] == [["3", "4"]] and not verdict.passed
    contact(raw, 2, email="a@firma.se")
    assert [group.record_ids for group in judge(raw).new] == [["1", "2"]], "HubSpot's were watched all the time"


def test_pairs_with_a_record_of_a_crm_that_is_new_are_inherited(raw):
    accepted(raw)
    joined(raw, (1, 2))
    raw.execute(
        """update matching.int_matching__contact_pairs set left_key = 'pipedrive:contact:1';
           update matching.int_matching__contact_records set record_key = 'pipedrive:contact:1'
           where record_key = 'hubspot:contact:1'"""
    )
    person(raw, "1", "c@firma.se")
    assert duplicates.judge_pairs(raw, RULES).new == []
    assert not duplicates.inherit(raw, "SE", NOW)
    assert duplicates.judge_pairs(raw, RULES).new == []


def test_a_record_that_became_a_copy_is_judged_by_the_rule_of_its_own_crm(raw):
    """The pair's later record is whom it speaks of: HubSpot's limits are nothing to Pipedrive's records."""
    joined(raw, (1, 2))
    accepted(raw)
    person(raw, "1", "c@firma.se")
    duplicates.inherit(raw, "SE", NOW)
    joined(raw, (1, 2), (11, 12), (13, 14))
    raw.execute(
        """update matching.int_matching__contact_pairs set right_key = replace(right_key, 'hubspot', 'pipedrive')
           where left_key like 'hubspot:contact:1_';
           update matching.int_matching__contact_records set record_key = replace(record_key, 'hubspot', 'pipedrive')
           where record_key in ('hubspot:contact:12', 'hubspot:contact:14');
           create or replace table matching.int_matching__contacts as from matching.int_matching__contact_records"""
    )
    strict, lax = (DUPLICATES_DEFAULTS.model_copy(update={"max_new_groups": most}) for most in (1, 2))
    verdict = duplicates.judge_pairs(raw, {"hubspot": strict, "pipedrive": lax})
    assert verdict.passed and verdict.record_count == 2
    assert [part.split(",")[-1] for part in verdict.reason.split(";")] == [" 1 allowed", " 2 allowed"]
    verdict = duplicates.judge_pairs(raw, {"hubspot": lax, "pipedrive": strict})
    assert verdict.broken == ["pipedrive"] and not verdict.passed and verdict.reason.startswith("pipedrive: 2 records")


def test_open_leads_of_salesforce_are_watched_among_their_own_and_one_that_is_a_contact_is_counted(raw):
    landed(raw, "salesforce", "contacts", "0031", {"Email": "Anna@firma.se"})
    landed(raw, "salesforce", "leads", "00Q1", {"Email": "anna@firma.se", "IsConverted": "false"})
    landed(raw, "salesforce", "leads", "00Q2", {"Email": "b@firma.se", "IsConverted": "true"})
    assert groups(raw) == [] and duplicates.leads_of_contacts(raw) == 1
    accepted(raw)
    landed(raw, "salesforce", "leads", "00Q3", {"Email": " B@firma.se"})
    assert groups(raw) == [], "the first one was converted: it is a contact now"
    landed(raw, "salesforce", "leads", "00Q4", {"Email": "b@firma.se"})
    assert duplicates.judge(raw, DUPLICATES_DEFAULTS, "SE", "salesforce").new == []
    verdict = duplicates.judge(raw, DUPLICATES_DEFAULTS, "SE", "salesforce leads")
    assert [(group.source, group.record_ids) for group in verdict.new] == [("salesforce", ["00Q3", "00Q4"])]
    assert duplicates.leads_of_contacts(raw) == 1


def test_an_accepted_state_of_before_leads_were_watched_inherits_theirs(raw):
    landed(raw, "salesforce", "contacts", "0031", {"Email": "a@firma.se"})
    accepted(raw)
    landed(raw, "salesforce", "leads", "00Q1", {"Email": "b@firma.se"})
    landed(raw, "salesforce", "leads", "00Q2", {"Email": "b@firma.se"})
    verdict = duplicates.judge(raw, DUPLICATES_DEFAULTS, "SE", "salesforce leads")
    assert verdict.passed and not verdict.has_baseline
    duplicates.inherit(raw, "SE", NOW)
    verdict = duplicates.judge(raw, DUPLICATES_DEFAULTS, "SE", "salesforce leads")
    assert verdict.has_baseline and verdict.new == [] and verdict.group_count == 1
