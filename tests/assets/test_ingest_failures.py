"""A source that breaks: its assets are there and marked, its checks are red, and the other steps still run."""

from __future__ import annotations

import dataclasses

import dagster as dg
import duckdb
import pytest

from dagster_project import ingest
from ingestion.landing import ObjectResult
from ingestion.session import CredentialsError
from salesops.clock import Clock
from salesops.config import Settings
from salesops.layout import DataDirectory
from salesops.night import Night


@pytest.fixture
def night(tmp_path) -> Night:
    now = Clock().now()
    return Night(Settings(), DataDirectory(tmp_path), Clock(), now, now, None, tmp_path / "published", "", "")


def run(night: Night, monkeypatch, reader) -> tuple[dg.ExecuteInProcessResult, list[str]]:
    """The night's first step with another reader, and a step after it."""
    monkeypatch.setattr(ingest, "_read_hubspot", reader)
    ran = []

    @dg.asset(deps=[dg.AssetKey(["raw", "hubspot__deals"])])
    def afterwards() -> None:
        ran.append("afterwards")

    assets = [*ingest.build_ingest(night.settings), afterwards]
    return dg.materialize(assets, resources={"night": night}, raise_on_error=False), ran


def read_all(states: dict[str, ObjectResult]):
    from ingestion.objects import HUBSPOT

    def reader(_: Night):
        for entry in HUBSPOT:
            yield states.get(entry.name) or ObjectResult("hubspot", entry.name, "ok")

    return reader


def failed_checks(result) -> set[tuple[str, str]]:
    return {(e.asset_key.path[-1], e.check_name) for e in result.get_asset_check_evaluations() if not e.passed}


def test_an_object_that_failed_still_materializes_and_the_night_goes_on(night, monkeypatch):
    failed = ObjectResult("hubspot", "deals", "failed", "503 for an hour")
    result, ran = run(
        night,
        monkeypatch,
        read_all(
            {
                "deals": failed,
                "owners": ObjectResult("hubspot", "owners", "failed", "x"),
                "pipelines": ObjectResult("hubspot", "pipelines", "failed", "x"),
            }
        ),
    )
    assert result.success and ran == ["afterwards"]
    (event,) = [
        e for e in result.asset_materializations_for_node("hubspot") if e.asset_key.path[-1] == "hubspot__deals"
    ]
    assert event.metadata["state"].value == "failed"
    assert ("hubspot__deals", "was_read") in failed_checks(result)
    assert ("hubspot__contacts", "was_read") not in failed_checks(result)


@pytest.mark.parametrize("name", ["deals", "owners", "pipelines"])
def test_an_empty_table_that_every_company_has_stops_the_night(night, monkeypatch, name):
    """Deals, owners and pipelines answered with nothing: that is no company, and the marts would say zero."""
    others = {n: ObjectResult("hubspot", n, "failed", "x") for n in ("deals", "owners", "pipelines") if n != name}
    result, ran = run(night, monkeypatch, read_all(others))
    assert not result.success and ran == []
    assert failed_checks(result) >= {(f"hubspot__{name}", "is_not_empty")}


def test_counts_that_do_not_balance_stop_the_night(night, monkeypatch):
    lost = ObjectResult("hubspot", "calls", "ok", rows_read=10, rows_appended=6, rows_unchanged=2, rows_quarantined=1)
    failed = {n: ObjectResult("hubspot", n, "failed", "x") for n in ("deals", "owners", "pipelines")}
    result, ran = run(night, monkeypatch, read_all(failed | {"calls": lost}))
    assert not result.success and ran == []
    assert ("hubspot__calls", "counts_balance") in failed_checks(result)


