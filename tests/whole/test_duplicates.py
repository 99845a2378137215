"""From the CRM to the worklist: a join is undone without loss, a pair in doubt waits until it is ruled on."""

from __future__ import annotations

import copy
from datetime import timedelta

import pytest

from analysis.matching.engine import words
from tests.whole.companies import BEGIN, basic
from tests.whole.project import AS_OF, LATER, Company

FIRMS = {"Alfa": "Lindqvist", "Bravo": "Bergstrand", "Citron": "Sandholm", "Dundee": "Ekgren"}
NIGHTS = [BEGIN + timedelta(days=40), AS_OF, LATER]
OWN = "email, phone, full_name, title, company_key"


def contact(id: str) -> str:
    return f"hubspot:contact:{id}"


def firms() -> Company:
    """At every firm: a contact, a copy of it that an import made, and somebody else (?) at the same mailbox."""
    company = basic()
    for number, (firm, last) in enumerate(FIRMS.items()):
        link = [("companies", f"c{number}", "Primary")]
        address, phone = f"mikael.{last.lower()}@{firm.lower()}.se", f"+46 70 123 45 6{number}"
        company.add("companies", f"c{number}", BEGIN, name=f"{firm} AB", domain=f"{firm.lower()}.se")
        shared = {"lastname": last, "phone": phone, "jobtitle": "CFO"}
        for day, (id, first, email) in enumerate(
            (
                (f"first{number}", "Mikael", address),
                (f"copy{number}", "Micke", address.replace("@", "+crm@")),
                (f"doubt{number}", "Malin", address),
            )
        ):
            company.add(
                "contacts", id, BEGIN + timedelta(days=day), link, firstname=first, email=email,
                hs_object_source="IMPORT", **shared,
            )  # fmt: skip
    return company


def ruled(company: Company, *lines: tuple[str, str, str]) -> Company:
    told = copy.deepcopy(company)
    for left, right, ruling in lines:
        fields = {
            "left_record": contact(left),
            "right_record": contact(right),
            "ruling": ruling,
            "ruled_by": "Eva",
            "ruled_at": "2026-06-01",
            "reason": None,
        }
        told.sheets.append(("rulings", f"{left} {right}", BEGIN + timedelta(days=41), fields))
    return told


@pytest.fixture(scope="module")
def before(project):
    connection = project.build(firms(), NIGHTS)
    yield lambda sql: connection.execute(sql).fetchall()
    connection.close()


@pytest.fixture(scope="module")
def after(project):
    """The first firm's pair in doubt is one, the second's is two, the third's is one human twice; a copy is none."""
    lines = (
        ("first0", "doubt0", "same"),
        ("first1", "doubt1", "different"),
        ("first2", "doubt2", "keep_apart"),
        ("first3", "copy3", "different"),
    )
    connection = project.build(ruled(firms(), *lines), NIGHTS)
    assert project.failures(connection) == {}
    yield lambda sql: connection.execute(sql).fetchall()
    connection.close()


def listed(ask) -> dict[frozenset[str], str]:
    rows = ask("select record_key, into_record_key, action from marts.kpi.duplicate_worklist where thing = 'contact'")
    assert len({frozenset(pair) for *pair, _ in rows}) == len(rows)
    return {frozenset(key.removeprefix("hubspot:contact:") for key in pair): action for *pair, action in rows}


def keys(ask, number: int, column: str = "contact_key") -> list[str]:
    """Of the contact, of its copy, of the one in doubt."""
    sql = f"select contact_id, {column} from marts.pipeline.contact_identities where contact_id like '%{number}'"
    found = dict(ask(sql))
    return [found[f"{id}{number}"].removeprefix("hubspot:contact:") for id in ("first", "copy", "doubt")]


