"""A past day can be built again: the same raw data and the same instant give the same marts, row for row."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from tests.conftest import salesops

pytestmark = [pytest.mark.night, pytest.mark.timeout(600)]
LANDING = ("known_from", "first_seen_at")  # when our extract held it: nothing that happened at the company


@pytest.fixture(scope="module")
def again(lived, tmp_path_factory) -> Path:
    """The first night's day, built after three more days were lived and read; published elsewhere."""
    target = tmp_path_factory.mktemp("as_of")
    today = lived.published.read_bytes()
    options = ["--as-of", lived.first_as_of, "--publish-to", str(target)]
    done = salesops("nightly", *options, environment=lived.environment)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    assert lived.published.read_bytes() == today, "a look back left another publication than today's"
    return target / "marts.duckdb"


@pytest.fixture(scope="module")
def both(lived, again):
    with duckdb.connect() as connection:
        connection.execute(f"attach '{lived.first}' as before (read_only)")
        connection.execute(f"attach '{again}' as again (read_only)")
        yield connection


def tables(connection) -> list[str]:
    return [
        name
        for (name,) in connection.execute(
            """select schema_name || '.' || table_name from duckdb_tables()
               where database_name = 'before' and schema_name in ('pipeline', 'kpi') order by 1"""
        ).fetchall()
    ]


def test_every_row_of_every_mart_comes_back(both):
    different = {}
    for table in tables(both):
        columns = [row[0] for row in both.execute(f"describe before.{table}").fetchall() if row[0] not in LANDING]
        listed = ", ".join(columns)
        for one, other in (("before", "again"), ("again", "before")):
            kept, gone = f"select {listed} from {one}.{table}", f"select {listed} from {other}.{table}"
            if count := both.execute(f"select count(*) from ({kept} except all {gone})").fetchone()[0]:
                different[table, one] = count
    assert len(tables(both)) > 15
    assert not different


def test_the_publication_elsewhere_says_its_instant_and_leaves_todays_alone(lived, both):
    assert both.execute("select as_of from again.meta.publication").fetchone()[0].isoformat() == lived.first_as_of
    (today,) = lived.marts.execute("select as_of from meta.publication").fetchone()
    assert today.isoformat() > lived.first_as_of


def test_nothing_of_the_past_day_was_created_after_it(both):
    """Three more days are in raw: --as-of cuts them."""
    count, created_later = both.execute(
        """select count(*), count(*) filter (where created_at > as_of)
           from again.pipeline.deals, again.meta.publication"""
    ).fetchone()
    assert count > 0 and created_later == 0


def test_a_later_instant_knows_more(lived, both):
    earlier = both.execute("select count(*) from again.pipeline.deal_versions").fetchone()[0]
    assert lived.marts.execute("select count(*) from pipeline.deal_versions").fetchone()[0] > earlier
