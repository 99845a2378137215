"""Records whose fields are keys of their own, as most vendors send: landed once, whatever is empty or reordered."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import duckdb
import pytest

from ingestion import landing
from ingestion.landing import Batch
from ingestion.objects import RawObject
from ingestion.spool import Form, Spool

FORM = Form(rows="data", nested="custom", is_nested_required=False, stamp="changed", deleted="gone", deleted_at="-")
DEALS = RawObject("hubspot", "deals")
NOW = datetime(2026, 11, 2, tzinfo=UTC)


@pytest.fixture
def connection():
    with duckdb.connect() as connection:
        landing.prepare(connection)
        yield connection


def night(connection, folder, *pages: str) -> landing.ObjectResult:
    spool = Spool(folder, form=FORM)
    for page in pages:
        spool.add_page(page.encode(), json.loads(page)["data"])
    return landing.land(connection, Batch(DEALS, spool, "run", NOW, volatile=("changed", "count_.*")))


def rows(connection) -> list[tuple]:
    return connection.execute(
        "select record_id, version_at, is_deleted, payload::varchar from raw.hubspot__deals order by all"
    ).fetchall()


def test_a_record_is_kept_with_sorted_keys_and_without_the_empty_ones(connection, tmp_path) -> None:
    page = '{"data":[{"value":100.5,"id":7,"changed":"2026-11-01 10:00:00","empty":null,"custom":{"b":"å","a":[1]}}]}'
    night(connection, tmp_path, page)
    payload = '{"changed":"2026-11-01 10:00:00","custom":{"a":[1],"b":"å"},"id":7,"value":100.5}'
    assert rows(connection) == [("7", datetime(2026, 11, 1, 10, tzinfo=UTC), False, payload)]


@pytest.mark.parametrize(
    "page",
    [
        '{"data":[{"changed":"2026-11-02","id":7,"value":1,"custom":{"a":1,"b":2}}]}',
        '{"data":[{"id":7,"changed":"2026-11-01","value":1,"custom":{"b":2,"a":1},"new":null}]}',
        '{"data":[{"id":7,"changed":"2026-11-01","value":1,"custom":{"a":1,"b":2},"count_of_notes":4}]}',
        '{"data": [ {"id":7,"changed":"2026-11-01","value":1,"custom":{"a":1,"b":2}} ] }',
        '{"data":[{"aa":1,"id":8},{"id":7,"changed":"2026-11-01","value":1,"custom":{"a":1,"b":2}}]}',
    ],
    ids=["stamp", "order and a new empty key", "counter", "blanks", "a key of another record"],
)
def test_what_says_nothing_new_appends_nothing(connection, tmp_path, page) -> None:
    night(connection, tmp_path, '{"data":[{"id":7,"changed":"2026-11-01","value":1,"custom":{"a":1,"b":2}}]}')
    night(connection, tmp_path, page)
    assert [row[0] for row in rows(connection) if row[0] == "7"] == ["7"]


@pytest.mark.parametrize("change", ['"value":2', '"value":1,"gone":true', '"value":1,"custom":{"a":2}'])
def test_what_does_appends_a_version(connection, tmp_path, change) -> None:
    night(connection, tmp_path, '{"data":[{"id":7,"changed":"2026-11-01","value":1,"custom":{"a":1}}]}')
    result = night(connection, tmp_path, f'{{"data":[{{"id":7,"changed":"2026-11-02",{change}}}]}}')
    assert (result.rows_appended, len(rows(connection))) == (1, 2)
    assert rows(connection)[1][2] is ("gone" in change)


def test_what_is_no_record_is_refused_and_counted(connection, tmp_path) -> None:
    result = night(connection, tmp_path, '{"data":[null,{"value":1},{"id":7,"value":1},"text"]}')
    assert (result.rows_read, result.rows_appended, result.rows_quarantined) == (4, 1, 3)
