"""A practice org over real HTTP, a warehouse file, and nights between them."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from ingestion.landing import ObjectResult
from ingestion.salesforce import SOBJECTS, SalesforceSource, sync_salesforce
from ingestion.salesforce_client import Login
from sandbox.servers.salesforce import CLIENT_ID, CLIENT_SECRET, OrgServer
from sandbox.servers.salesforce_fields import types_of
from sandbox.servers.salesforce_org import Row
from tests.unit.ingestion.practice import Warehouse

LOGIN = Login(CLIENT_ID, CLIENT_SECRET)
NIGHT = timedelta(minutes=2)  # after the org's clock: what was stamped within a minute waits


def org_now(org: OrgServer) -> datetime:
    return datetime.fromtimestamp(org.world.now / 1000, UTC) + NIGHT


class OrgWarehouse(Warehouse):
    """One warehouse file, read from an org."""

    crm = "salesforce"

    def org_source(self, org: OrgServer, **options: Any) -> SalesforceSource:
        options = {"backoff_seconds": 0.005, "poll_seconds": 0.0} | options
        return SalesforceSource(options.pop("login", LOGIN), org.url, self.folder / "spool", **options)

    def read(self, org: OrgServer, now: datetime | None = None, **options: Any) -> dict[str, ObjectResult]:
        """One night's extraction, some minutes after the org's own time."""
        self.runs += 1
        source = self.org_source(org, **options)
        try:
            results = sync_salesforce(self.open, source, f"run {self.runs}", now or org_now(org))
            return {result.object: result for result in results}
        finally:
            source.client.close()


def as_landed(sobject: str, row: Row, excluded: tuple[str, ...] = ()) -> dict[str, str]:
    """A row of the org in the one spelling that raw keeps."""
    kept = {}
    for name, kind in types_of(sobject).items():
        value = row.get(name)
        if value is None or value == "" or kind == "address" or name in excluded:
            continue
        if kind == "datetime":
            value = f"{datetime.fromtimestamp(value // 1000, UTC):%Y-%m-%dT%H:%M:%S}.000Z"
        elif kind == "int":
            value = str(int(value))
        kept[name] = str(value).lower() if isinstance(value, bool) else str(value)
    return kept


def assert_same_as_org(warehouse: OrgWarehouse, org: OrgServer) -> None:
    """The newest landed state of every record is the org's, deleted ones included; what the org lost is erased.

    What had been landed from its bin before it was purged stays as the bin had it.
    """
    for name, sobject in SOBJECTS.items():
        if org.org.types_of(sobject) is None:
            continue
        excluded = ("HtmlBody",) if sobject == "EmailMessage" else ()
        expected = {row["Id"]: row for row in org.org.rows(sobject)}
        found = warehouse.newest(name)
        assert set(expected) <= set(found), name
        for record_id, (is_deleted, payload) in found.items():
            if record_id not in expected:
                was_in_bin = payload.get("IsDeleted") == "true"
                assert is_deleted and (was_in_bin or payload["tombstone"] == "erased"), (name, record_id)
                continue
            row = expected[record_id]
            assert is_deleted == bool(row.get("IsDeleted")), (name, record_id)
            stamps = {"SystemModstamp", "LastModifiedDate"}
            wanted = as_landed(sobject, row, excluded)
            assert {k: v for k, v in payload.items() if k not in stamps} == {
                k: v for k, v in wanted.items() if k not in stamps
            }, (name, record_id)


def asked(org: OrgServer) -> Counter[str]:
    """How often each endpoint was asked."""
    return Counter(call["path"].split("?")[0].rsplit("/v61.0/", 1)[-1].split("/01g")[0] for call in org.calls)
