"""The practice company as a Pipedrive account, for `bench.same_company`: how it is read, its ids, what it lacks."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from bench.same_company import Excepted, Names, must_be_read
from ingestion.pipedrive import PipedriveSource, sync_pipedrive
from sandbox.catalogue import ACTIVITIES, DEAL_PIPELINES
from sandbox.servers.pipedrive import serve
from sandbox.servers.pipedrive_fields import PIPELINE_IDS, STAGE_IDS
from sandbox.servers.pipedrive_read import Renderer
from sandbox.world import World

CHANGELOG = "of a value that was never changed the changelog says nothing: it stands since the creation"
TOUCHES = "whether a call or a mail was answered, which way it went, and whether a machine made it is not said"
ENTRY = "how a person came in is not said"
BOUNCED = "the past of a person's fields begins with the first night"
LEADS = "leads have no stages, and those that had become a deal are gone"
COST = "the cost of a product is of today"
ROLE = "a person has one role whatever the deal"
DRAWN = "drawn anew by the deals' keys, which are others"
ADDRESS = "the address of the record"
EXCEPTED: tuple[Excepted, ...] = (
    Excepted("pipeline.activities", ("direction", "is_human", "is_two_way", "is_outbound_touch"), TOUCHES),
    Excepted("pipeline.activities", ("outcome",), TOUCHES),
    Excepted("pipeline.activities", ("duration_minutes",), "a call of no length has none", "duration_minutes = 0"),
    Excepted("pipeline.contact_identities", ("entry_channel",), ENTRY),
    Excepted("pipeline.contact_verifications", (), ENTRY, "kind = 'created'"),
    Excepted("pipeline.contact_verifications", (), BOUNCED, "kind = 'bounced'"),
    Excepted("pipeline.contact_verifications", (), TOUCHES, "kind = 'two_way'"),
    Excepted("pipeline.contacts", ("decay_status", "verified_at"), ENTRY),
    Excepted("pipeline.contacts", ("failed_at",), BOUNCED),
    Excepted("kpi.contact_decay", (), ENTRY),
    Excepted("kpi.contact_decay_curve", (), ENTRY),
    Excepted("kpi.contact_quality", (), ENTRY, "dimension = 'entry_channel'"),
    Excepted("kpi.contact_quality", ("decayed_count",), BOUNCED),
    Excepted("kpi.new_duplicates", (), ENTRY),
    Excepted("kpi.duplicate_worklist", ("entry_channel",), ENTRY),
    Excepted("kpi.loss_analysis", ("quiet_days_median", "never_contacted_count"), TOUCHES),
    Excepted("kpi.threading", ("contact_count", "last_touch_date", "is_single_threaded"), TOUCHES),
    Excepted("pipeline.deal_versions", ("is_reconstructed",), CHANGELOG),
    Excepted("pipeline.deal_changes", ("is_reconstructed",), CHANGELOG),
    Excepted("pipeline.deal_episodes", ("is_reconstructed",), CHANGELOG),
    Excepted("pipeline.deal_field_versions", ("is_reconstructed",), CHANGELOG),
    Excepted("kpi.crm_rule_results", ("is_reconstructed",), CHANGELOG),
    Excepted("kpi.crm_rules", ("reconstructed_count",), CHANGELOG),
    Excepted("kpi.hygiene_worklist", ("is_reconstructed",), CHANGELOG),
    Excepted("pipeline.deals", ("url",), ADDRESS),
    Excepted("kpi.hygiene_worklist", ("record_url",), ADDRESS),
    Excepted("pipeline.deals", ("margin_share",), COST),
    Excepted("kpi.customer_profile", ("margin_count", "margin_share"), COST),
    Excepted("pipeline.deal_contacts", ("is_decision_maker",), ROLE),
    Excepted("kpi.decision_maker_coverage", ("named_count", "named_value"), ROLE),
    Excepted("pipeline.leads", (), LEADS),
    Excepted("kpi.lead_funnel", (), LEADS),
    Excepted("kpi.lead_response", (), LEADS),
    Excepted("kpi.signals", (), LEADS, "metric in ('response_within_sla', 'lead_to_sao')"),
    Excepted("kpi.signals", ("series_count", "q_value"), f"{LEADS}: fewer series are looked at"),
    Excepted("kpi.signal_causes", (), LEADS, "metric in ('response_within_sla', 'lead_to_sao')"),
    *(
        Excepted(table, (), why, f"rule_id in ({rules})")
        for table in ("kpi.crm_rule_results", "kpi.crm_rules", "kpi.hygiene_worklist")
        for why, rules in ((TOUCHES, "'R06', 'R11'"), (LEADS, "'R18'"))
    ),
    Excepted("kpi.hygiene_worklist", (), f"{ENTRY}; {TOUCHES}", "rule_id = 'M31'"),
    Excepted("kpi.data_quality_issues", (), "names the stage by its id", "object = 'stages'"),
    Excepted("kpi.data_quality_issues", (), "names what the CRM lacks", "object = 'crm_rules' and field = 'answers'"),
    Excepted("kpi.win_rate", ("win_rate_by_value_low", "win_rate_by_value_high"), DRAWN),
    Excepted("kpi.yield", ("value_yield_low", "value_yield_high"), DRAWN),
)
OUTCOME = "hs_meeting_outcome"
NOT_HELD = {"CANCELED": "NO_SHOW", "RESCHEDULED": "NO_SHOW"}
# every pipeline calls its closed stages Won and Lost
SHARED_NAMES = {("stage label", f"Closed {state}"): state.capitalize() for state in ("won", "lost")}


def prepare(world: World) -> None:
    """Left out: what was merged or taken away before the account was first read, and why a meeting was not held."""
    store = world.store
    for key in [key for key in store.absorbed if key[0] in ("companies", "contacts", "deals")]:
        del store.absorbed[key]
    for kind in ("companies", "contacts", "deals", *ACTIVITIES):
        for record in store.records[kind].values():
            record.archived_at = None
    for meeting in store.records["meetings"].values():
        if OUTCOME in meeting.history:
            meeting.history[OUTCOME] = [
                change._replace(value=NOT_HELD.get(change.value or "", change.value))
                for change in meeting.history[OUTCOME]
            ]
        if meeting.properties.get(OUTCOME) in NOT_HELD:
            meeting.properties[OUTCOME] = "NO_SHOW"


def read(world: World, open_connection: Any, folder: Path, now: datetime) -> None:
    with serve(world) as account:
        source = PipedriveSource(account.token, account.url, folder / "spool")
        try:
            must_be_read(sync_pipedrive(open_connection, source, "as pipedrive", now))
        finally:
            source.session.close()


def names(world: World) -> Names:
    """A merge keeps the id of the record that was kept, where HubSpot makes a new one."""
    renderer, ids = Renderer(world), {}
    for kind, thing in {"companies": "company", "contacts": "contact", "deals": "deal"}.items():
        for record in world.store.records[kind].values():
            ids[thing, str(renderer.shown_id(record))] = record.id
    ids |= {("stage", str(number)): stage for stage, number in STAGE_IDS.items()}
    for pipeline, number in PIPELINE_IDS.items():
        ids["pipeline", str(number)] = pipeline
        ids["stage", f"{number}-won"] = DEAL_PIPELINES[pipeline].won.id
        ids["stage", f"{number}-lost"] = DEAL_PIPELINES[pipeline].lost.id
    for owner in world.owners:
        ids["user", str(owner.id)] = owner.id
    return Names("pipedrive", ids)
