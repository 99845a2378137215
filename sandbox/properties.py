"""The property definitions of the practice portal, one compact line each. Data and one expansion function."""

from __future__ import annotations

from functools import cache

from sandbox.catalogue import ACTIVITIES, PIPELINES, SPELLINGS

# name:type[:enumeration values by |]; `*` in front marks a custom property, `=` a calculated one
_COMMON = "=hs_object_id:number hs_object_source:enumeration hs_object_source_id:string hs_created_by_user_id:number "
_OWNER = "hubspot_owner_id:enumeration "
_ACTIVITY = _COMMON + _OWNER + "hs_timestamp:datetime =hs_createdate:datetime =hs_lastmodifieddate:datetime "
_CREATED = "createdate:datetime =hs_lastmodifieddate:datetime "
_MERGED = "=hs_merged_object_ids:enumeration "
_SOURCES = "PAID_SEARCH|ORGANIC_SEARCH|EMAIL_MARKETING|REFERRALS|OFFLINE|DIRECT_TRAFFIC|PAID_SOCIAL"
_PROPERTIES = {
    "deals": _COMMON + _OWNER + _CREATED + _MERGED + "dealname:string dealstage:enumeration pipeline:enumeration "
    "amount:number deal_currency_code:enumeration:SEK closedate:datetime "
    "hs_manual_forecast_category:enumeration:OMIT|PIPELINE|BEST_CASE|COMMIT|CLOSED hs_next_step:string "
    "closed_lost_reason:string dealtype:enumeration:newbusiness|existingbusiness "
    f"hs_analytics_source:enumeration:{_SOURCES} =hs_acv:number =hs_tcv:number =hs_mrr:number "
    "=hs_is_closed:bool =hs_is_closed_won:bool description:string hs_priority:enumeration:low|medium|high "
    "*campaign:string *competitor:string *contract_term_months:number "
    "*next_step_date:date *legal_terms_date:date *signed_date:date",
    "contacts": _COMMON
    + _OWNER
    + "createdate:datetime =lastmodifieddate:datetime "
    + _MERGED
    + "=hs_calculated_merged_vids:string email:string firstname:string lastname:string phone:phone_number "
    "mobilephone:phone_number jobtitle:string company:string country:string city:string "
    "lifecyclestage:enumeration:subscriber|lead|marketingqualifiedlead|salesqualifiedlead|opportunity|customer "
    "hs_lead_status:enumeration:NEW|OPEN|IN_PROGRESS|CONNECTED|UNQUALIFIED "
    f"hs_latest_source:enumeration:{_SOURCES} hs_analytics_source:enumeration:{_SOURCES} "
    "hs_email_hard_bounce_reason_enum:enumeration:UNKNOWN_USER|MAILBOX_FULL|OTHER "
    "*campaign:string *buying_role:enumeration:Decision maker|Champion|User",
    "companies": _COMMON + _OWNER + _CREATED + _MERGED + "name:string domain:string industry:enumeration "
    "numberofemployees:number annualrevenue:number country:string city:string hs_parent_company_id:number "
    "*segment:enumeration:Enterprise|Mid-market|SMB *organisation_number:string *salesops_enrichment:string",
    "leads": _COMMON + _OWNER + "=hs_createdate:datetime =hs_lastmodifieddate:datetime hs_lead_name:string "
    "hs_pipeline:enumeration hs_pipeline_stage:enumeration hs_lead_type:enumeration:NEW_BUSINESS|UPSELL|RE_ATTEMPTING "
    f"hs_lead_label:enumeration:WARM|HOT|COLD hs_lead_source:enumeration:{_SOURCES} "
    "hs_lead_disqualification_reason:string *campaign:string",
    "line_items": _COMMON + _CREATED + "name:string quantity:number price:number =amount:number "
    "discount:number hs_discount_percentage:number hs_cost_of_goods_sold:number "
    "hs_recurring_billing_start_date:date hs_recurring_billing_period:string =hs_term_in_months:number "
    "recurringbillingfrequency:enumeration:annually|monthly hs_product_id:string "
    "=hs_acv:number =hs_tcv:number =hs_mrr:number",
    "calls": _ACTIVITY + "hs_call_title:string hs_call_body:string hs_call_direction:enumeration:INBOUND|OUTBOUND "
    "hs_call_disposition:enumeration hs_call_duration:number hs_call_status:enumeration:COMPLETED|NO_ANSWER|BUSY "
    "hs_call_from_number:string hs_call_to_number:string",
    "emails": _ACTIVITY + "hs_email_subject:string hs_email_text:string "
    "hs_email_direction:enumeration:EMAIL|INCOMING_EMAIL|FORWARDED_EMAIL hs_email_status:enumeration:SENT|BOUNCED "
    "hs_email_from_email:string hs_email_to_email:string hs_email_headers:string hs_email_thread_id:string "
    "hs_sequence_id:number",
    "meetings": _ACTIVITY + "hs_meeting_title:string hs_meeting_body:string "
    "hs_meeting_outcome:enumeration:SCHEDULED|COMPLETED|NO_SHOW|CANCELED hs_meeting_start_time:datetime "
    "hs_meeting_end_time:datetime hs_activity_type:string",
    "notes": _ACTIVITY + "hs_note_body:string hs_attachment_ids:string",
    "tasks": _ACTIVITY + "hs_task_subject:string hs_task_body:string "
    "hs_task_status:enumeration:NOT_STARTED|IN_PROGRESS|WAITING|DEFERRED|COMPLETED "
    "hs_task_priority:enumeration:LOW|MEDIUM|HIGH hs_task_type:enumeration:TODO|CALL|EMAIL "
    "hs_task_completion_date:datetime",
}
_FIELD_TYPES = {
    "string": "text",
    "number": "number",
    "datetime": "date",
    "date": "date",
    "enumeration": "select",
    "bool": "booleancheckbox",
    "phone_number": "phonenumber",
}
ARCHIVED_PROPERTIES = {"deals": "*legacy_score:number"}


