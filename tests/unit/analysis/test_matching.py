"""Who is who on a handful of records: what is joined, what is held back, what a ruling changes."""

from __future__ import annotations

import random

import duckdb
import pytest

from analysis.matching import ContradictoryRulings, Weights, resolve

CONTACT = (
    "record_key source created_at updated_at first_name last_name email phone company_name company_record_key title"
    " city country"
)
COMPANY = "record_key source created_at name domain legal_id country city phone"
BASE_CONTACT = dict.fromkeys(CONTACT.split()) | {"source": "crm", "created_at": "2030-01-01 00:00:00+00"}
BASE_COMPANY = dict.fromkeys(COMPANY.split()) | {"source": "crm", "created_at": "2030-01-01 00:00:00+00"}


def load(connection, name, columns, base, rows):
    typed = ", ".join(
        f"{column} {'timestamptz' if column.endswith('_at') else 'varchar'}" for column in columns.split()
    )
    connection.execute(f"create or replace temp table {name} ({typed})")
    if rows:
        values = [list((base | row).values()) for row in rows]
        marks = ", ".join("(" + ", ".join("?" * len(values[0])) + ")" for _ in values)
        connection.execute(f"insert into {name} values {marks}", [value for row in values for value in row])


def crowd(count=300):
    """People who have nothing to do with the case, so that names have a frequency."""
    draw = random.Random(5)
    firsts = "Anna Eva Lars Mikael Karin Per Jan Sara Olle Nils Britta Hedvig Tor Liv Agnes".split()
    lasts = [
        a + b for a in "Lind Berg Sand Ek Gran Nord Hag Alm Ros Sten".split() for b in "qvist ström holm gren".split()
    ]
    return [
        {
            "record_key": f"crowd:{n}",
            "first_name": draw.choice(firsts),
            "last_name": draw.choice(lasts),
            "email": f"p{n}@crowd{n}.test",
        }
        for n in range(count)
    ]


def matched(contacts, companies=(), rulings=(), weights=None):
    connection = duckdb.connect()
    load(connection, "contacts", CONTACT, BASE_CONTACT, [*contacts, *crowd()])
    load(connection, "companies", COMPANY, BASE_COMPANY, list(companies))
    connection.execute("create temp table rulings (left_key varchar, right_key varchar, ruling varchar)")
    if rulings:
        connection.executemany("insert into rulings values (?, ?, ?)", rulings)
    report = resolve(
        connection, contacts="contacts", companies="companies", rulings="rulings", into="m", weights=weights
    )
    return connection, report


def clusters(connection, column="cluster_key", table="m_contact_clusters"):
    rows = connection.execute(
        f"select record_key, {column} from {table} where not starts_with(record_key, 'crowd')"
    ).fetchall()
    groups: dict[str, set[str]] = {}
    for record, key in rows:
        groups.setdefault(key, set()).add(record)
    return sorted(sorted(group) for group in groups.values())


MICKE = {
    "record_key": "a",
    "first_name": "Mikael",
    "last_name": "Öhrnström",
    "email": "mikael.ohrnstrom@acme.se",
    "phone": "+46 70 123 45 67",
    "company_name": "Acme AB",
}
SAME_AS_MICKE = {
    "nickname and plus part": {"first_name": "Micke", "email": "Mikael.Ohrnstrom+crm@acme.se"},
    "names in one field": {"first_name": "Öhrnström, Mikael", "last_name": None},
    "transliterated": {"last_name": "Oehrnstroem", "phone": "070-123 45 67"},
    "broken letters": {"last_name": "Ã–hrnstrÃ¶m"},
    "names turned": {"first_name": "Öhrnström", "last_name": "Mikael"},
    "typing error, no mailbox": {"last_name": "Öhrnstöm", "email": None, "phone": "0046701234567"},
    "wrapped address": {"email": "<mailto:mikael.ohrnstrom@ACME.se>;", "phone": None},
}


FIRMS = "Alfa Bravo Citron Dundee Eiger Fjord Gamma Hotell".split()


def cases(changes):
    """Every case at a firm of its own, in one run: people of one name at other firms are in the way of each other."""
    records = []
    for firm, (name, change) in zip(FIRMS, changes.items(), strict=False):
        base = MICKE | {"company_name": f"{firm} AB"}
        for key, record in (("a", base), ("b", base | {"created_at": "2031-01-01 00:00:00+00"} | change)):
            digit = str(FIRMS.index(firm))
            email = record["email"] and record["email"].replace("acme", firm.lower()).replace("ACME", firm.upper())
            phone = record["phone"] and record["phone"].replace("4567", "456" + digit).replace("45 67", "45 6" + digit)
            records.append(record | {"record_key": f"{name}:{key}", "email": email, "phone": phone})
    return records


@pytest.fixture(scope="module")
def same():
    return matched(cases(SAME_AS_MICKE))[0]


