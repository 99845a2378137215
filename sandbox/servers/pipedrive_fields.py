"""The practice company's Pipedrive set-up as data: pipelines, stages, activity types, fields with 40-character keys."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from typing import Any

from sandbox.catalogue import PIPELINES, Stage
from sandbox.names import INDUSTRIES

SETUP_TIME = "2019-08-06T02:41:08Z"
_SOURCES = (
    "PAID_SEARCH", "ORGANIC_SEARCH", "EMAIL_MARKETING", "REFERRALS", "OFFLINE", "DIRECT_TRAFFIC", "PAID_SOCIAL",
)  # fmt: skip
_LIFECYCLES = ("subscriber", "lead", "marketingqualifiedlead", "salesqualifiedlead", "opportunity", "customer")
ACTIVITY_TYPES = {"calls": "call", "meetings": "meeting", "tasks": "task", "emails": "email"}


@dataclass(frozen=True)
class Field:
    """A field of the company. `property`: what the practice company's records call it."""

    name: str
    property: str
    type: str = "varchar"
    options: tuple[str, ...] = ()
    code: str = ""  # of a built-in field

    @property
    def key(self) -> str:
        return self.code or hashlib.sha1(f"practice:{self.name}:{self.property}".encode()).hexdigest()

    def option(self, value: str) -> int | None:
        return 100 + self.options.index(value) if value in self.options else None


CUSTOM = {
    "deals": (
        Field("Lead source", "hs_analytics_source", "enum", _SOURCES),
        Field("Campaign", "campaign"),
        Field("Competitor", "competitor"),
        Field("Contract term (months)", "contract_term_months", "double"),
        Field("Next step", "hs_next_step"),
        Field("Next step date", "next_step_date", "date"),
        Field("Legal terms date", "legal_terms_date", "date"),
        Field("Signed date", "signed_date", "date"),
        Field("Forecast category", "hs_manual_forecast_category", "enum",
              ("OMIT", "PIPELINE", "BEST_CASE", "COMMIT", "CLOSED")),
        Field("Deal type", "dealtype", "enum", ("newbusiness", "existingbusiness")),
    ),
    "persons": (
        Field("Lifecycle stage", "lifecyclestage", "enum", _LIFECYCLES),
        Field("Lead status", "hs_lead_status", "enum", ("NEW", "OPEN", "IN_PROGRESS", "CONNECTED", "UNQUALIFIED")),
        Field("Lead source", "hs_analytics_source", "enum", _SOURCES),
        Field("Latest source", "hs_latest_source", "enum", _SOURCES),
        Field("Campaign", "campaign"),
        Field("Country", "country"),
        Field("City", "city"),
        Field("Bounce reason", "hs_email_hard_bounce_reason_enum", "enum", ("UNKNOWN_USER", "MAILBOX_FULL", "OTHER")),
        Field("Buying role", "buying_role", "enum", ("Decision maker", "Champion", "User")),
    ),
    "organizations": (
        Field("Industry", "industry", "enum", tuple(INDUSTRIES)),
        Field("Employees", "numberofemployees", "double"),
        Field("Annual revenue", "annualrevenue", "monetary"),
        Field("Segment", "segment", "enum", ("Enterprise", "Mid-market", "SMB")),
        Field("Enriched from", "salesops_enrichment", "text"),
        Field("Organisation number", "organisation_number"),
    ),
    "activities": (),
    "products": (),
    "notes": (),
}  # fmt: skip
BUILT_IN = {
    "deals": (
        Field("Title", "dealname", code="title"),
        Field("Value", "amount", "monetary", code="value"),
        Field("Currency", "deal_currency_code", code="currency"),
        Field("Owner", "hubspot_owner_id", "user", code="user_id"),
        Field("Stage", "dealstage", "stage", code="stage_id"),
        Field("Pipeline", "pipeline", "double", code="pipeline_id"),
        Field("Status", "", "enum", ("open", "won", "lost", "deleted"), code="status"),
        Field("Expected close date", "closedate", "date", code="expected_close_date"),
        Field("Lost reason", "closed_lost_reason", code="lost_reason"),
    ),
    "persons": (
        Field("Name", "firstname", code="name"),
        Field("Email", "email", code="email"),
        Field("Phone", "phone", "phone", code="phone"),
        Field("Job title", "jobtitle", code="job_title"),
        Field("Owner", "hubspot_owner_id", "user", code="owner_id"),
    ),
    "organizations": (
        Field("Name", "name", code="name"),
        Field("Website", "domain", code="website"),
        Field("Address", "", "address", code="address"),
        Field("Owner", "hubspot_owner_id", "user", code="owner_id"),
    ),
    "activities": (Field("Type", "", code="type"), Field("Done", "", code="done")),
    "products": (Field("Name", "name", code="name"),),
    "notes": (Field("Content", "hs_note_body", code="content"), Field("Deal", "", "deal", code="deal_id")),
}
_STAGES = [(number, stage) for number, pipeline in enumerate(PIPELINES["deals"], 1) for stage in pipeline.open_stages]
STAGE_IDS = {stage.id: place for place, (_, stage) in enumerate(_STAGES, 1)}
PIPELINE_IDS = {pipeline.id: number for number, pipeline in enumerate(PIPELINES["deals"], 1)}
FIRST_STAGE = {pipeline.id: STAGE_IDS[pipeline.open_stages[0].id] for pipeline in PIPELINES["deals"]}


