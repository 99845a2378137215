"""What there is to read in HubSpot, as data: stamps, histories, scopes, and the properties that are not content."""

from __future__ import annotations

from dataclasses import dataclass

from ingestion.objects import ACTIVITIES, HUBSPOT

SOURCE = "hubspot"
REQUIRED = frozenset({"deals", "contacts", "companies", "owners", "pipelines"})

DEAL_HISTORY = (
    "dealstage", "pipeline", "amount", "deal_currency_code", "closedate", "hubspot_owner_id",
    "hs_manual_forecast_category", "hs_next_step", "closed_lost_reason", "dealtype",
)  # fmt: skip
PERSON_HISTORY = ("lifecyclestage", "hs_lead_status", "hs_pipeline_stage", "hubspot_owner_id", "hs_latest_source")
CONTACT_HISTORY = (*PERSON_HISTORY, "email", "jobtitle", "hs_email_hard_bounce_reason_enum")
COMPANY_HISTORY = ("industry", "numberofemployees", "hubspot_owner_id")

# Regular expressions of names whose change makes no new version: the stamp, and what the vendor counts by itself.
STAMPS = ("hs_lastmodifieddate", "lastmodifieddate")
COUNTERS = (
    "num_notes",
    "num_contacted_notes",
    "num_associated_[a-z_]+",
    "hs_num_[a-z0-9_]+",
    "(hs_)?days_to_close(_raw)?",
    "hs_time_(in|to|since|between)_[a-z0-9_]+",
    "hs_v2_(cumulative|latest)_time_in_[a-z0-9_]+",
)
WEB_COUNTERS = ("hs_analytics_num_[a-z_]+", "hs_predictive[a-z_]+", "hs_email_(open|click|delivered|replied)")


@dataclass(frozen=True)
class Stream:
    """One CRM object type that is listed, searched and read in batches."""

    name: str
    scope: str
    stamp: str = "hs_lastmodifieddate"
    history: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    volatile: tuple[str, ...] = STAMPS + COUNTERS
    can_merge: bool = False
    id_scan: str = "weekly"


_LINKS = {entry.name: entry.links for entry in HUBSPOT}

STREAMS = (
    Stream("deals", "crm.objects.deals.read", history=DEAL_HISTORY, links=_LINKS["deals"], can_merge=True,
           id_scan="nightly"),
    Stream("contacts", "crm.objects.contacts.read", stamp="lastmodifieddate", history=CONTACT_HISTORY,
           links=_LINKS["contacts"], volatile=STAMPS + COUNTERS + WEB_COUNTERS, can_merge=True, id_scan="nightly"),
    Stream("companies", "crm.objects.companies.read", history=COMPANY_HISTORY,
           volatile=STAMPS + COUNTERS + WEB_COUNTERS, can_merge=True, id_scan="nightly"),
    Stream("leads", "crm.objects.leads.read", history=PERSON_HISTORY, links=_LINKS["leads"]),
    Stream("line_items", "crm.objects.line_items.read"),
    *(
        Stream(name, "sales-email-read" if name == "emails" else "crm.objects.contacts.read", links=_LINKS[name])
        for name in ACTIVITIES
    ),
)  # fmt: skip


@dataclass(frozen=True)
class SmallList:
    """An object that is read whole every night."""

    name: str
    path: str
    scope: str
    both_passes: bool = False  # archived ones are only in a listing of their own


SMALL_LISTS = (
    SmallList("owners", "/crm/v3/owners", "crm.objects.owners.read", both_passes=True),
    SmallList("pipelines", "/crm/v3/pipelines/deals", "crm.objects.deals.read"),
    SmallList("lead_pipelines", "/crm/v3/pipelines/leads", "crm.objects.leads.read"),
)
ACCOUNT_INFO = "/account-info/v3/details"
SCOPES = {stream.name: stream.scope for stream in STREAMS}
SCOPES |= {small.name: small.scope for small in SMALL_LISTS} | {"account_info": "oauth"}
