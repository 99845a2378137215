"""HubSpot's paths from before v3, which the Singer tap and older loaders still read, and objects that nobody here uses.

Deals and companies carry each property as an object with its instant; engagements are one list of five activities; mail
campaigns, forms, lists, workflows and tickets are answered as in a portal that has none.
"""

from __future__ import annotations

import bisect
from typing import Any

import orjson

from sandbox.catalogue import ACTIVITIES, MODIFIED, PIPELINES, Pipeline
from sandbox.properties import definitions
from sandbox.servers.answers import Answer, bad_request, not_found
from sandbox.servers.hubspot_read import Query, Reader, no_links_error
from sandbox.store import Record, instant_of

_STAMPED = "createdate hs_lastmodifieddate hs_object_id "
_DATED = "hs_createdate hs_lastmodifieddate hs_object_id "
# objects that the portal could have: the properties that every portal has of them
UNUSED = {
    "tickets": _STAMPED + "content hs_pipeline hs_pipeline_stage hs_ticket_category hs_ticket_priority subject",
    "products": _STAMPED + "description name price",
    "quotes": _DATED + "hs_expiration_date hs_public_url_key hs_status hs_title",
    "feedback_submissions": _DATED + "hs_content hs_ingestion_id hs_response_group hs_submission_timestamp "
    "hs_survey_channel hs_survey_id hs_survey_name hs_survey_type hs_value",
} | dict.fromkeys(("carts", "discounts", "fees", "invoices", "commerce_payments", "taxes"), _DATED)
_SPELLINGS = (
    {name: name for name in UNUSED} | {name[:-1]: name for name in UNUSED} | {"0-5": "tickets", "0-7": "products"}
)
_NUMBERS = {"contacts": "associatedVids", "companies": "associatedCompanyIds", "deals": "associatedDealIds"}


def legacy(reader: Reader, method: str, segments: list[str], query: Query, raw: bytes) -> Answer | None:
    """The answer of an old path or of an unused object; None for every other path."""
    match method, segments:
        case "GET", ["properties", "v1" | "v2", spelling, "properties"] if spelling not in _SPELLINGS:
            return Answer(200, list(definitions(reader.object_type(spelling))))
        case "GET", ["companies", "v2", "properties"]:
            return Answer(200, list(definitions("companies")))
        case "GET", ["deals", "v1", "deal", "paged"]:
            return _paged(reader, "deals", query, "hasMore")
        case "GET", ["companies", "v2", "companies", "paged"]:
            return _paged(reader, "companies", query, "has-more")
        case "GET", ["companies", "v2", "companies", key]:
            record = reader.find("companies", key)
            if record is None or record.archived_at is not None:
                raise not_found("resource not found")
            return Answer(200, _old_form(reader, record, None, True))
        case "GET", ["deals", "v1", "pipelines"]:
            return Answer(200, [_pipeline(pipeline, place) for place, pipeline in enumerate(PIPELINES["deals"])])
        case "GET", ["engagements", "v1", "engagements", "paged"]:
            return _engagements(reader, query)
        case "GET", ["engagements", "v1", "engagements", "modified", "after"]:
            return _engagements_after(reader, query)
    return _unused(reader, method, segments, raw)


def _unused(reader: Reader, method: str, segments: list[str], raw: bytes) -> Answer | None:
    """What a portal without tickets, lists, forms and mailings says."""
    nothing: dict[tuple[str, ...], Any] = {
        ("email", "public", "v1", "campaigns", "by-id"): {"campaigns": [], "hasMore": False, "offset": ""},
        ("email", "public", "v1", "subscriptions", "timeline"): {"timeline": [], "hasMore": False, "offset": ""},
        ("email", "public", "v1", "events"): {"events": [], "hasMore": False, "offset": ""},
        ("forms", "v2", "forms"): [],
        ("automation", "v3", "workflows"): {"workflows": []},
    }
    match method, segments:
        case "POST", ["crm", "v3", "lists", "search"]:
            return Answer(200, {"lists": [], "hasMore": False, "offset": 0, "total": 0})
        case "GET", ["crm", "v3", "lists", key, "memberships"]:
            raise not_found(f"List {key} does not exist")
        case "GET", ["crm", _, "properties", spelling] if spelling in _SPELLINGS:
            return Answer(200, {"results": _definitions(_SPELLINGS[spelling])})
        case "GET", ["properties", "v1" | "v2", spelling, "properties"]:
            return Answer(200, _definitions(_SPELLINGS[spelling]))
        case "GET", ["crm", "v3", "pipelines", spelling] if spelling in _SPELLINGS:
            return Answer(200, {"results": []})
        case "GET", ["crm", _, "objects", spelling] if spelling in _SPELLINGS:
            return Answer(200, {"results": []})
        case "POST", ["crm", _, "objects", spelling, "search"] if spelling in _SPELLINGS:
            return Answer(200, {"total": 0, "results": []})
        case "POST", ["crm", "v3" | "v4", "associations", source, target, "batch", "read"] if (
            source in _SPELLINGS or target in _SPELLINGS
        ):
            inputs = orjson.loads(raw).get("inputs") or []
            return reader.multi([], [no_links_error(str(entry["id"]), source, target) for entry in inputs])
        case "GET", _ if tuple(segments) in nothing:
            return Answer(200, nothing[tuple(segments)])
    return None


def _definitions(object_type: str) -> list[dict[str, Any]]:
    """Properties of an unused object, described as those of deals are."""
    model = next(entry for entry in definitions("deals") if entry["name"] == "description")
    return [{**model, "name": name, "label": name, "groupName": object_type} for name in UNUSED[object_type].split()]


