"""What each CRM does to a write-back on a bad day, and several CRMs in one plan."""

from __future__ import annotations

import pytest

from salesops import writeback
from salesops.config import Settings
from sandbox.servers import pipedrive_fields
from tests.unit.salesops.crm_practice import PRACTICES, served
from tests.unit.salesops.test_writeback import MINING, NOW, Company, apply, edit


@pytest.fixture
def org(tmp_path):
    with served("salesforce") as server:
        company, writer = Company("salesforce", server, tmp_path), PRACTICES["salesforce"].writer(server)
        company.plan()
        yield company, writer
        writer.close()


def sent(company: Company, method: str) -> list[int]:
    return [call["status"] for call in company.portal.calls if call["method"] == method]


def test_a_session_that_expires_before_a_write_is_renewed(org):
    company, writer = org
    company.portal.set_faults(["session_expired:sobjects/Account/@1"])
    assert apply(company, writer)["filled"] == 3
    assert sent(company, "PATCH") == [401, 204, 204]


def test_a_record_that_is_locked_is_asked_for_again(org):
    company, writer = org
    company.portal.set_faults(["row_locked:sobjects/Account/@1x2"])
    assert apply(company, writer)["filled"] == 3
    assert sent(company, "PATCH") == [400, 400, 204, 204]


@pytest.mark.parametrize("fault", ["validation_rule", "duplicates_detected"])
def test_what_a_rule_of_the_org_refuses_is_said_and_the_others_are_filled(org, fault):
    company, writer = org
    company.portal.set_faults([f"{fault}:sobjects/Account/@1"])
    outcome = writeback.apply(
        Settings(), {"salesforce": writer}, company.folder / "plan.xlsx", company.folder / "u", lambda text: None, NOW
    )
    assert (outcome.counts["filled"], outcome.counts["refused by the CRM"]) == (1, 2)
    assert any("Fields, row 2" in said and fault.upper()[:9] in said.upper() for said in outcome.problems)
    assert (company.now(0)["industry"], company.now(1)["domain"]) == ("", "norsk.no")


def test_when_the_days_requests_are_used_up_the_rest_waits_and_says_so(org):
    company, writer = org
    edit(company.folder / "plan.xlsx", "Merge tasks", 2, Do="yes")
    company.portal.set_faults(["request_limit:sobjects/Account/@2"])
    assert apply(company, writer) == {"filled": 2, "not sent": 2, "refused": 1}
    assert sent(company, "PATCH") == [204, 403]
    company.portal.set_faults([])
    assert apply(company, writer, "again.jsonl") == {"already there": 2, "filled": 1, "tasks created": 1, "refused": 1}


def test_the_share_of_the_days_requests_holds_for_writes_too(org):
    company, writer = org
    writer.owners("contacts", company.contact_ids)
    company.portal.used = 80_000  # of 100,000
    assert apply(company, writer)["not sent"] == 3
    assert sent(company, "PATCH") == []


def test_a_field_that_nobody_may_write_stops_all_before_anything_is_sent(org):
    company, writer = org
    fields = {"company_fields": {"domain": "LastActivityDate"}}
    settings = Settings.model_validate({"writeback": {"enabled": True, "salesforce": fields}})
    with pytest.raises(writeback.PlanError, match="no property LastActivityDate"):
        writeback.apply(
            settings, {"salesforce": writer}, company.folder / "plan.xlsx", company.folder / "u", lambda text: None, NOW
        )
    assert sent(company, "PATCH") == []


@pytest.mark.parametrize(("name", "field"), [("hubspot", "segment"), ("salesforce", "Segment__c")])
def test_a_field_with_choices_takes_its_own_words_only(name, field, tmp_path):
    settings = Settings.model_validate({"writeback": {name: {"company_fields": {"industry": field}}}})
    with served(name) as server:
        company, writer = Company(name, server, tmp_path), PRACTICES[name].writer(server)
        plan = company.plan()
        company.type(0, segment=None)
        said = writeback.apply(settings, {name: writer}, plan, tmp_path / "1", lambda text: None, NOW)
        assert any(f"row 2: {field} takes a choice such as Enterprise" in problem for problem in said.problems)
        edit(plan, "Fields", 2, New_value="smb")
        writeback.apply(settings, {name: writer}, plan, tmp_path / "2", lambda text: None, NOW)
        assert company.records[0].properties["segment"] == "SMB"
        writer.close()


def test_a_task_for_a_seller_who_left_is_made_without_an_owner(org):
    company, writer = org
    edit(company.folder / "plan.xlsx", "Merge tasks", 2, Do="yes")
    owners = {contact.properties["hubspot_owner_id"] for contact in company.contacts}
    for owner in company.portal.world.owners:
        if owner.id in owners:
            owner.archived_at = company.portal.world.now
            owner.updated_at += 1_000
    assert apply(company, writer)["tasks created"] == 1
    assert company.tasks()[0].properties["hubspot_owner_id"] is None
    assert writer._client.budget.used == company.portal.used  # the one request that is sent once counts too


@pytest.fixture
def account(tmp_path):
    with served("pipedrive") as server:
        company, writer = Company("pipedrive", server, tmp_path), PRACTICES["pipedrive"].writer(server)
        company.plan()
        yield company, writer
        writer.close()


