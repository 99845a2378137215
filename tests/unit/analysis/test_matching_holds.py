"""What may not change a result, on made-up contacts with a known truth; and what bad input may not cost."""

from __future__ import annotations

import duckdb
import pytest

from analysis.matching import resolve
from analysis.matching.engine import LARGEST_CLUSTER
from bench import matching as bench
from bench import matching_load as load
from bench.matching_load import BAD, PLAIN

SIZE, SEED = "1500", 5


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return bench.generate(SIZE, "default", SEED, tmp_path_factory.mktemp("made"))


@pytest.fixture
def made(directory):
    connection = duckdb.connect()
    for name in ("contacts", "companies", "contact_labels"):
        connection.execute(f"create table {name} as from '{directory / name}.parquet'")
    return connection


def read(connection, key, without=""):
    rows = connection.execute(
        f"select list(record_key order by record_key) from m_contact_clusters where record_key <> '{without}'"
        f" group by {key}"
    ).fetchall()
    return {tuple(row[0]) for row in rows}


def groups(connection, contacts="contacts", companies="companies"):
    resolve(connection, contacts=contacts, companies=companies, into="m")
    return read(connection, "cluster_key")


@pytest.fixture(scope="module")
def before(directory):
    """By the kind of key: the groups of the contacts as they are."""
    connection = duckdb.connect()
    for name in ("contacts", "companies"):
        connection.execute(f"create table {name} as from '{directory / name}.parquet'")
    return {"cluster_key": groups(connection), "person_key": read(connection, "person_key")}


def test_labelled_contacts_are_found_without_false_friends(made):
    groups(made)
    made.execute("create table judged as from m_contact_clusters join contact_labels using (record_key)")
    found = bench.by_pair(made, "judged", "cluster_key", "cluster")
    assert found["precision"] >= 0.98
    assert found["f1"] >= 0.97


def test_a_second_run_is_the_same_to_the_last_point(made):
    groups(made)
    for table in ("contact_clusters", "contact_pairs", "company_clusters", "company_pairs"):
        made.execute(f"create table first_{table} as from m_{table}")
    groups(made)
    for table in ("contact_clusters", "contact_pairs", "company_clusters", "company_pairs"):
        both = (
            f"(from first_{table} except all from m_{table}) union all (from m_{table} except all from first_{table})"
        )
        assert made.execute(both).fetchall() == []


def test_the_order_of_rows_changes_nothing(made, before):
    made.execute("create table turned as from contacts order by hash(record_key || 'x')")
    made.execute("create table turned_companies as from companies order by hash(record_key || 'x')")
    assert groups(made, "turned", "turned_companies") == before["cluster_key"]


def test_a_row_that_comes_twice_changes_nothing(made, before):
    made.execute("create table twice as from contacts union all from contacts")
    assert groups(made, "twice") == before["cluster_key"]


def test_other_keys_give_the_same_groups(made, before):
    made.execute(
        "create table renamed as select * replace ('n' || md5(record_key) as record_key,"
        " 'n' || md5(company_record_key) as company_record_key) from contacts"
    )
    made.execute(
        "create table renamed_companies as select * replace ('n' || md5(record_key) as record_key) from companies"
    )
    old = dict(made.execute("select 'n' || md5(record_key), record_key from contacts").fetchall())
    after = groups(made, "renamed", "renamed_companies")
    assert {tuple(sorted(old[key] for key in group)) for group in after} == before["cluster_key"]


def test_a_stranger_changes_no_cluster(made, before):
    made.execute("create table more as from contacts")
    made.execute(
        "insert into more by name select 'new' as record_key, 'crm' as source, 'Xerxes' as first_name,"
        " 'Qvarnstjerna' as last_name, 'xerxes@elsewhere.test' as email"
    )
    groups(made, "more")
    assert {key: read(made, key, without="new") for key in before} == before


def test_a_night_of_strangers_renames_and_changes_no_cluster(made, before):
    """One contact in a hundred is new, and has nothing to do with anybody."""
    groups(made)
    made.execute("create table named as select record_key, cluster_key, person_key from m_contact_clusters")
    made.execute("create table more as from contacts")
    made.execute(
        "insert into more by name select 'new' || i as record_key, 'crm' as source, 'X' || md5('f' || i) as first_name,"
        " 'Q' || md5('l' || i) as last_name, 'n' || i || '@elsewhere' || i || '.test' as email from range(15) as r (i)"
    )
    groups(made, "more")
    kept = "select record_key, cluster_key, person_key from m_contact_clusters where not starts_with(record_key, 'new')"
    assert made.execute(f"({kept} except all from named) union all (from named except all {kept})").fetchall() == []


def test_undone_is_as_it_was(made):
    """Nothing is deleted: the crosswalk leads back to every source row, once."""
    groups(made)
    back = "select c.* from m_contact_clusters as m join contacts as c on m.record_key = c.record_key"
    assert made.execute(f"({back}) except all from contacts").fetchall() == []
    assert made.execute(f"from contacts except all ({back})").fetchall() == []
    strangers = "select cluster_key from m_contact_clusters where cluster_key not in (select record_key from contacts)"
    assert made.execute(strangers).fetchall() == []


