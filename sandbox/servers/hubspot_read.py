"""HubSpot's read endpoints over the practice company: lists, single records, batches, associations, owners, setup."""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from sandbox.catalogue import (
    ASSOCIATION_TYPES,
    CREATED,
    MODIFIED,
    OBJECT_TYPE_IDS,
    PIPELINES,
    SINGULAR,
    SPELLINGS,
    Pipeline,
    Stage,
)
from sandbox.properties import definitions, names
from sandbox.servers.answers import Answer, ApiError, bad_request, not_found
from sandbox.store import Change, Record, iso, label_of
from sandbox.world import Owner, World

DEFAULT_PROPERTIES = {
    "contacts": ("email", "firstname", "lastname"),
    "companies": ("name", "domain"),
    "deals": ("amount", "closedate", "dealname", "dealstage", "pipeline"),
    "leads": ("hs_lead_name",),
    "line_items": ("name", "quantity", "price", "amount"),
}
REVISIONS_KEPT = {"contacts": 45}
SETUP_AT = "2019-08-06T02:41:08.029Z"


@dataclass
class Query:
    """Query parameters, repeated or comma joined."""

    values: dict[str, list[str]]

    def one(self, name: str, default: str = "") -> str:
        return self.values.get(name, [default])[-1]

    def many(self, name: str) -> list[str]:
        return [part.strip() for text in self.values.get(name, []) for part in text.split(",") if part.strip()]

    def flag(self, name: str) -> bool:
        return self.one(name).lower() == "true"

    def number(self, name: str, default: int, most: int) -> int:
        text = self.one(name, str(default))
        if not text.isdigit() or not 1 <= int(text) <= most:
            raise bad_request(f"Invalid {name} {text!r}: it must be between 1 and {most}.")
        return int(text)