@pytest.mark.parametrize("case", SAME_AS_MICKE)
def test_one_person_at_one_employer_is_one_cluster(same, case):
    assert [f"{case}:a", f"{case}:b"] in clusters(same)
    score, points, band = same.execute(
        "select merge_score, points_email + points_phone + points_first_name + points_last_name + points_company"
        " + points_title + points_city + points_namesakes + points_cross, band from m_contact_pairs"
        " where left_key = $1 || ':a' and right_key = $1 || ':b'",
        [case],
    ).fetchall()[0]
    assert (band, score) == ("automatic", pytest.approx(points))


def test_the_cluster_is_named_after_its_oldest_record():
    connection, _ = matched(
        [MICKE | {"record_key": "z"}, MICKE | {"record_key": "b", "created_at": "2031-01-01 00:00:00+00"}]
    )
    keys = connection.execute(
        "select distinct cluster_key from m_contact_clusters where record_key in ('z', 'b')"
    ).fetchall()
    assert keys == [("z",)]


NOT_MICKE = {
    "only the names": {"email": "mikael@other.no", "phone": None, "company_name": "Other AS"},
    "another first name on a mailbox handed on": {"first_name": "Hedvig", "phone": None},
    "son in the firm": {"email": "mikael.ohrnstrom2@acme.se", "phone": "+46 73 999 88 77"},
    "numbered address, all else the same": {"email": "mikael.ohrnstrom2@acme.se"},
    "role on his telephone": {"first_name": "Info", "last_name": None, "email": "info@acme.se"},
}


@pytest.fixture(scope="module")
def others():
    return matched(cases(NOT_MICKE))[0]


@pytest.mark.parametrize("case", NOT_MICKE)
def test_what_is_not_surely_one_person_is_never_joined(others, case):
    assert [[f"{case}:a"], [f"{case}:b"]] == [group for group in clusters(others) if group[0].startswith(case)]


HELD = {
    "only the names": "only the names agree",
    "another first name on a mailbox handed on": "a mailbox that changed hands?",
    "son in the firm": "a namesake at the company?",
    "numbered address, all else the same": "a namesake at the company?",
    "role on his telephone": "a person and a role",
}


@pytest.fixture(scope="module")
def gullible():
    """Points that would join whatever is compared."""
    weights = Weights("", "", merge={}, person={}, company={}, merge_start=5.0, person_start=-9.0, company_start=-9.0)
    return matched(cases(NOT_MICKE), weights=weights)[0]


@pytest.mark.parametrize(("case", "reason"), HELD.items())
def test_what_is_never_automatic_waits_for_a_person_whatever_its_points(gullible, case, reason):
    found = gullible.execute(
        "select band, refusal from m_contact_pairs where left_key = $1 || ':a' and right_key = $1 || ':b'", [case]
    ).fetchall()
    assert found == [("review", reason)]


def test_a_new_employer_links_the_person_and_merges_nothing():
    moved = MICKE | {"record_key": "b", "email": "mikael.ohrnstrom@beta.se", "company_name": "Beta Konsult AB"}
    connection, _ = matched([MICKE, moved])
    assert clusters(connection) == [["a"], ["b"]]
    assert clusters(connection, "person_key") == [["a", "b"]]


@pytest.mark.parametrize("keys", ["abc", "cab", "bca"])
def test_age_decides_between_equals_and_never_the_key(keys):
    """Two addresses at one firm and a record that fits either: it goes to the older one, whatever the keys."""
    old, young, either = keys
    between = MICKE | {"email": None, "phone": None}
    connection, _ = matched(
        [
            between | {"record_key": old, "email": "mikael@acme.se", "created_at": "2029-01-01 00:00:00+00"},
            between | {"record_key": young, "email": "ohrnis@acme.se", "created_at": "2030-01-01 00:00:00+00"},
            between | {"record_key": either, "created_at": "2031-01-01 00:00:00+00"},
        ]
    )
    assert sorted([sorted([old, either]), [young]]) == clusters(connection)


APART = MICKE | {"record_key": "b"}


@pytest.mark.parametrize(("ruling", "persons"), [("different", [["a"], ["b"]]), ("keep_apart", [["a", "b"]])])
def test_a_ruling_keeps_two_apart(ruling, persons):
    connection, _ = matched([MICKE, APART], rulings=[("b", "a", ruling)])
    assert clusters(connection) == [["a"], ["b"]]
    assert clusters(connection, "person_key") == persons
    found = connection.execute(
        "select is_joined, ruling, refusal from m_contact_pairs where left_key = 'a' and right_key = 'b'"
    ).fetchall()
    assert found == [(False, ruling, f"ruled: {ruling}")]


def test_a_third_record_does_not_bring_together_what_is_ruled_apart():
    connection, _ = matched([MICKE, APART, MICKE | {"record_key": "c"}], rulings=[("a", "b", "different")])
    assert not any({"a", "b"} <= set(group) for group in clusters(connection))
    assert any("c" in group and len(group) == 2 for group in clusters(connection))