def _definition(object_type: str, spec: str, archived: bool) -> dict[str, object]:
    name, kind, *values = spec.lstrip("*=").split(":")
    options = values[0].split("|") if values else []
    if name in ("pipeline", "hs_pipeline"):
        options = [pipeline.id for pipeline in PIPELINES[object_type]]
    if name in ("dealstage", "hs_pipeline_stage"):
        options = [stage.id for pipeline in PIPELINES[object_type] for stage in pipeline.stages]
    return {
        "name": name,
        "label": name.removeprefix("hs_").replace("_", " ").capitalize(),
        "description": "",
        "groupName": f"{object_type}_information",
        "type": kind,
        "fieldType": _FIELD_TYPES[kind],
        "options": [
            {"label": value, "value": value, "displayOrder": order, "hidden": False}
            for order, value in enumerate(options)
        ],
        "calculated": spec.startswith("="),
        "hasUniqueValue": name == "hs_object_id",
        "hidden": False,
        "archived": archived,
        "hubspotDefined": not spec.startswith("*"),
        "formField": False,
        "displayOrder": -1,
        "externalOptions": name == "hubspot_owner_id",
        "createdAt": "2019-08-06T02:41:08.029Z",
        "updatedAt": "2024-09-12T09:15:00.000Z",
        "modificationMetadata": {
            "archivable": spec.startswith("*"),
            "readOnlyDefinition": not spec.startswith("*"),
            "readOnlyValue": spec.startswith("="),
        },
    }


@cache
def definitions(object_type: str, archived: bool = False) -> tuple[dict[str, object], ...]:
    """Every property of one object type, in the vendor's shape."""
    text = ARCHIVED_PROPERTIES.get(object_type, "") if archived else _PROPERTIES[object_type]
    return tuple(_definition(object_type, spec, archived) for spec in _split(text))


def _split(text: str) -> list[str]:
    """Specs by blanks; an enumeration value may hold a blank itself ('Decision maker')."""
    specs: list[str] = []
    for word in text.split():
        if ":" in word:
            specs.append(word)
        else:
            specs[-1] += f" {word}"
    return specs


@cache
def names(object_type: str) -> frozenset[str]:
    """Names of the live properties of one object type."""
    return frozenset(str(entry["name"]) for entry in definitions(object_type))


assert set(_PROPERTIES) == set(SPELLINGS.values()) and set(ACTIVITIES) <= set(_PROPERTIES)
