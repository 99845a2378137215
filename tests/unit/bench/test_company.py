"""The company that measurements are made on: broken links or histories would measure some other work."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from bench import company
from ingestion.objects import HUBSPOT

DEALS = 300


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("company")
    company.make(made, DEALS)
    return made


def rows(folder: Path, query: str) -> list[tuple]:
    with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        return connection.execute(query).fetchall()


def test_a_record_is_one_row_and_its_payload_names_it(folder: Path) -> None:
    for entry in HUBSPOT:
        counts = rows(
            folder,
            f"select count(*), count(distinct record_id), count_if(payload ->> '$.id' = record_id) from {entry.table}",
        )
        if entry.name not in ("properties", "account_info"):
            assert counts[0][0] > 0, entry.name
            assert set(counts[0]) == {counts[0][0]}, entry.name


def test_links_lead_to_records_that_exist(folder: Path) -> None:
    for entry in HUBSPOT:
        for target in entry.links:
            found = rows(
                folder,
                f"""select count(*), count(own.record_id), count(other.record_id)
                from {entry.link_table(target)} as links
                left join {entry.table} as own on links.from_id = own.record_id
                left join raw.hubspot__{target} as other on links.to_id = other.record_id""",
            )
            assert found[0][0] > 0, (entry.name, target)
            assert set(found[0]) == {found[0][0]}, (entry.name, target)


def test_a_deal_stands_where_its_history_ends(folder: Path) -> None:
    differing = f"""
        with newest as (
            select record_id, property, max_by(value, changed_at) as value
            from raw.hubspot__deals_history group by record_id, property
        )
        select deals.record_id, property
        from raw.hubspot__deals as deals inner join newest on deals.record_id = newest.record_id
        where json_extract_string(payload, '$.properties.' || property) is distinct from value
            or version_at > timestamptz '{company.NOW}'"""
    assert rows(folder, differing) == []


def test_a_deal_has_about_ten_changes_and_ten_activities(folder: Path) -> None:
    changes = """
        select count(*)
        from raw.hubspot__deals_history as history
        inner join raw.hubspot__deals as deals on history.record_id = deals.record_id
        where changed_at > (payload ->> '$.createdAt')::timestamptz"""
    assert 9 < rows(folder, changes)[0][0] / DEALS < 14
    kinds = ("calls", "emails", "meetings", "notes", "tasks")
    assert sum(rows(folder, f"select count(*) from raw.hubspot__{kind}")[0][0] for kind in kinds) == DEALS * 10


def test_the_same_size_is_the_same_company_and_a_night_changes_its_share(folder: Path, tmp_path: Path) -> None:
    company.make(tmp_path, DEALS)
    for name in ("deals", "contacts", "calls"):
        hashes = f"select sum(hash(record_id, payload::varchar)) from raw.hubspot__{name}"
        assert rows(tmp_path, hashes) == rows(folder, hashes)
    company.change(tmp_path, every=100)
    changed = """
        select count(distinct record_id) from raw.hubspot__deals where batch_id = 2
        union all
        select count(distinct record_id) from raw.hubspot__deals_history where batch_id = 2"""
    assert rows(tmp_path, changed) == [(DEALS // 100,), (DEALS // 100,)]