def test_every_join_is_undone_by_ruling_on_its_kept_pairs_and_comes_back_without_them(made):
    groups(made)
    made.execute("create table joined as from m_contact_clusters")
    made.execute(
        "create table apart as select left_key, right_key, 'different' as ruling from m_contact_pairs where is_joined"
    )
    resolve(made, contacts="contacts", companies="companies", rulings="apart", into="m")
    still = (
        "select r.* from apart as r join m_contact_clusters as x on r.left_key = x.record_key"
        " join m_contact_clusters as y on r.right_key = y.record_key where {0}"
    )
    assert made.execute(still.format("x.cluster_key = y.cluster_key or x.person_key = y.person_key")).fetchall() == []
    assert made.execute(f"select count(*) > 100 from ({still.format('true')})").fetchall() == [(True,)]
    both = made.execute("select count(*) from m_contact_clusters join contacts using (record_key)").fetchall()
    assert both == made.execute("select count(*) from contacts").fetchall()
    groups(made)
    assert made.execute("from m_contact_clusters except all from joined").fetchall() == []
    assert made.execute("from joined except all from m_contact_clusters").fetchall() == []


# --- bad input ----------------------------------------------------------------------------------------------------

COUNT = 6_000


def bad(change, count=COUNT):
    connection = duckdb.connect()
    load.bad(connection, change, count)
    return connection, resolve(connection, contacts="contacts", companies="companies", into="m")


@pytest.mark.parametrize("change", BAD.values(), ids=BAD.keys())
def test_bad_input_costs_no_more_than_its_rows(change):
    connection, report = bad(change)
    assert report.pair_count <= COUNT * 30
    longest = connection.execute("select max(length(explanation)) from m_contact_pairs").fetchall()[0][0]
    assert (longest or 0) < 1_000
    assert connection.execute("select count(*), count(distinct record_key) from m_contact_clusters").fetchall() == [
        (COUNT, COUNT)
    ]
    largest = "select max(n) from (select count(*) as n from m_contact_clusters group by cluster_key)"
    assert connection.execute(largest).fetchall()[0][0] <= 15


def test_two_hundred_thousand_contacts_of_one_mailbox_are_not_compared_with_each_other():
    count = 200_000
    _, report = bad({"email": "'info@acme.test'", "first_name": "null::varchar", "last_name": "null::varchar"}, count)
    assert (report.contact_count, report.pair_count) == (count, 0)
    assert report.dropped_keys == [("mailbox", 1, count)]


def test_what_was_left_uncompared_is_counted():
    connection, report = bad(BAD["everything the same"])
    assert report.uncompared_count == COUNT
    assert ("mailbox", 1, COUNT) in report.dropped_keys
    told = connection.execute("from m_uncompared").fetchall()
    assert ("contact", "mailbox", 1, COUNT) in told and ("contact", "all keys", None, COUNT) in told


def test_fifty_copies_of_one_contact_are_found():
    """More than are compared pair by pair, and more than a cluster may hold: none is left alone."""
    copies = {
        name: f"case when i < 50 then {value} else {PLAIN[name]} end"
        for name, value in BAD["everything the same"].items()
    }
    connection, _ = bad(copies, 500)
    sizes = (
        "select count(*) from m_contact_clusters where record_key in (select 'c' || i from range(50) as r (i))"
        " group by cluster_key"
    )
    found = [size for (size,) in connection.execute(sizes).fetchall()]
    assert min(found) > 1
    assert max(found) <= LARGEST_CLUSTER
    assert connection.execute(
        "select count(*) from m_contact_pairs where refusal = 'cluster too large'"
    ).fetchall() != [(0,)]


NAMES = [("محمد", "الأحمد"), ("小明", "欧阳"), ("अर्जुन", "शर्मा"), ("דוד", "כהן")]


def test_names_in_other_scripts_are_names():
    """Each twice, the second with a mark that nobody sees and a space; nothing else but a telephone."""
    firsts = " ".join(
        f"when {2 * n} then '{first}' when {2 * n + 1} then '{first[0]}' || chr(8207) || '{first[1:]}'"
        for n, (first, _) in enumerate(NAMES)
    )
    lasts = " ".join(
        f"when {2 * n} then '{last}' when {2 * n + 1} then '{last}' || chr(8207) || ' '"
        for n, (_, last) in enumerate(NAMES)
    )
    named = 2 * len(NAMES)
    change = {
        "first_name": f"case i {firsts} else 'F' || md5('f' || i) end",
        "last_name": f"case i {lasts} else 'L' || md5('l' || i) end",
        "phone": f"case when i < {named} then '+96650123456' || (i // 2) end",
        "email": f"case when i >= {named} then 'm' || i || '@d' || i || '.test' end",
    }
    connection, _ = bad(change, 200)
    assert {group for group in read(connection, "cluster_key") if len(group) > 1} == {
        (f"c{2 * n}", f"c{2 * n + 1}") for n in range(len(NAMES))
    }
    explanations = connection.execute("select explanation from m_contact_pairs where is_joined").fetchall()
    assert all("same first name" in explanation for (explanation,) in explanations)