def test_a_source_that_breaks_in_the_middle_owes_a_word_about_every_object(night, monkeypatch):
    def breaks(_: Night):
        yield ObjectResult("hubspot", "calls", "ok")
        raise RuntimeError("an answer nobody foresaw")

    result, ran = run(night, monkeypatch, breaks)
    assert result.success and ran == ["afterwards"]
    states = {r.object: (r.state, r.reason) for r in night.objects if r.source == "hubspot"}
    assert states["calls"][0] == "ok"
    assert states["deals"] == ("failed", "RuntimeError: an answer nobody foresaw")
    with duckdb.connect(str(night.data.warehouse)) as connection:
        query = "select object, state from raw.sync_state where source = 'hubspot'"
        kept = dict(connection.execute(query).fetchall())
    assert kept["deals"] == "failed"


def test_refused_credentials_are_remembered_for_the_exit_code(night, monkeypatch):
    def refused(_: Night):
        raise CredentialsError("HUBSPOT_ACCESS_TOKEN was refused (401)")
        yield

    run(night, monkeypatch, refused)
    assert night.credentials_error == "HUBSPOT_ACCESS_TOKEN was refused (401)"


def test_a_token_that_expires_while_it_is_used_is_a_matter_of_credentials(night, monkeypatch):
    """One object was read, the next one's request was refused: in the session's own words."""
    import responses

    from ingestion.session import SourceSession

    with responses.RequestsMock() as vendor:
        vendor.get("https://api.hubapi.com/crm/v3/objects/deals", status=401, json={"message": "expired"})
        session = SourceSession("https://api.hubapi.com", "secret", token_name="HUBSPOT_ACCESS_TOKEN")
        with pytest.raises(CredentialsError) as caught:
            session.get("/crm/v3/objects/deals")
    failed = {n: ObjectResult("hubspot", n, "failed", str(caught.value)) for n in ("deals", "owners", "pipelines")}
    run(night, monkeypatch, read_all(failed))
    assert "HUBSPOT_ACCESS_TOKEN" in night.credentials_error


def rates_after(night: Night, monkeypatch, currency: str, rates_url: str) -> tuple[dict, set]:
    """A night whose CRM lands one deal in `currency`; the rates' result and the failed checks."""
    from ingestion import landing
    from ingestion.landing import Batch, Spool
    from ingestion.objects import HUBSPOT, find

    def reader(of: Night):
        spool = Spool(of.data.root / "deal")
        spool.add_row("1", {"properties": {"amount": "5", "deal_currency_code": currency}})
        failed = ObjectResult("hubspot", "", "failed", "x")
        for entry in HUBSPOT:
            if entry.name != "deals":
                yield dataclasses.replace(failed, object=entry.name)
        with of.warehouse() as connection:
            yield landing.land(connection, Batch(find("hubspot", "deals"), spool, "run", of.clock.now()))

    night.rates_url = rates_url
    result, ran = run(night, monkeypatch, reader)
    assert result.success and ran == ["afterwards"]
    return {r.object: r for r in night.objects if r.source == "exchange_rates"}, failed_checks(result)


def test_rates_are_asked_after_the_deals_have_landed(night, monkeypatch):
    from sandbox.rates import ReferenceRates
    from sandbox.servers import exchange_rates

    with exchange_rates.serve(ReferenceRates(), night.clock.now) as bank:
        results, failed = rates_after(night, monkeypatch, "NOK", bank.url)
    assert results["reference_rates"].state == "ok" and results["reference_rates"].rows_appended > 1000
    assert "exchange_rates__reference_rates" not in {table for table, _ in failed}


def test_rates_that_no_deal_needs_are_not_asked_and_no_check_is_red(night, monkeypatch):
    results, failed = rates_after(night, monkeypatch, "SEK", "http://127.0.0.1:9")
    assert results["reference_rates"].state == "skipped"
    assert "exchange_rates__reference_rates" not in {table for table, _ in failed}


def test_a_bank_that_is_down_is_said_and_the_night_goes_on(night, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)  # the retries' own waits
    results, failed = rates_after(night, monkeypatch, "NOK", "http://127.0.0.1:9/stats")
    assert results["reference_rates"].state == "failed" and "eurofxref-hist.zip" in results["reference_rates"].reason
    assert ("exchange_rates__reference_rates", "was_read") in failed
    from salesops import night as nights

    assert nights._exit_code(night, published=True) == 3
