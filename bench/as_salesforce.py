"""The practice company as a Salesforce org, for `bench.same_company`: how it is read, its ids, what it cannot hold."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from bench.same_company import Excepted, Names, must_be_read
from ingestion.salesforce import SalesforceSource, sync_salesforce
from ingestion.salesforce_client import Login
from sandbox.catalogue import DEAL_STAGES, PIPELINES
from sandbox.servers.salesforce import CLIENT_ID, CLIENT_SECRET, serve
from sandbox.servers.salesforce_fields import org_id
from sandbox.servers.salesforce_org import NAMES, Org
from sandbox.servers.salesforce_setup import record_type
from sandbox.world import World

EXCEPTED: tuple[Excepted, ...] = ()


def read(world: World, open_connection: Any, folder: Path, now: datetime) -> None:
    with serve(world) as org:
        source = SalesforceSource(Login(CLIENT_ID, CLIENT_SECRET), org.url, folder / "spool")
        try:
            must_be_read(sync_salesforce(open_connection, source, "as salesforce", now))
        finally:
            source.client.close()


def names(world: World) -> Names:
    """A lead's person is the contact that HubSpot has for it; what was merged is the survivor."""
    org, store = Org(world), world.store
    ids: dict[tuple[str, str], str] = {}
    things = {"companies": "company", "contacts": "contact", "deals": "deal", "leads": "lead"}
    things |= {f"{name}s": name for name in ("call", "email", "meeting", "note", "task")}
    for kind, thing in things.items():
        for record in store.records[kind].values():
            ids[thing, org.id_of(record)] = record.id
        ids |= {
            (thing, org_id(NAMES.get(kind, "Task"), int(lost))): lost for name, lost in store.absorbed if name == kind
        }
    for lead in store.records["leads"].values():
        people = store.linked("leads", lead.id, "contacts")
        person = store.resolve("contacts", people[0]) if people else None
        ids["contact", org.id_of(lead)] = person.id if person else lead.id
    ids |= {("owner", org_id("User", int(owner.id))): owner.id for owner in world.owners}
    ids |= {("stage", stage.label): stage.id for stage in DEAL_STAGES.values()}
    ids |= {("pipeline", record_type(one.id) or ""): one.id for one in PIPELINES["deals"]}
    return Names("salesforce", ids)