def _paged(reader: Reader, object_type: str, query: Query, more_key: str) -> Answer:
    """GET /deals/v1/deal/paged, /companies/v2/companies/paged: by id, `offset` is the last one."""
    limit, offset = query.number("limit", 100, 250), query.one("offset", "0")
    if not offset.isdigit():
        raise bad_request(f"Invalid offset {offset!r}")
    ids = reader.ids(object_type, False)
    start = bisect.bisect_right(ids, int(offset))
    chosen = [reader.world.store.records[object_type][str(number)] for number in ids[start : start + limit]]
    names = None if query.flag("includeAllProperties") else query.many("properties")
    rows = [_old_form(reader, record, names, query.flag("includeAssociations")) for record in chosen]
    last = int(chosen[-1].id) if chosen else int(offset)
    return Answer(200, {object_type: rows, more_key: start + limit < len(ids), "offset": last})


def _old_form(reader: Reader, record: Record, names: list[str] | None, with_links: bool) -> dict[str, Any]:
    """A deal or company of v1 and v2: numbers for ids, an object for each value; `names` None: every property."""
    key = {"deals": "dealId", "companies": "companyId"}[record.object_type]
    chosen = record.properties if names is None else [name for name in names if name in record.properties]
    values = {name: _value(record, name) for name in chosen if record.properties[name] is not None}
    body = {"portalId": 62_515_100 + reader.world.seed, key: int(record.id), "isDeleted": False, "properties": values}
    if record.object_type == "deals":
        body["associations"] = (
            _numbers(reader, record, _NUMBERS) if with_links else {name: [] for name in _NUMBERS.values()}
        )
    return body


def _value(record: Record, name: str) -> dict[str, Any]:
    last = record.revisions(name)[-1]
    at = record.updated_at if name == MODIFIED[record.object_type] else last.at
    by = "" if last.user is None else f"userId:{last.user}"
    return {"value": record.properties[name], "timestamp": at, "source": last.source, "sourceId": by, "versions": []}


def _numbers(reader: Reader, record: Record, named: dict[str, str]) -> dict[str, list[int]]:
    """Ids of what a record is linked to, by the name that the old path has for them."""
    linked = reader.world.store.linked
    return {name: [int(key) for key in linked(record.object_type, record.id, kind)] for kind, name in named.items()}


def _pipeline(pipeline: Pipeline, place: int) -> dict[str, Any]:
    stages = [
        {"stageId": stage.id, "label": stage.label, "probability": float(stage.probability), "active": True,
         "displayOrder": order, "closedWon": stage.is_won}
        for order, stage in enumerate(pipeline.stages)
    ]  # fmt: skip
    named = {"pipelineId": pipeline.id, "label": pipeline.label, "active": True, "displayOrder": place}
    return named | {"staticDefault": pipeline.id == "default", "stages": stages}


def _all_engagements(reader: Reader) -> list[Record]:
    found = (row for kind in ACTIVITIES for row in reader.world.store.records[kind].values())
    return [row for row in found if row.archived_at is None]


def _engagements(reader: Reader, query: Query) -> Answer:
    """GET /engagements/v1/engagements/paged: by id."""
    limit, offset = query.number("limit", 100, 250), int(query.one("offset", "0"))
    left = sorted((row for row in _all_engagements(reader) if int(row.id) > offset), key=lambda row: int(row.id))
    rows = [_engagement(reader, row) for row in left[:limit]]
    last = int(left[:limit][-1].id) if rows else offset
    return Answer(200, {"results": rows, "hasMore": len(left) > limit, "offset": last})


def _engagements_after(reader: Reader, query: Query) -> Answer:
    """GET /engagements/v1/engagements/modified/after: `after` is an instant at first, then the cursor of the answer."""
    limit = query.number("limit", 100, 250)
    at, _, key = query.one("after", "0").partition("_")
    since = (int(at), int(key or -1))
    left = sorted((row.updated_at, int(row.id), row) for row in _all_engagements(reader))
    left = [entry for entry in left if entry[:2] > since]
    rows = [_engagement(reader, row) for _, _, row in left[:limit]]
    after = f"{left[:limit][-1][0]}_{left[:limit][-1][1]}" if rows else query.one("after", "0")
    return Answer(200, {"results": rows, "hasMore": len(left) > limit, "after": after})


def _engagement(reader: Reader, record: Record) -> dict[str, Any]:
    values, kind = record.properties, record.object_type[:-1].upper()
    owner = values.get("hubspot_owner_id") or ""
    when = instant_of(values.get("hs_timestamp")) or record.created_at
    linked = {"contacts": "contactIds", "companies": "companyIds", "deals": "dealIds"}
    texts = {"NOTE": ("body", "hs_note_body"), "TASK": ("subject", "hs_task_subject"),
             "MEETING": ("title", "hs_meeting_title"), "EMAIL": ("subject", "hs_email_subject"),
             "CALL": ("title", "hs_call_title")}  # fmt: skip
    return {
        "engagement": {
            "id": int(record.id), "portalId": 62_515_100 + reader.world.seed, "active": True, "type": kind,
            "createdAt": record.created_at, "lastUpdated": record.updated_at, "timestamp": when,
            "ownerId": int(owner) if owner.isdigit() else None,
        },
        "associations": _numbers(reader, record, linked) | {"ownerIds": [], "workflowIds": []},
        "attachments": [],
        "metadata": {texts[kind][0]: values.get(texts[kind][1])},
    }  # fmt: skip
