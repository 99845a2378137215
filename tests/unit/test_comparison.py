"""The comparer of two engines' tables sees what it is there to see: one changed value on one side is a difference."""

import duckdb
import pytest

from tests.spark.comparison import compare

ROW = {
    "day": "date '2026-03-01'",
    "member": "'all'",
    "won": "3::bigint",
    "value": "10.25::decimal(18, 2)",
    "rate": "0.3e0",
    "seen": "timestamptz '2026-03-01 10:00:00+00'",
    "label": "null::varchar",
}


@pytest.fixture
def connection():
    with duckdb.connect() as connection:
        yield connection


def relation(*rows: dict[str, str]) -> str:
    selects = (", ".join(f"{value} as {name}" for name, value in (ROW | row).items()) for row in rows)
    return "(" + " union all ".join(f"select {columns}" for columns in selects) + ")"


def test_the_same_rows_in_another_order_are_equal(connection):
    february = {"day": "date '2026-02-01'"}
    found = compare(connection, relation({}, february), relation(february, {}), ["day", "member"])
    assert (found.rows, found.differences, found.worst) == (2, [], 0)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("won", "4::bigint"),
        ("won", "null::bigint"),
        ("value", "10.26::decimal(18, 2)"),
        ("seen", "timestamptz '2026-03-01 10:00:00.000001+00'"),
        ("label", "''"),
        ("rate", "0.300000001e0"),
        ("rate", "null::double"),
        ("rate", "'nan'::double"),
        ("rate", "'inf'::double"),
    ],
)
def test_one_value_that_differs_is_found_with_its_key(connection, column, value):
    for one, other in (({}, {column: value}), ({column: value}, {})):
        found = compare(connection, relation(one), relation(other), ["day", "member"])
        assert len(found.differences) == 1
        assert found.differences[0].startswith(f"{column} differs, 1 times: day 2026-03-01, member all, ")


def test_doubles_may_differ_by_a_billionth_of_their_size_and_by_no_more(connection):
    found = compare(connection, relation({"rate": "1e6"}), relation({"rate": "1000000.0005e0"}), ["day"])
    assert not found.differences
    assert 4e-10 < found.worst < 6e-10
    assert compare(connection, relation({"rate": "1e6"}), relation({"rate": "1000000.002e0"}), ["day"]).differences
    assert not compare(connection, relation({"rate": "0e0"}), relation({"rate": "1e-16"}), ["day"]).differences


def test_rows_of_one_side_only_are_found_even_when_a_key_is_null(connection):
    unknown = {"member": "null::varchar"}
    assert not compare(connection, relation({}, unknown), relation(unknown, {}), ["day", "member"]).differences
    for one, other, what in (([{}, unknown], [{}], "one only"), ([{}], [{}, unknown], "other only")):
        (difference,) = compare(connection, relation(*one), relation(*other), ["day", "member"]).differences
        assert what in difference
        assert "member NULL" in difference


def test_a_repeated_key_another_type_and_a_missing_column_are_differences(connection):
    assert "repeated in the other" in compare(connection, relation({}), relation({}, {}), ["day"]).differences[0]
    retyped = compare(connection, relation({}), relation({"won": "3::integer"}), ["day"])
    assert retyped.differences == ["columns: won BIGINT, won INTEGER"]
    short = compare(connection, relation({}), "(select date '2026-03-01' as day)", ["day"])
    assert "member VARCHAR" in short.differences[0]