def pipelines() -> list[dict[str, Any]]:
    """GET /api/v2/pipelines"""
    return [
        {"id": number, "name": pipeline.label, "order_nr": number, "is_deleted": False,
         "is_deal_probability_enabled": True, "add_time": SETUP_TIME, "update_time": SETUP_TIME}
        for number, pipeline in enumerate(PIPELINES["deals"], 1)
    ]  # fmt: skip


def stages() -> list[dict[str, Any]]:
    """GET /api/v2/stages: open ones only, won and lost are a deal's status."""
    return [_stage(place, pipeline_id, stage) for place, (pipeline_id, stage) in enumerate(_STAGES, 1)]


def _stage(place: int, pipeline_id: int, stage: Stage) -> dict[str, Any]:
    return {
        "id": place, "order_nr": place, "name": stage.label, "is_deleted": False, "pipeline_id": pipeline_id,
        "deal_probability": round(float(stage.probability) * 100), "is_deal_rot_enabled": False, "days_to_rotten": None,
        "add_time": SETUP_TIME, "update_time": SETUP_TIME,
    }  # fmt: skip


def activity_types() -> list[dict[str, Any]]:
    """GET /v1/activityTypes"""
    return [
        {"id": place, "order_nr": place, "name": key.capitalize(), "key_string": key, "icon_key": key,
         "active_flag": True, "is_custom_flag": False, "add_time": _v1(SETUP_TIME), "update_time": None}
        for place, key in enumerate((*ACTIVITY_TYPES.values(), "deadline", "lunch"), 1)
    ]  # fmt: skip


@cache
def fields_v2(name: str) -> list[dict[str, Any]]:
    """GET /api/v2/{x}Fields"""
    return [
        {"field_code": _code_v2(field), "field_name": field.name, "field_type": field.type,
         "is_custom_field": not field.code, "is_optional_response_field": False, "subfields": None,
         "options": [{"id": field.option(o), "label": o, "color": None} for o in field.options] or None}
        for field in (*BUILT_IN[name], *CUSTOM[name])
    ]  # fmt: skip


def _code_v2(field: Field) -> str:
    return {"user_id": "owner_id"}.get(field.code, field.key)


@cache
def fields_v1(name: str) -> list[dict[str, Any]]:
    """GET /v1/{x}Fields"""
    return [
        {"id": 12_000 + place, "key": field.key, "name": field.name, "field_type": field.type, "order_nr": place,
         "edit_flag": not field.code, "active_flag": True, "is_subfield": False, "mandatory_flag": False,
         "add_time": _v1(SETUP_TIME), "update_time": _v1(SETUP_TIME)}
        | ({"options": [{"id": field.option(o), "label": o} for o in field.options]} if field.options else {})
        for place, field in enumerate((*BUILT_IN[name], *CUSTOM[name]), 1)
    ]  # fmt: skip


def _v1(stamp: str) -> str:
    return stamp.replace("T", " ").removesuffix("Z")