class Reader:
    """Renders the records of one world. Every page is computed at its own time: nothing is frozen."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._ids: dict[tuple[str, bool], tuple[int, list[int]]] = {}
        self.association_page = 500

    # records

    def object_type(self, spelling: str) -> str:
        """The plural name for any spelling; 404 for a type that the portal does not have."""
        try:
            return SPELLINGS[spelling]
        except KeyError:
            raise not_found(f"Unable to infer object type from: {spelling}") from None

    def ids(self, object_type: str, archived: bool) -> list[int]:
        """Ids in order of number, live or archived ones."""
        store = self.world.store
        known = self._ids.get((object_type, archived))
        if known is None or known[0] != store.membership[object_type]:
            found = [int(key) for key, row in store.records[object_type].items() if bool(row.archived_at) == archived]
            known = self._ids[(object_type, archived)] = (store.membership[object_type], sorted(found))
        return known[1]

    def wanted(self, object_type: str, asked: list[str]) -> tuple[str, ...]:
        """Property names to send: those asked for and known (or the default ones), and the three always sent."""
        chosen = asked or DEFAULT_PROPERTIES.get(object_type, ())
        known = names(object_type)
        always = (CREATED[object_type], MODIFIED[object_type], "hs_object_id")
        return tuple(dict.fromkeys((*(name for name in chosen if name in known), *always)))

    def render(self, record: Record, wanted: tuple[str, ...], history: list[str] | None = None) -> dict[str, Any]:
        """One record in the vendor's shape."""
        values = record.properties
        body: dict[str, Any] = {
            "id": record.id,
            "properties": {name: values.get(name) for name in wanted},
            "createdAt": values[CREATED[record.object_type]],
            "updatedAt": values[MODIFIED[record.object_type]],
            "archived": record.archived_at is not None,
        }
        if record.archived_at is not None:
            body["archivedAt"] = iso(record.archived_at)
        if history:
            keep = REVISIONS_KEPT.get(record.object_type, 20)
            body["propertiesWithHistory"] = {
                name: [revision(change) for change in reversed(record.revisions(name)[-keep:])]
                for name in history
                if name in names(record.object_type)
            }
        return body

    def page(self, object_type: str, query: Query, base: str, path: str) -> Answer:
        """GET /crm/v3/objects/{type}"""
        history = query.many("propertiesWithHistory")
        limit = query.number("limit", 10, 50 if history else 100)
        after = query.one("after", "0")
        if not after.isdigit():
            raise bad_request(f"Invalid after {after!r}")
        archived = query.flag("archived")
        ids = self.ids(object_type, archived)
        start = bisect.bisect_right(ids, int(after))
        chosen = ids[start : start + limit]
        records = self.world.store.records[object_type]
        wanted = self.wanted(object_type, query.many("properties") + history)
        targets = query.many("associations")
        results = []
        for number in chosen:
            body = self.render(records[str(number)], wanted, history)
            links = self.embedded_links(records[str(number)], targets, base)
            results.append(body | ({"associations": links} if links else {}))
        answer: dict[str, Any] = {"results": results}
        if start + limit < len(ids):
            last = str(chosen[-1])
            pairs = [(name, value) for name, held in query.values.items() if name != "after" for value in held]
            link = f"{base}{path}?{urlencode([*pairs, ('after', last)])}"
            answer["paging"] = {"next": {"after": last, "link": link}}
        return Answer(200, answer)

    def embedded_links(self, record: Record, targets: list[str], base: str) -> dict[str, Any]:
        """The `associations` part of a list row; unknown types are ignored, empty ones left out."""
        found: dict[str, Any] = {}
        for spelling in targets:
            target = SPELLINGS.get(spelling)
            linked = self.world.store.linked(record.object_type, record.id, target) if target else []
            if target and linked:
                kind = f"{SINGULAR[record.object_type]}_to_{SINGULAR[target]}"
                rows = {"results": [{"id": key, "type": kind} for key in linked[: self.association_page]]}
                if len(linked) > self.association_page:
                    after = linked[self.association_page]
                    path = f"/crm/v4/objects/{record.object_type}/{record.id}/associations/{target}"
                    rows["paging"] = {"next": {"after": after, "link": f"{base}{path}?after={after}"}}
                found[target.replace("_", " ")] = rows
        return found

    def single(self, object_type: str, record_id: str, query: Query, base: str) -> Answer:
        """GET /crm/v3/objects/{type}/{id}; a merged-away id answers with the record it became."""
        field = query.one("idProperty")
        record = self.find(object_type, record_id, field)
        if record is None or bool(record.archived_at) != query.flag("archived"):
            raise not_found()
        history = query.many("propertiesWithHistory")
        body = self.render(record, self.wanted(object_type, query.many("properties") + history), history)
        links = self.embedded_links(record, query.many("associations"), base)
        return Answer(200, body | ({"associations": links} if links else {}))

    def find(self, object_type: str, key: str, field: str = "") -> Record | None:
        """By id, or by another unique property."""
        if field and field != "hs_object_id":
            rows = self.world.store.records[object_type].values()
            return next((row for row in rows if (row.properties.get(field) or "").lower() == key.lower()), None)
        return self.world.store.resolve(object_type, key)

    def batch(self, object_type: str, body: dict[str, Any], query: Query) -> Answer:
        """POST /crm/v3/objects/{type}/batch/read; 207 when some ids are not there."""
        history = list(body.get("propertiesWithHistory") or [])
        keys = [str(entry["id"]) for entry in body.get("inputs") or []]
        most = 50 if history else 100
        if len(keys) > most:
            raise bad_request(f"Batch size {len(keys)} exceeds the limit of {most} inputs.")
        wanted = self.wanted(object_type, list(body.get("properties") or []) + history)
        results, missing = [], []
        for key in dict.fromkeys(keys):
            field = body.get("idProperty") or ""
            record = self.find(object_type, key, field) if field else self.world.store.records[object_type].get(key)
            if record is None or bool(record.archived_at) != query.flag("archived"):
                missing.append(key)
            else:
                results.append(self.render(record, wanted, history))
        return self.multi(results, [_missing_error(missing)] if missing else [])

    def multi(self, results: list[Any], errors: list[Any]) -> Answer:
        """The wrapper of every batch answer."""
        now = iso(self.world.now)
        body: dict[str, Any] = {"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now}
        if errors:
            body |= {"numErrors": len(errors), "errors": errors}
        return Answer(207 if errors else 200, body)

    # associations

    def association_row(self, source: str, record_id: str, target: str, after: str, most: int) -> dict[str, Any]:
        """One record's links in v4 form, from a cursor on."""
        table = self.world.store.links.get((source, target), {}).get(record_id, {})
        linked = sorted(table, key=int)
        start = bisect.bisect_left(linked, int(after), key=int) if after else 0
        rows = [
            {"toObjectId": int(key), "associationTypes": _types(table[key])} for key in linked[start : start + most]
        ]
        body: dict[str, Any] = {"from": {"id": record_id}, "to": rows}
        if start + most < len(linked):
            body["paging"] = {"next": {"after": linked[start + most]}}
        return body

    def pair(self, source: str, target: str) -> tuple[str, str]:
        """Both types by their plural names; 400 for a pair that has no associations."""
        pair = (self.object_type(source), self.object_type(target))
        if pair not in ASSOCIATION_TYPES:
            raise bad_request(f"No associations are defined between {pair[0]} and {pair[1]}.")
        return pair

    def association_batch(self, source: str, target: str, body: dict[str, Any], version: int) -> Answer:
        """POST /crm/v{3,4}/associations/{from}/{to}/batch/read; a record without links is listed under errors."""
        inputs = body.get("inputs") or []
        if len(inputs) > 1_000:
            raise bad_request("At most 1000 inputs are allowed.")
        results, errors = [], []
        kind = f"{SINGULAR[source]}_to_{SINGULAR[target]}"
        for entry in inputs:
            row = self.association_row(
                source, str(entry["id"]), target, str(entry.get("after") or ""), self.association_page
            )
            if version == 3:
                row["to"] = [{"id": str(held["toObjectId"]), "type": kind} for held in row["to"]]
            if row["to"]:
                results.append(row)
            else:
                errors.append(no_links_error(str(entry["id"]), source, target))
        return self.multi(results, errors)

    def association_page_of(self, source: str, record_id: str, target: str, query: Query) -> Answer:
        """GET /crm/v4/objects/{type}/{id}/associations/{to}"""
        limit = query.number("limit", 500, 500)
        row = self.association_row(source, record_id, target, query.one("after"), min(limit, self.association_page))
        body = {"results": row["to"]}
        if "paging" in row:
            body["paging"] = row["paging"]
        return Answer(200, body)

    # people and setup

    def owners(self, query: Query) -> Answer:
        """GET /crm/v3/owners"""
        limit = query.number("limit", 100, 500)
        archived, email = query.flag("archived"), query.one("email")
        chosen = [row for row in self.world.owners if bool(row.archived_at) == archived and email in ("", row.email)]
        start = int(query.one("after", "0") or 0)
        body: dict[str, Any] = {"results": [owner_body(row) for row in chosen[start : start + limit]]}
        if start + limit < len(chosen):
            body["paging"] = {"next": {"after": str(start + limit)}}
        return Answer(200, body)

    def owner(self, key: str, query: Query) -> Answer:
        """GET /crm/v3/owners/{id}"""
        by_user = query.one("idProperty") == "userId"
        for row in self.world.owners:
            if key == (str(row.user_id) if by_user else row.id) and bool(row.archived_at) == query.flag("archived"):
                return Answer(200, owner_body(row))
        raise not_found("owner not found")

    def pipelines(self, spelling: str, rest: list[str]) -> Answer:
        """GET /crm/v3/pipelines/{type}[/{id}[/stages[/{sid}]|/audit]]"""
        pipelines = PIPELINES.get(self.object_type(spelling), ())
        if not rest:
            return Answer(200, {"results": [pipeline_body(row, order) for order, row in enumerate(pipelines)]})
        chosen = next((pipeline_body(row, order) for order, row in enumerate(pipelines) if row.id == rest[0]), None)
        if chosen is None:
            raise not_found("pipeline not found")
        if len(rest) == 1:
            return Answer(200, chosen)
        if rest[1] == "audit":
            return Answer(200, {"results": []})
        if len(rest) == 2:
            return Answer(200, {"results": chosen["stages"]})
        for stage in chosen["stages"]:
            if stage["id"] == rest[2]:
                return Answer(200, stage)
        raise not_found("stage not found")

    def properties(self, spelling: str, rest: list[str], query: Query) -> Answer:
        """GET /crm/v3/properties/{type}[/{name}]"""
        found = definitions(self.object_type(spelling), query.flag("archived"))
        if not rest:
            return Answer(200, {"results": list(found)})
        for entry in found:
            if entry["name"] == rest[0]:
                return Answer(200, entry)
        raise not_found("property not found")

    def property_batch(self, spelling: str, body: dict[str, Any]) -> Answer:
        """POST /crm/v3/properties/{type}/batch/read"""
        asked = {str(entry["name"]) for entry in body.get("inputs") or []}
        found = definitions(self.object_type(spelling), bool(body.get("archived")))
        return self.multi([entry for entry in found if entry["name"] in asked], [])

    def account(self) -> Answer:
        """GET /account-info/v3/details"""
        offset = self.world.calendar.utc_offset(self.world.now)
        hours, minutes = divmod(abs(offset) // 60_000, 60)
        return Answer(
            200,
            {
                "portalId": 62_515_100 + self.world.seed,
                "accountType": "STANDARD",
                "timeZone": self.world.zone,
                "companyCurrency": "SEK",
                "additionalCurrencies": [],
                "utcOffset": f"{'-' if offset < 0 else '+'}{hours:02d}:{minutes:02d}",
                "utcOffsetMilliseconds": offset,
                "uiDomain": "app.hubspot.com",
                "dataHostingLocation": "eu1",
            },
        )


def revision(change: Change) -> dict[str, Any]:
    """One history entry."""
    body: dict[str, Any] = {"value": change.value or "", "timestamp": iso(change.at), "sourceType": change.source}
    if change.user is not None:
        body |= {"sourceId": f"userId:{change.user}", "updatedByUserId": change.user}
    return body


def owner_body(owner: Owner) -> dict[str, Any]:
    """An owner as the vendor sends it; a former one has no userId any more."""
    return {
        "id": owner.id,
        "email": owner.email,
        "type": "PERSON",
        "firstName": owner.first_name,
        "lastName": owner.last_name,
        "userId": None if owner.archived_at else owner.user_id,
        "userIdIncludingInactive": owner.user_id,
        "createdAt": iso(owner.created_at),
        "updatedAt": iso(owner.updated_at),
        "archived": owner.archived_at is not None,
        "teams": [{"id": owner.team_id, "name": owner.team, "primary": True}],
    }


def pipeline_body(pipeline: Pipeline, order: int) -> dict[str, Any]:
    """A pipeline with its stages."""
    return {
        "id": pipeline.id,
        "label": pipeline.label,
        "displayOrder": order,
        "archived": False,
        "createdAt": SETUP_AT,
        "updatedAt": SETUP_AT,
        "stages": [_stage_body(stage, position) for position, stage in enumerate(pipeline.stages)],
    }


def _stage_body(stage: Stage, order: int) -> dict[str, Any]:
    return {
        "id": stage.id,
        "label": stage.label,
        "displayOrder": order,
        "archived": False,
        "createdAt": SETUP_AT,
        "updatedAt": SETUP_AT,
        "metadata": {"isClosed": str(stage.is_closed).lower(), "probability": stage.probability},
        "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
    }


def _types(types: set[tuple[str, int]]) -> list[dict[str, Any]]:
    return [{"category": category, "typeId": number, "label": label_of(number)} for category, number in sorted(types)]


def _missing_error(keys: list[str]) -> dict[str, Any]:
    return {
        "status": "error",
        "category": "OBJECT_NOT_FOUND",
        "message": "Could not get some objects, they may be deleted or not exist.",
        "context": {"ids": keys},
        "links": {},
        "errors": [],
    }


def no_links_error(key: str, source: str, target: str) -> dict[str, Any]:
    """What a batch of associations says of a record that has none."""
    return {
        "status": "error",
        "category": "OBJECT_NOT_FOUND",
        "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
        "message": f"No {SINGULAR.get(target, target)} is associated with {SINGULAR.get(source, source)} {key}.",
        "context": {"fromObjectId": [key], "fromObjectType": [source], "toObjectType": [target]},
        "links": {},
        "errors": [],
    }


assert set(OBJECT_TYPE_IDS) == set(CREATED) and ApiError
