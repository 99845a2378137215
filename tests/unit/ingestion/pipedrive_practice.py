"""A practice company served as Pipedrive, a warehouse file and the nights between them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ingestion.landing import ObjectResult
from ingestion.pipedrive import PipedriveSource, sync_pipedrive
from sandbox.servers.pipedrive import Portal
from tests.unit.ingestion.practice import Warehouse, portal_now

LISTED = ("deals", "persons", "organizations", "activities")


class PipedriveWarehouse(Warehouse):
    """The same warehouse, filled from Pipedrive."""

    crm = "pipedrive"

    def night(self, portal: Portal, now: datetime | None = None, **options: Any) -> dict[str, ObjectResult]:
        self.runs += 1
        options = {"backoff_seconds": 0.005} | options
        source = PipedriveSource(options.pop("token", portal.token), portal.url, self.folder / "spool", **options)
        try:
            results = sync_pipedrive(self.open, source, f"run {self.runs}", now or portal_now(portal))
            return {result.object: result for result in results}
        finally:
            source.session.close()


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """A record without what makes no new version: empty values, stamps, counters."""
    return {k: v for k, v in row.items() if v is not None and k != "update_time" and not k.endswith("_count")}


def vendor_states(portal: Portal, name: str) -> dict[str, dict[str, Any]]:
    """record_id -> the record, of what the portal shows as living."""
    rows = [portal.rendered(name)(record) for record in portal.records(name) if record.archived_at is None]
    return {str(row["id"]): shown(row) for row in rows}


def assert_same_as_vendor(warehouse: PipedriveWarehouse, portal: Portal) -> None:
    """What is landed as living is what the portal shows, with these values; the rest is deleted."""
    for name in LISTED:
        states = warehouse.newest(name)
        landed = {key: shown(payload) for key, (is_deleted, payload) in states.items() if not is_deleted}
        assert landed == vendor_states(portal, name), name
    lines = {key for key, (is_deleted, _) in warehouse.newest("deal_products").items() if not is_deleted}
    deals = [record for record in portal.records("deals") if record.archived_at is None]
    assert lines >= {str(line["id"]) for record in deals for line in portal.render.products_of(record)}
    changes = {
        (str(portal.render.shown_id(record)), row["field_key"], row["new_value"] or "", row["time"])
        for record in deals
        for row in portal.render.changelog(record)
    }
    rows = warehouse.query(
        """select record_id, property, value, strftime(changed_at, '%Y-%m-%d %H:%M:%S')
           from raw.pipedrive__deals_history"""
    )
    assert changes <= set(rows)