def test_a_ruling_joins_what_no_key_compares():
    other = {"record_key": "b", "first_name": "Zacharias", "last_name": "Qvarnlöf"}
    connection, _ = matched([MICKE, other], rulings=[("a", "b", "same")])
    assert clusters(connection) == [["a", "b"]]


def test_contradictory_rulings_name_all_three():
    with pytest.raises(ContradictoryRulings, match="a = b = c"):
        matched([MICKE, APART], rulings=[("a", "b", "same"), ("c", "b", "same"), ("a", "c", "different")])


def test_companies_come_together_by_name_and_domain_and_not_by_a_group_name():
    companies = [
        {"record_key": "1", "name": "Nordvik Bygg AB", "domain": "https://www.nordvikbygg.se/", "city": "Lund"},
        {"record_key": "2", "name": "nordvik bygg", "domain": "NORDVIKBYGG.se", "city": "Lund"},
        {"record_key": "3", "name": "Nordvik Logistik AB", "domain": "nordviklogistik.se", "city": "Lund"},
        {"record_key": "4", "name": "Nordvik Bygg Aktiebolag", "legal_id": "556677-8899", "domain": "nordvikbygg.se"},
        {"record_key": "5", "name": "Nordvik Bygg AB", "legal_id": "5566778899", "domain": "nordvikbygg.se"},
    ]
    connection, report = matched([], companies)
    assert clusters(connection, table="m_company_clusters") == [["1", "2", "4", "5"], ["3"]]
    assert report.company_count == 5


def test_a_domain_is_one_however_its_letters_are_spelled():
    """Åäö as they are written, and in the code that registries and mail programs make of them."""
    person = {"first_name": "Åsa", "last_name": "Björkqvist", "company_name": None, "phone": None}
    companies = [
        {"record_key": "1", "name": "Räksmörgås AB", "domain": "www.räksmörgås.se"},
        {"record_key": "2", "name": "Räksmörgås", "domain": "https://xn--rksmrgs-5wao1o.se/"},
        {"record_key": "3", "name": "Something else", "domain": "xn--a-ecp.se"},  # of no letters at all
    ]
    connection, _ = matched(
        [
            person | {"record_key": "a", "email": "asa@räksmörgås.se"},
            person | {"record_key": "b", "email": "Asa@XN--RKSMRGS-5wao1o.se", "company_record_key": "2"},
        ],
        companies,
    )
    assert clusters(connection) == [["a", "b"]]
    assert (
        "same mailbox"
        in connection.execute("select explanation from m_contact_pairs where left_key = 'a'").fetchall()[0][0]
    )
    assert clusters(connection, table="m_company_clusters") == [["1", "2"], ["3"]]


def test_nothing_but_the_results_stays_behind():
    connection, _ = matched([MICKE])
    left = {name for (name,) in connection.execute("select table_name from duckdb_tables()").fetchall()}
    results = {"m_company_clusters", "m_company_pairs", "m_contact_clusters", "m_contact_pairs", "m_uncompared"}
    assert left == {"contacts", "companies", "rulings"} | results
    assert not connection.execute(
        "select function_name from duckdb_functions() where starts_with(function_name, 'match_')"
    ).fetchall()


def test_nobody_is_no_error():
    connection = duckdb.connect()
    load(connection, "contacts", CONTACT, BASE_CONTACT, [])
    load(connection, "companies", COMPANY, BASE_COMPANY, [])
    report = resolve(connection, contacts="contacts", companies="companies", into="m")
    assert (report.contact_count, report.company_count, report.pair_count) == (0, 0, 0)
    assert connection.execute("select count(*) from m_contact_pairs").fetchall() == [(0,)]


def test_a_second_telephone_counts():
    connection = duckdb.connect()
    rows = [MICKE | {"email": None, "phone": "08-111 22 33"}, MICKE | {"record_key": "b", "email": None}]
    load(connection, "contacts", CONTACT, BASE_CONTACT, [*rows, *crowd()])
    load(connection, "companies", COMPANY, BASE_COMPANY, [])
    connection.execute("alter table contacts add column mobile_phone varchar")
    connection.execute("update contacts set mobile_phone = '0701234567' where record_key = 'a'")
    resolve(connection, contacts="contacts", companies="companies", into="m")
    assert clusters(connection) == [["a", "b"]]
    assert "same phone" in connection.execute("select explanation from m_contact_pairs").fetchall()[0][0]


def test_the_home_country_is_where_a_code_without_a_plus_belongs():
    for country, joined in (("SE", [["a", "b"]]), ("NO", [["a"], ["b"]])):
        connection = duckdb.connect()
        other = MICKE | {"record_key": "b", "email": None, "phone": "46701234567", "company_name": None}
        load(connection, "contacts", CONTACT, BASE_CONTACT, [MICKE, other, *crowd()])
        load(connection, "companies", COMPANY, BASE_COMPANY, [])
        resolve(connection, contacts="contacts", companies="companies", into="m", country=country)
        assert clusters(connection) == joined