def test_a_pair_in_doubt_waits_on_the_worklist_with_its_reason(before):
    found = listed(before)
    for number in range(len(FIRMS)):
        assert found[frozenset((f"first{number}", f"copy{number}"))] == "merge"
        assert found[frozenset((f"first{number}", f"doubt{number}"))] == "rule"
        assert keys(before, number) == [f"first{number}", f"first{number}", f"doubt{number}"]
    said = before("select distinct split_part(explanation, '; held back: ', 2) from marts.kpi.duplicate_worklist"
                  " where action = 'rule'")  # fmt: skip
    assert said == [("a mailbox that changed hands?",)]


def test_ruled_the_same_it_is_joined_and_to_be_merged(after):
    assert listed(after)[frozenset(("first0", "doubt0"))] == "merge"
    assert keys(after, 0) == ["first0", "first0", "first0"]
    assert after("select ruling, is_joined from marts.pipeline.contact_pairs where right_id = 'first0'"
                 " and left_id = 'doubt0'") == [("same", True)]  # fmt: skip


@pytest.mark.parametrize(("number", "person"), [(1, "doubt1"), (2, "first2")])
def test_ruled_different_or_apart_it_leaves_the_list_and_stays_two(after, number, person):
    assert not any({f"first{number}", f"doubt{number}"} <= pair for pair in listed(after))
    assert keys(after, number) == [f"first{number}", f"first{number}", f"doubt{number}"]
    assert keys(after, number, "person_key")[2] == person


def test_what_is_ruled_was_ruled_by_the_sheet(after):
    found = after("select left_record, right_record, ruling, state, ruled_by from marts.pipeline.match_rulings")
    assert {row[2:] for row in found} == {(ruling, "in force", "Eva") for ruling in ("same", "different", "keep_apart")}
    assert len(found) == 4


@pytest.mark.parametrize("seed", ["free_mail_domains", "role_mailboxes"])
def test_matching_and_marts_know_the_same_mailboxes(before, seed):
    assert [word for (word,) in before(f"from warehouse.staging.{seed}")] == words(seed)


def test_the_crosswalk_leads_back_to_every_source_row_once(before):
    source = "select contact_id from warehouse.staging.stg_hubspot__contacts"
    crosswalk = "select contact_id from marts.pipeline.contact_identities where source = 'hubspot'"
    assert before(f"({source} except all {crosswalk}) union all ({crosswalk} except all {source})") == []
    known = "select source || ':contact:' || contact_id from marts.pipeline.contact_identities"
    assert before(f"select contact_key from marts.pipeline.contact_identities where contact_key not in ({known})") == []


def test_what_the_engine_joined_hangs_together_by_the_published_pairs_alone(before):
    """Without a pair of them, there is no join: each can be looked up, and taken back."""
    edges = before("select left_id, right_id from marts.pipeline.contact_pairs where is_joined")
    group = {id: {id} for (id,) in before("select contact_id from marts.pipeline.contact_identities")}
    for left, right in edges:
        together = group[left] | group[right]
        for id in together:
            group[id] = together
    crosswalk = before("select list(contact_id) from marts.pipeline.contact_identities group by contact_key")
    assert {frozenset(ids) for (ids,) in crosswalk} == {frozenset(ids) for ids in group.values()}
    assert len(crosswalk) < len(group)


def test_a_join_undone_gives_back_the_rows_as_they_came(project, after, before):
    """A copy ruled different has every value of its own again, as if nobody had ever joined it."""
    assert keys(before, 3) == ["first3", "first3", "doubt3"]
    assert keys(after, 3) == ["first3", "copy3", "doubt3"]
    alone = firms()
    del alone.records["contacts", "first3"], alone.records["contacts", "doubt3"]
    never_joined = project.build(alone, NIGHTS)
    sql = f"select {OWN}, source_ids from {{}}.pipeline.contacts where contact_key = '{contact('copy3')}'"
    assert after(sql.format("marts")) == never_joined.execute(sql.format("marts")).fetchall()
    never_joined.close()
