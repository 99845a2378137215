"""The gates' own logic on small files: what they count, what they compare with, what flagging changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import dagster as dg
import duckdb
import pytest

from dagster_project import checks
from salesops import duplicates
from salesops.clock import Clock
from salesops.config import Duplicates, DuplicatesRule, Settings
from salesops.layout import DataDirectory
from salesops.night import Night


@pytest.fixture
def night(tmp_path) -> Night:
    """A night with two deals of HubSpot and one of a sheet, and a seller who is in both lists."""
    data = DataDirectory(tmp_path)
    data.marts.parent.mkdir()
    with duckdb.connect(str(data.warehouse)) as connection:
        connection.execute("create schema staging; create schema crm")
        for table, rows in (("deals", 1), ("owners", 1)):
            connection.execute(
                f"create table staging.stg_spreadsheets__{table} as select range as id from range({rows})"
            )
        connection.execute("create table crm.int_crm__accounts as from (values ('hubspot'), ('other')) as crm (source)")
        for table in ("deals", "owners"):
            connection.execute(f"create table crm.int_crm__{table} as select 'hubspot' as source from range(2)")
    with duckdb.connect(str(data.marts)) as connection:
        connection.execute("create schema pipeline")
        connection.execute("create schema kpi")
        connection.execute("create table pipeline.deals (deal_key varchar, source varchar)")
        connection.execute(
            "insert into pipeline.deals values ('a', 'hubspot'), ('b', 'hubspot'), ('c', 'spreadsheets')"
        )
        connection.execute("create table pipeline.owners (owner_key varchar, source varchar, listed_count bigint)")
        connection.execute(
            "insert into pipeline.owners values ('x', 'hubspot', 2), ('y', 'hubspot', 1), ('z', 'hubspot', 0)"
        )
        connection.execute("create table kpi.win_rate as select 1 as one")
    now = Clock().now()
    return Night(Settings(), data, Clock(), now, now, None, data.published, "", "")


def change(night: Night, statement: str) -> None:
    with duckdb.connect(str(night.data.marts)) as connection:
        connection.execute(statement)


def balances(night: Night) -> dict[str, tuple[str, str]]:
    return {finding.name: (finding.level, finding.reason) for finding in checks._balances(night)}


def test_everything_that_staging_has_is_counted_once(night):
    """A seller in two lists is one row that stands for two; one whom no list knows stands for none."""
    found = balances(night)
    assert {level for level, _ in found.values()} == {"passed"}, found


@pytest.mark.parametrize(
    ("statement", "name", "says"),
    [
        ("delete from pipeline.deals where deal_key = 'b'", "deals", "hubspot: 2 in staging, 1 in the pipeline"),
        (
            "insert into pipeline.deals values ('c', 'spreadsheets')",
            "deals",
            "spreadsheets: 1 in staging, 2 in the pipeline",
        ),
        ("insert into pipeline.deals values ('d', 'other')", "deals", "other: 0 in staging, 1 in the pipeline"),
        ("delete from pipeline.owners where owner_key = 'y'", "owners", "3 in staging, 2 in the pipeline"),
    ],
)
def test_a_row_lost_or_doubled_on_the_way_fails(night, statement, name, says):
    change(night, statement)
    level, reason = balances(night)[f"{name}_balance_with_staging"]
    assert level == "failed" and says in reason


def published_with(night: Night, *statements: str) -> None:
    night.publish_to.mkdir()
    path = night.publish_to / "marts.duckdb"
    path.write_bytes(night.data.marts.read_bytes())
    with duckdb.connect(str(path)) as connection:
        for statement in statements:
            connection.execute(statement)


def still_there(night: Night):
    (finding,) = checks._still_there(night)
    return finding


def test_a_first_publication_has_nothing_to_compare_with(night):
    change(night, "delete from kpi.win_rate")
    assert still_there(night).level == "passed"


def test_a_table_that_held_rows_and_is_empty_now_fails_by_name(night):
    published_with(night)
    assert still_there(night).level == "passed"
    change(night, "delete from kpi.win_rate")
    found = still_there(night)
    assert found.level == "failed" and "kpi.win_rate" in found.reason


def test_a_table_that_is_gone_fails_too(night):
    published_with(night)
    change(night, "drop table kpi.win_rate")
    assert "kpi.win_rate" in still_there(night).reason


def test_a_table_that_was_empty_before_may_stay_empty(night):
    published_with(night, "delete from kpi.win_rate")
    change(night, "delete from kpi.win_rate")
    assert still_there(night).level == "passed"


def test_a_night_that_looks_back_may_be_emptier(night):
    published_with(night)
    change(night, "delete from kpi.win_rate")
    night.as_of = Clock().now() - timedelta(days=400)
    assert still_there(night).level == "passed"


@pytest.mark.parametrize(
    ("level", "on_error", "passed", "severity", "state"),
    [
        ("passed", "block", True, "WARN", "passed"),
        ("warned", "block", False, "WARN", "warned"),
        ("failed", "block", False, "ERROR", "failed"),
        ("failed", "flag", False, "WARN", "warned"),
        ("failed", None, False, "ERROR", "failed"),
    ],
)
def test_only_a_failure_that_nobody_chose_to_flag_stops_publication(night, level, on_error, passed, severity, state):
    finding = checks.Finding(dg.AssetKey(["pipeline", "deals"]), "is_good", level, "because", on_error)
    result = checks._result(finding, night)
    assert (result.passed, result.severity.value) == (passed, severity)
    assert [(c.asset, c.state, c.reason) for c in night.checks] == [("pipeline/deals", state, "because")]


def test_freshness_looks_at_events_up_to_the_as_of_instant(night):
    """An event after it is not tonight's; one later than tomorrow is a fault whatever the as-of instant."""
    from ingestion import landing
    from ingestion.objects import find

    entry = find("hubspot", "deals")
    with duckdb.connect(str(night.data.warehouse)) as connection:
        landing.prepare(connection)
        for record, at in (("1", datetime(2026, 1, 5, 12, tzinfo=UTC)), ("2", datetime(2026, 2, 5, 12, tzinfo=UTC))):
            connection.execute(f"insert into {entry.table} values (?, ?, false, '{{}}', 'h', 1, ?)", [record, at, at])
        night.as_of = datetime(2026, 1, 10, tzinfo=UTC)
        age = checks._age(connection, entry, night)
    assert age.newest_event_at == datetime(2026, 1, 5, 12, tzinfo=UTC)
    assert age.latest_stamp_at == datetime(2026, 2, 5, 12, tzinfo=UTC)
    assert (age.rows, age.state) == (2, "failed"), "without a recorded state it was not read"


