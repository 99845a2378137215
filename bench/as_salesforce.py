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

LEADS = "a lead is a person of its own until it is converted: that many records more, and other duplicates"
ENTRY = "the org does not say how a record came in"
TRACKED = "which fields are tracked nobody says: what was never changed is taken from the landed versions"
DRAWN = "drawn anew by the deals' keys, which are others"
EXCEPTED: tuple[Excepted, ...] = (
    Excepted("pipeline.contact_identities", (), LEADS),
    Excepted("pipeline.contact_field_sources", (), LEADS),
    Excepted("pipeline.contact_pairs", (), LEADS),
    Excepted("kpi.duplicate_worklist", (), LEADS),
    Excepted("kpi.contact_quality", (), LEADS),
    Excepted("kpi.new_duplicates", (), LEADS),
    Excepted("pipeline.contacts", ("source_ids", "record_count", "owner_key", "created_at"), LEADS),
    Excepted("pipeline.contacts", ("lifecycle_stage",), "who is a lead only has no field of a contact"),
    Excepted("pipeline.contacts", ("decay_status", "verified_at"), ENTRY),
    Excepted("pipeline.contact_verifications", (), ENTRY, where="kind = 'created'"),
    Excepted("kpi.contact_decay", (), ENTRY),
    Excepted("kpi.contact_decay_curve", (), ENTRY),
    Excepted(
        "pipeline.activities", ("occurred_at",), "a to-do is due on a day, without a time", "activity_type = 'task'"
    ),
    Excepted(
        "pipeline.activities",
        ("settled_at",),
        "called off when the event was stamped last, also by a change of whom it is about",
        "activity_type = 'meeting'",
    ),
    Excepted("pipeline.deal_changes", ("changed_through",), "the org does not say how a field was changed"),
    Excepted(
        "kpi.selling_time",
        ("typed_edit_count", "typed_edit_share", "typed_edits_per_won_deal"),
        "the org does not say how a field was changed",
    ),
    Excepted("pipeline.deal_versions", ("is_reconstructed",), TRACKED),
    Excepted("pipeline.deal_changes", ("is_reconstructed",), TRACKED),
    Excepted("pipeline.deal_episodes", ("is_reconstructed",), TRACKED),
    Excepted("pipeline.deal_field_versions", ("is_reconstructed",), TRACKED),
    Excepted("kpi.crm_rule_results", ("is_reconstructed",), TRACKED),
    Excepted("kpi.crm_rules", ("reconstructed_count",), TRACKED),
    Excepted("kpi.hygiene_worklist", ("is_reconstructed",), TRACKED),
    Excepted("kpi.hygiene_worklist", ("detail",), ENTRY, "rule_id = 'M31'"),
    Excepted("pipeline.deals", ("url",), "the address of the record"),
    Excepted("kpi.hygiene_worklist", ("record_url",), "the address of the record"),
    Excepted("kpi.data_quality_issues", (), "names the stage by its id", "object = 'stages'"),
    Excepted("kpi.win_rate", ("win_rate_by_value_low", "win_rate_by_value_high"), DRAWN),
    Excepted("kpi.yield", ("value_yield_low", "value_yield_high"), DRAWN),
)


def prepare(world: World) -> None:
    """Left out: merges of deals, which no org has, and leads whose person was taken away."""
    store = world.store
    for key in [key for key in store.absorbed if key[0] == "deals"]:
        del store.absorbed[key]
    for lead in store.records["leads"].values():
        for contact_id in store.linked("leads", lead.id, "contacts"):
            if person := store.resolve("contacts", contact_id):
                person.archived_at = None


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
    ids |= {("user", org_id("User", int(owner.id))): owner.id for owner in world.owners}
    ids |= {("pipeline label", "default"): PIPELINES["leads"][0].label}
    ids |= {("stage", stage.label): stage.id for stage in DEAL_STAGES.values()}
    ids |= {("pipeline", record_type(one.id) or ""): one.id for one in PIPELINES["deals"]}
    return Names("salesforce", ids)