def test_an_option_that_the_account_does_not_have_is_refused_by_name(account):
    company, writer = account
    edit(company.folder / "plan.xlsx", "Fields", 2, New_value="Steel")
    outcome = writeback.apply(
        Settings(), {"pipedrive": writer}, company.folder / "plan.xlsx", company.folder / "u", lambda text: None, NOW
    )
    assert any("row 2: Industry takes a choice such as COMPUTER_SOFTWARE" in said for said in outcome.problems)
    assert (company.now(0)["industry"], company.now(0)["numberofemployees"]) == ("", "1200")


def test_the_tokens_that_others_need_are_left_to_them(account):
    company, writer = account
    company.portal.tokens_left = company.portal.daily_tokens // 4  # what the reader keeps back
    assert apply(company, writer) == {"not sent": 3, "refused": 1}
    assert sent(company, "PATCH") == []


def test_a_day_without_tokens_ends_the_writing_and_what_was_filled_stays(account):
    company, writer = account
    company.portal.set_faults(["rate_limit_daily:organizations/@2"])
    assert apply(company, writer) == {"filled": 2, "not sent": 1, "refused": 1}
    assert sent(company, "PATCH") == [200, 429]
    company.portal.set_faults([])
    assert apply(company, writer, "again.jsonl") == {"already there": 2, "filled": 1, "refused": 1}


def test_too_many_requests_in_a_moment_are_waited_for(account):
    company, writer = account
    company.portal.set_faults(["rate_limit:organizations/@1"])
    assert apply(company, writer)["filled"] == 3
    assert sent(company, "PATCH") == [429, 200, 200]


def test_an_organization_that_lists_still_show_as_deleted_is_gone(account):
    company, writer = account
    company.portal.lists_deleted = True
    company.portal.world.store.archive(company.records[0], company.portal.world.stamp())
    assert apply(company, writer) == {"no longer in the CRM": 1, "filled": 1, "refused": 1}


def test_a_name_that_two_fields_bear_is_no_field(account, monkeypatch):
    company, writer = account
    fields, name = pipedrive_fields.CUSTOM["organizations"], "Website"
    monkeypatch.setitem(pipedrive_fields.CUSTOM, "organizations", (*fields, pipedrive_fields.Field(name, "phone")))
    pipedrive_fields.fields_v2.cache_clear()
    with pytest.raises(writeback.PlanError, match="no property Website"):
        apply(company, writer)
    monkeypatch.undo()
    pipedrive_fields.fields_v2.cache_clear()
    assert sent(company, "PATCH") == []


def test_money_is_written_in_the_currency_of_the_account(account):
    company, writer = account
    company.type(0, annualrevenue=None)
    edit(company.folder / "plan.xlsx", "Fields", 2, Field="revenue", New_value="900.50")
    assert apply(company, writer)["filled"] == 3
    assert company.records[0].properties["annualrevenue"] == "900.5"
    undone = writeback.undo({"pipedrive": writer}, company.folder / "undo.jsonl", lambda text: None)
    assert undone.counts == {"emptied again": 3}


@pytest.mark.parametrize("name", PRACTICES)
def test_two_companies_become_a_task_on_the_one_that_is_kept(name, tmp_path):
    with served(name) as server:
        company, writer = Company(name, server, tmp_path), PRACTICES[name].writer(server)
        edit(company.plan(), "Merge tasks", 2, Do="yes", Record=company.key(0), Other_record=company.key(1))
        assert apply(company, writer)["tasks created"] == 1
        (task,) = company.tasks()
        assert company.records[1].id in server.world.store.links[("tasks", "companies")][task.id]
        assert apply(company, writer, "again.jsonl")["already there"] == 4
        undone = writeback.undo({name: writer}, tmp_path / "undo.jsonl", lambda text: None)
        assert (undone.counts["tasks removed"], company.tasks()) == (1, [])
        writer.close()


def test_one_plan_serves_several_crms_and_one_undo_file_takes_all_back(tmp_path):
    with served("hubspot") as portal, served("pipedrive") as account:
        companies = [Company("hubspot", portal, tmp_path), Company("pipedrive", account, tmp_path / "account")]
        writers = {one.crm: PRACTICES[one.crm].writer(one.portal) for one in companies}
        assert companies[0].ids[0] == companies[1].ids[0]  # ids of two CRMs collide
        plan, undo = companies[0].plan(), tmp_path / "undo.jsonl"
        edit(plan, "Fields", 4, Record=companies[1].key(0))
        other = f"pipedrive:contact:{companies[1].contact_ids[1]}"
        edit(plan, "Merge tasks", 2, Do="yes", Other_record=other)  # no task can be about records of two CRMs
        done = writeback.apply(Settings(), writers, plan, undo, lambda text: None, NOW)
        assert (done.counts["filled"], done.counts["tasks created"], done.counts["refused"]) == (3, 0, 2)
        assert (companies[0].now(0)["numberofemployees"], companies[1].now(0)["domain"]) == (
            "1200",
            "norsk.no",
        )
        with pytest.raises(writeback.PlanError, match="it is of pipedrive too"):
            writeback.undo({"hubspot": writers["hubspot"]}, undo, lambda text: None)
        companies[0].type(0, industry=MINING)
        assert writeback.undo(writers, undo, lambda text: None).counts == {"emptied again": 2, "changed since, kept": 1}
        assert companies[1].now(0)["domain"] == ""
        for writer in writers.values():
            writer.close()