def test_a_new_duplicate_is_shown_by_its_page_in_the_crm_that_it_is_in(night):
    """A pair may have a record of each CRM; the link is that of its own, and the bare key where no page is known."""
    from ingestion import landing

    keys = ["hubspot:contact:1", "salesforce:contact:003"]
    with duckdb.connect(str(night.data.warehouse)) as connection:
        landing.prepare(connection)
        connection.execute("create schema matching")
        connection.execute(
            "insert into raw.sync_state (source, object, state, last_success_at) values"
            " ('hubspot', 'contacts', 'ok', now()), ('salesforce', 'contacts', 'ok', now())"
        )
        connection.execute(
            "create table matching.int_matching__contact_records as select unnest(?) as record_key, 'FORM' as"
            " entry_channel, '7' as owner_id, now() as created_at, now() as known_from",
            [keys],
        )
        connection.execute(
            "create table matching.int_matching__contacts as from matching.int_matching__contact_records"
        )
        connection.execute(
            "create table matching.int_matching__contact_pairs as select ? as left_key, ? as right_key,"
            " 'same mailbox' as explanation, true as is_joined, null as ruling",
            keys,
        )
        duplicates.accept(connection, [], "nothing yet", Clock().now())
        connection.execute("delete from raw.duplicate_baseline where record_count = 2")
    change(night, "create table pipeline.contact_identities (source varchar, contact_key varchar,"
                  " record_state varchar)")  # fmt: skip
    change(night, "create table pipeline.match_rulings (state varchar, contradiction varchar, file_name varchar,"
                  " row_number bigint)")  # fmt: skip
    change(night, "create table pipeline.contact_pairs as select 'hubspot' as left_source, '1' as left_id,"
                  " null as left_url, 'salesforce' as right_source, '003' as right_id,"
                  " 'https://acme.my.salesforce.com/003' as right_url, true as is_joined, 'joined' as band,"
                  " null as ruling, 'salesforce:contact:003' as newer_record_key")  # fmt: skip
    found = {finding.name: finding for finding in checks._who_is_who(night)}
    assert found["has_no_new_joined_records"].worst == [
        "hubspot:contact:1 https://acme.my.salesforce.com/003: same mailbox"
    ]
    assert found["duplicate_rate_is_bounded"].reason == "no contacts"
    # two records of HubSpot are one contact, which Salesforce has too: that is a copy in HubSpot alone
    rows = [("hubspot", "a"), ("hubspot", "a"), ("salesforce", "a"), ("salesforce", "b")]
    for source, key in rows:
        change(night, f"insert into pipeline.contact_identities values ('{source}', '{key}', 'alive')")
    change(night, "update pipeline.contact_pairs set band = 'review'")
    limits = {
        "hubspot": {"contacts": DuplicatesRule(warn_duplicate_rate=0.4)},
        "salesforce": {"contacts": DuplicatesRule(warn_waiting_pairs=0)},
    }
    night.settings = night.settings.model_copy(update={"duplicates": Duplicates(**limits)})
    found = {finding.name: finding for finding in checks._who_is_who(night)}
    rate, waiting = found["duplicate_rate_is_bounded"], found["pairs_are_ruled_on"]
    assert (rate.level, rate.reason.partition(" of")[0]) == ("failed", "hubspot: 50.0%")
    assert (waiting.level, waiting.reason.partition(" of")[0]) == ("failed", "salesforce: 1 pairs")
