"""A practice portal over real HTTP, a warehouse file and the nights between them, for tests that need all three."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb

from ingestion import landing
from ingestion.hubspot import HubSpotSource, sync_hubspot
from ingestion.hubspot_streams import STREAMS
from ingestion.landing import ObjectResult
from sandbox.servers.hubspot import Portal, route_of
from sandbox.store import Record
from sandbox.world import LIVED_DAYS, World, live

END = date(2026, 11, 2)
RECORDS = ("contacts", "companies", "deals", "leads", "line_items", "calls", "emails", "meetings", "notes", "tasks")
NEWEST = "(version_at, landed_at, batch_id)"


def tiny_world(seed: int = 7) -> World:
    """About 60 contacts and 50 deals, two years old."""
    assert LIVED_DAYS > 600
    return live(seed, "tiny", END)


def portal_now(portal: Portal) -> datetime:
    """The portal's clock: a night that starts then sees every write so far."""
    return datetime.fromtimestamp(portal.world.now / 1000, UTC)


class Warehouse:
    """One warehouse file and its spool. Held open between syncs, as opening it 16 times a sync costs half of it."""

    crm = "hubspot"

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "warehouse.duckdb"
        self._connection: duckdb.DuckDBPyConnection | None = None
        self.runs = 0

    @contextmanager
    def open(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """What `sync_hubspot` and the tests open the warehouse with."""
        if self._connection is None:
            self._connection = duckdb.connect(str(self.path))
            landing.prepare(self._connection)
        yield self._connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def source(self, portal: Portal, **options: Any) -> HubSpotSource:
        options = {"backoff_seconds": 0.005} | options
        return HubSpotSource(options.pop("token", portal.token), portal.url, self.folder / "spool", **options)

    def sync(self, portal: Portal, now: datetime | None = None, **options: Any) -> dict[str, ObjectResult]:
        """One night's extraction at the portal's own time."""
        self.runs += 1
        source = self.source(portal, **options)
        try:
            results = sync_hubspot(self.open, source, f"run {self.runs}", now or portal_now(portal))
            return {result.object: result for result in results}
        finally:
            source.session.close()

    def query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.open() as connection:
            return connection.execute(sql, list(values)).fetchall()

    def newest(self, name: str) -> dict[str, tuple[bool, dict[str, Any]]]:
        """record_id -> (is_deleted, payload) of the newest version."""
        rows = self.query(
            f"""select record_id, arg_max(is_deleted, {NEWEST}), arg_max(payload, {NEWEST})::varchar
                from raw.{self.crm}__{name} group by record_id"""
        )
        return {record_id: (is_deleted, json.loads(payload)) for record_id, is_deleted, payload in rows}

    def living(self, name: str) -> dict[str, dict[str, Any]]:
        """record_id -> properties of what is not deleted."""
        return {key: payload["properties"] for key, (gone, payload) in self.newest(name).items() if not gone}

    def links(self, name: str, target: str) -> set[tuple[str, str, str, str, str | None]]:
        """(from, to, category, type, label) of the links that are alive."""
        rows = self.query(
            f"""select from_id, to_id, category, type_id, arg_max(label, batch_id)
                from raw.hubspot__{name}_{target}_links group by all having not arg_max(is_deleted, batch_id)"""
        )
        return set(rows)  # type: ignore[arg-type]

    def contents(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every raw table of the CRM without the landing's own instants and batch numbers."""
        tables = self.query(
            """select table_name from information_schema.tables
               where table_schema = 'raw' and starts_with(table_name, ?) order by 1""",
            f"{self.crm}__",
        )
        return {
            name: self.query(f"select * exclude (batch_id, landed_at) from raw.{name} order by all")
            for (name,) in tables
        }


def routes(portal: Portal) -> Counter[str]:
    """How often each route was asked for since the log was cleared."""
    return Counter(f"{call['method']} {route_of(call['path'])}" for call in portal.calls)


def vendor_living(portal: Portal, name: str) -> dict[str, dict[str, Any]]:
    """record_id -> properties of what the portal lists."""
    records = portal.world.store.records[name].values()
    return {record.id: rendered(portal, record) for record in records if record.archived_at is None}


def rendered(portal: Portal, record: Record) -> dict[str, Any]:
    """The properties as the portal sends them when all are asked for."""
    from sandbox.properties import names

    return portal.reader.render(record, tuple(names(record.object_type)))["properties"]


def vendor_links(portal: Portal, name: str, target: str) -> set[tuple[str, str, str, str, str | None]]:
    """What the portal answers to the associations of its live records."""
    from sandbox.store import label_of

    held = portal.world.store.links[(name, target)]
    return {
        (from_id, to_id, category, str(number), label_of(number))
        for from_id in vendor_living(portal, name)
        for to_id, types in held.get(from_id, {}).items()
        for category, number in types
    }


def assert_same_as_vendor(warehouse: Warehouse, portal: Portal, without: tuple[str, ...] = ()) -> None:
    """The newest landed state of every record is the portal's: alive with these values, archived, merged or erased."""

    def compared(records: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        return {key: {name: v for name, v in held.items() if name not in without} for key, held in records.items()}

    store = portal.world.store
    for name in RECORDS:
        assert compared(warehouse.living(name)) == compared(vendor_living(portal, name)), name
        for record_id, (is_deleted, payload) in warehouse.newest(name).items():
            survivor = store.resolve(name, record_id)
            if (name, record_id) in store.aliases and survivor is not None:
                assert (is_deleted, payload["merged_into"]) == (True, survivor.id), (name, record_id, payload)


def assert_links_and_history(warehouse: Warehouse, portal: Portal) -> None:
    """Links of living records, and the history that the portal tells, are landed."""
    for stream in STREAMS:
        alive = set(warehouse.living(stream.name))
        for target in stream.links:
            found = {row for row in warehouse.links(stream.name, target) if row[0] in alive}
            assert found == vendor_links(portal, stream.name, target), (stream.name, target)
        if not stream.history:
            continue
        landed = warehouse.query(f"select record_id, property, value from raw.hubspot__{stream.name}_history")
        for record in portal.world.store.records[stream.name].values():
            if record.archived_at is None:
                wanted = {(record.id, p, c.value or "") for p in stream.history for c in record.revisions(p)}
                assert wanted <= set(landed)


def some(portal: Portal, name: str, count: int = 1, skip: int = 0) -> list[Record]:
    """Live records in the order of their ids."""
    found = [row for row in portal.world.store.records[name].values() if row.archived_at is None]
    return sorted(found, key=lambda row: int(row.id))[skip : skip + count]


def change(portal: Portal, name: str, count: int = 1, skip: int = 0, **values: str | None) -> list[str]:
    """Change that many live records; their ids."""
    chosen = some(portal, name, count, skip)
    for record in chosen:
        portal.world.store.change(record, portal.world.stamp(), dict(values))
    return [record.id for record in chosen]
