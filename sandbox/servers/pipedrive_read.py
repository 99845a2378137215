"""The practice company's records as Pipedrive shows them: one render for each object, and a deal's changelog.

Where the world and the vendor differ the vendor wins: a merge keeps the id of the record that was kept, won and lost
are a status beside the last open stage, stamps are whole seconds, a deal without an amount is worth 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid5

from sandbox.catalogue import DEAL_PIPELINES, DEAL_STAGES, USER_LABELS
from sandbox.servers.pipedrive_fields import ACTIVITY_TYPES, CUSTOM, FIRST_STAGE, PIPELINE_IDS, STAGE_IDS, Field
from sandbox.store import Record, instant_of, iso
from sandbox.world import Owner, World

TYPES = {"deals": "deals", "persons": "contacts", "organizations": "companies"}
CURRENCY = "SEK"
_LEADS = UUID("0b1c2d3e-2222-4333-8444-555566667777")
_ROLES = {number + way: (role,) for number, role in USER_LABELS.items() for way in (0, 1)}
KEYS = {
    "dealname": "title", "amount": "value", "deal_currency_code": "currency", "closedate": "expected_close_date",
    "hubspot_owner_id": "user_id", "closed_lost_reason": "lost_reason", "pipeline": "pipeline_id",
}  # fmt: skip


def stamp(instant: int | None) -> str | None:
    """2026-11-02T17:04:11Z"""
    return None if instant is None else iso(instant)[:19] + "Z"


def stamp_v1(instant: int | None) -> str | None:
    """2026-11-02 17:04:11, of UTC"""
    text = stamp(instant)
    return text and text.replace("T", " ").removesuffix("Z")


def number(text: str | None) -> float | int | None:
    """A JSON number; None for what is none."""
    try:
        value = float(text) if text else None
    except ValueError:
        return None
    return int(value) if value is not None and value == int(value) else value


class Renderer:
    """Records of one world in Pipedrive's words."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._merges_seen = 0
        self._shown: dict[tuple[str, str], int] = {}

    # who is who

    def shown_id(self, record: Record) -> int:
        """The id of the first record of a chain of merges: the one that was kept each time."""
        self._follow_merges()
        return self._shown.get((record.object_type, record.id), int(record.id))

    def _follow_merges(self) -> None:
        log = self.world.store.log
        for event in log[self._merges_seen :]:
            if event.kind == "merged" and event.value:
                kept = self._shown.get((event.object_type, event.id), int(event.id))
                self._shown[(event.object_type, event.value)] = kept
        self._merges_seen = len(log)

    def record_by_id(self, object_type: str, shown: int) -> Record | None:
        """The record that Pipedrive shows under an id; None for one that was merged into another, or erased."""
        record = self.world.store.resolve(object_type, str(shown))
        return record if record is not None and self.shown_id(record) == shown else None

    def owner_of(self, record: Record) -> int | None:
        owner_id = record.properties.get("hubspot_owner_id")
        return int(owner_id) if owner_id and owner_id.isdigit() else None

    def creator(self, user: int | None) -> int | None:
        return next((int(owner.id) for owner in self.world.owners if owner.user_id == user), None)

    def linked(self, record: Record, target: str) -> list[int]:
        """Ids of the linked records, the primary one first, then the oldest."""
        table = self.world.store.links.get((record.object_type, target), {}).get(record.id, {})
        primary = {1, 2, 5, 6, 578}
        ordered = sorted(table, key=lambda key: (not any(kind in primary for _, kind in table[key]), int(key)))
        found = (self.world.alive(target, key) for key in ordered)
        return [self.shown_id(other) for other in found if other is not None]

    def update_instant(self, record: Record) -> int:
        return max(record.updated_at, record.archived_at or 0)

    # custom fields

    def custom(self, name: str, record: Record) -> dict[str, Any]:
        return {field.key: self._custom(field, record.properties.get(field.property)) for field in CUSTOM[name]}

    def _custom(self, field: Field, value: str | None) -> Any:
        if value in (None, ""):
            return None
        if field.type == "enum":
            return field.option(str(value))
        if field.type == "double":
            return number(value)
        return {"value": number(value), "currency": CURRENCY} if field.type == "monetary" else value

    # objects

    def deal(self, record: Record, extra: Iterable[str] = ()) -> dict[str, Any]:
        values, story = record.properties, self.story(record)
        persons, orgs = self.linked(record, "contacts"), self.linked(record, "companies")
        is_closed = story.status != "open"
        lead = self.world.store.linked("deals", record.id, "leads")[:1]
        body = {
            "id": self.shown_id(record), "title": values.get("dealname"), "owner_id": self.owner_of(record),
            "creator_user_id": self.creator(record.user), "person_id": persons[0] if persons else None,
            "org_id": orgs[0] if orgs else None, "pipeline_id": story.pipeline_id, "stage_id": story.stage_id,
            "value": number(values.get("amount")) or 0, "currency": values.get("deal_currency_code") or CURRENCY,
            "status": "deleted" if record.archived_at else story.status, "is_deleted": record.archived_at is not None,
            "is_archived": False, "archive_time": None, "add_time": stamp(record.created_at),
            "update_time": stamp(self.update_instant(record)), "stage_change_time": stamp(story.stage_changed_at),
            "close_time": stamp(story.status_at) if is_closed else None,
            "won_time": stamp(story.status_at) if story.status == "won" else None,
            "lost_time": stamp(story.status_at) if story.status == "lost" else None,
            "lost_reason": values.get("closed_lost_reason") or None,
            "expected_close_date": self.date_of(values.get("closedate")), "probability": None, "visible_to": 3,
            "label_ids": [], "origin": "ManuallyCreated", "source_lead_id": lead_id(lead[0]) if lead else None,
            "arr": None, "mrr": number(values.get("hs_mrr")), "acv": number(values.get("hs_acv")),
            "custom_fields": self.custom("deals", record),
        }  # fmt: skip
        counts = {"participants_count": len(persons), "products_count": len(self.products_of(record))}
        return body | {name: counts[name] for name in extra if name in counts}

    def date_of(self, text: str | None) -> str | None:
        """The local date of an instant; what people typed wrongly stays out: the vendor's field takes dates only."""
        instant = instant_of(text)
        return None if instant is None else self.world.calendar.local_date(instant).isoformat()

    def person(self, record: Record, extra: Iterable[str] = ()) -> dict[str, Any]:
        values = record.properties
        orgs = self.linked(record, "companies")
        phones = [("phone", "work"), ("mobilephone", "mobile")]
        names = [values.get("firstname"), values.get("lastname")]
        return {
            "id": self.shown_id(record), "name": " ".join(filter(None, names)) or "-", "first_name": names[0],
            "last_name": names[1], "owner_id": self.owner_of(record),
            "org_id": orgs[0] if orgs else None, "job_title": values.get("jobtitle"),
            "emails": [{"value": values["email"], "primary": True, "label": "work"}] if values.get("email") else [],
            "phones": [
                {"value": values[name], "primary": name == "phone", "label": label}
                for name, label in phones
                if values.get(name)
            ],
            "is_deleted": record.archived_at is not None, "visible_to": 3, "label_ids": [], "picture_id": None,
            "add_time": stamp(record.created_at), "update_time": stamp(self.update_instant(record)),
            "custom_fields": self.custom("persons", record) | self._role(record),
        }  # fmt: skip

    def _role(self, person: Record) -> dict[str, Any]:
        """A person has one role whatever the deal: the first that a deal gives."""
        deals = self.world.store.links.get((person.object_type, "deals"), {}).get(person.id, {})
        given = {label for kinds in deals.values() for _, number in kinds for label in _ROLES.get(number, ())}
        field = next(field for field in CUSTOM["persons"] if field.property == "buying_role")
        return {field.key: next((field.option(role) for role in field.options if role in given), None)}

    def organization(self, record: Record, extra: Iterable[str] = ()) -> dict[str, Any]:
        values = record.properties
        place = {"value": values.get("city"), "locality": values.get("city"), "country": values.get("country")}
        return {
            "id": self.shown_id(record), "name": values.get("name"), "owner_id": self.owner_of(record),
            "website": values.get("domain"), "linkedin": None, "address": place if any(place.values()) else None,
            "is_deleted": record.archived_at is not None, "visible_to": 3, "label_ids": [],
            "add_time": stamp(record.created_at), "update_time": stamp(self.update_instant(record)),
            "custom_fields": self.custom("organizations", record),
        }  # fmt: skip

    def activity(self, record: Record, extra: Iterable[str] = ()) -> dict[str, Any]:
        values, kind = record.properties, ACTIVITY_TYPES[record.object_type]
        due = instant_of(values.get("hs_timestamp")) or record.created_at
        persons = self.linked(record, "contacts")
        deals, orgs = self.linked(record, "deals"), self.linked(record, "companies")
        subjects = ("hs_call_title", "hs_meeting_title", "hs_task_subject", "hs_email_subject")
        done_at = self._done_at(record)
        return {
            "id": int(record.id), "subject": next((values[n] for n in subjects if values.get(n)), None), "type": kind,
            "owner_id": self.owner_of(record), "creator_user_id": self.creator(record.user),
            "is_deleted": record.archived_at is not None, "deal_id": deals[0] if deals else None, "lead_id": None,
            "person_id": persons[0] if persons else None, "org_id": orgs[0] if orgs else None, "project_id": None,
            "due_date": iso(due)[:10], "due_time": iso(due)[11:19], "duration": self._duration(record),
            "busy": kind == "meeting", "done": done_at is not None, "marked_as_done_time": stamp(done_at),
            "participants": [{"person_id": person, "primary": place == 0} for place, person in enumerate(persons)],
            "priority": None, "note": values.get("hs_call_body") or values.get("hs_task_body") or None,
            "location": None, "public_description": None, "add_time": stamp(record.created_at),
            "update_time": stamp(self.update_instant(record)),
        }  # fmt: skip

    def _done_at(self, record: Record) -> int | None:
        """When it was ticked off: a call and a mail are logged as done, a meeting and a task when they are."""
        if record.object_type in ("calls", "emails"):
            return record.created_at
        name = {"meetings": "hs_meeting_outcome", "tasks": "hs_task_status"}[record.object_type]
        last = record.revisions(name)[-1:]
        return last[0].at if last and last[0].value == "COMPLETED" else None

    def _duration(self, record: Record) -> str | None:
        values = record.properties
        if record.object_type == "calls":
            seconds = int(values.get("hs_call_duration") or 0) // 1000
        else:
            starts, ends = (
                instant_of(values.get("hs_meeting_start_time")),
                instant_of(values.get("hs_meeting_end_time")),
            )
            seconds = (ends - starts) // 1000 if starts and ends else 0
        return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}" if seconds else None

    def products_of(self, record: Record) -> list[dict[str, Any]]:
        found = (
            self.world.alive("line_items", key) for key in self.world.store.linked("deals", record.id, "line_items")
        )
        return [self._product_line(record, item) for item in found if item is not None]

    def _product_line(self, deal: Record, item: Record) -> dict[str, Any]:
        values = item.properties
        percent, by_unit = values.get("hs_discount_percentage"), values.get("discount")
        term = values.get("hs_term_in_months")
        is_yearly = values.get("recurringbillingfrequency") == "annually"
        return {
            "id": int(item.id), "deal_id": self.shown_id(deal), "product_id": number(values.get("hs_product_id")),
            "product_variation_id": None, "name": values.get("name"), "add_time": stamp(item.created_at),
            "update_time": stamp(item.updated_at), "comments": "", "currency": CURRENCY,
            "quantity": number(values.get("quantity")), "item_price": number(values.get("price")),
            "sum": number(values.get("amount")), "tax": 0, "tax_method": "exclusive",
            "discount": number(percent or by_unit) or 0,
            "discount_type": "amount" if by_unit and not percent else "percentage",
            "is_enabled": True, "billing_frequency": "annually" if is_yearly else "one-time",
            "billing_frequency_cycles": -(-int(term) // 12) if is_yearly and term else None,
            "billing_start_date": values.get("hs_recurring_billing_start_date"),
        }  # fmt: skip

    def products(self) -> list[dict[str, Any]]:
        """The catalogue: what has ever been sold."""
        found: dict[int, Record] = {}
        for item in self.world.store.records["line_items"].values():
            if item.properties.get("hs_product_id"):
                found.setdefault(int(item.properties["hs_product_id"] or 0), item)
        return [
            {"id": key, "name": item.properties["name"], "code": str(key), "unit": "", "tax": 0, "is_deleted": False,
             "is_linkable": True, "visible_to": 3, "owner_id": None, "add_time": stamp(item.created_at),
             "update_time": stamp(item.created_at), "custom_fields": {},
             "prices": [{"product_id": key, "price": number(item.properties["price"]), "currency": CURRENCY,
                         "cost": 0, "direct_cost": None, "notes": ""}]}
            for key, item in sorted(found.items())
        ]  # fmt: skip

    def lead(self, record: Record) -> dict[str, Any]:
        values = record.properties
        persons, orgs = self.linked(record, "contacts"), self.linked(record, "companies")
        sources = CUSTOM["deals"][0]
        return {
            "id": lead_id(record.id), "title": values.get("hs_lead_name"), "owner_id": self.owner_of(record),
            "creator_id": self.creator(record.user), "label_ids": [], "value": None, "expected_close_date": None,
            "person_id": persons[0] if persons else None, "organization_id": orgs[0] if orgs else None,
            "is_archived": self.is_shelved(record), "source_name": "API", "origin": "API", "was_seen": True,
            "next_activity_id": None, "visible_to": "3", "add_time": iso(record.created_at),
            "update_time": iso(self.update_instant(record)),
            sources.key: sources.option(values.get("hs_lead_source") or ""),
        }  # fmt: skip

    def is_shelved(self, record: Record) -> bool:
        return record.properties.get("hs_pipeline_stage") == "unqualified-stage-id"

    def note(self, record: Record) -> dict[str, Any]:
        deals, persons, orgs = (self.linked(record, name) for name in ("deals", "contacts", "companies"))
        user = self.owner_of(record)
        return {
            "id": int(record.id), "user_id": user, "deal_id": deals[0] if deals else None,
            "person_id": persons[0] if persons else None, "org_id": orgs[0] if orgs else None, "lead_id": None,
            "content": record.properties.get("hs_note_body"), "add_time": stamp_v1(record.created_at),
            "update_time": stamp_v1(self.update_instant(record)), "active_flag": record.archived_at is None,
            "pinned_to_deal_flag": False, "last_update_user_id": user,
        }  # fmt: skip

    def user(self, owner: Owner) -> dict[str, Any]:
        is_active = owner.archived_at is None
        return {
            "id": int(owner.id), "name": f"{owner.first_name} {owner.last_name}", "email": owner.email, "phone": None,
            "active_flag": is_active, "is_deleted": not is_active, "activated": True, "is_you": False, "is_admin": 1,
            "default_currency": CURRENCY, "timezone_name": self.world.zone, "role_id": 1, "lang": 1,
            "created": stamp_v1(owner.created_at), "modified": stamp_v1(owner.updated_at),
            "last_login": stamp_v1(self.world.now),
        }  # fmt: skip

    def teams(self) -> list[dict[str, Any]]:
        names = {owner.team_id: owner.team for owner in self.world.owners}
        return [
            {"id": int(key), "name": name, "description": "", "manager_id": None, "active_flag": 1, "deleted_flag": 0,
             "users": [int(owner.id) for owner in self.world.owners if owner.team_id == key],
             "add_time": "2019-08-06 02:41:08", "created_by_user_id": None}
            for key, name in sorted(names.items())
        ]  # fmt: skip

    # history

    def story(self, record: Record) -> Story:
        """Stage and status of a deal through time, from the world's one list of stages, open and closed."""
        return Story(record)

    def changelog(self, record: Record) -> list[dict[str, Any]]:
        """GET /v1/deals/{id}/changelog, newest first."""
        rows = [(record.created_at, "add_time", None, stamp_v1(record.created_at), record.user)]
        rows += self.story(record).rows
        for name, key in KEYS.items():
            revisions = record.revisions(name)
            for before, after in pairwise(revisions):
                rows.append((after.at, key, self._text(key, before.value), self._text(key, after.value), after.user))
            if name in record.history and revisions[0].at > record.created_at:  # filled later than the deal was made
                rows.append(
                    (
                        revisions[0].at,
                        key,
                        self._text(key, None),
                        self._text(key, revisions[0].value),
                        revisions[0].user,
                    )
                )
        for field in CUSTOM["deals"]:
            last: str | None = None
            for place, revision in enumerate(record.revisions(field.property)):
                value = self._custom(field, revision.value)
                text = None if value is None else str(value)
                if revision.at > record.created_at and (place or text is not None):
                    rows.append((revision.at, field.key, last, text, revision.user))
                last = text
        rows = [row for row in rows if row[2] != row[3]]
        return [
            {"field_key": key, "old_value": old, "new_value": new, "actor_user_id": self.creator(user),
             "time": stamp_v1(at), "change_source": "app", "change_source_user_agent": None,
             "is_bulk_update_flag": False}
            for at, key, old, new, user in sorted(rows, key=lambda row: -row[0])
        ]  # fmt: skip

    def _text(self, key: str, value: str | None) -> str | None:
        if key == "value":
            return str(number(value) or 0)
        if key == "currency":
            return value or CURRENCY
        if key == "pipeline_id":
            return str(PIPELINE_IDS[value]) if value in PIPELINE_IDS else None
        return self.date_of(value) if key == "expected_close_date" else value or None


class Story:
    """What `dealstage` of the practice company says in Pipedrive's words: an open stage, and a status beside it."""

    def __init__(self, record: Record) -> None:
        self.status, self.status_at, self.stage_changed_at = "open", record.created_at, None
        self.rows: list[tuple[int, str, str | None, str | None, int | None]] = []
        pipelines = record.revisions("pipeline")
        self.pipeline_id = PIPELINE_IDS.get(record.properties.get("pipeline") or "", 1)
        first = pipelines[0].value if pipelines else "default"
        self.stage_id = FIRST_STAGE.get(first or "default", 1)
        for place, revision in enumerate(record.revisions("dealstage")):
            stage = DEAL_STAGES.get(revision.value or "")
            status = "open" if stage is None or not stage.is_closed else "won" if stage.is_won else "lost"
            stage_id = STAGE_IDS.get(revision.value or "", self.stage_id)
            if place and status != self.status:
                self.rows.append((revision.at, "status", self.status, status, revision.user))
            if place and stage_id != self.stage_id:
                self.rows.append((revision.at, "stage_id", str(self.stage_id), str(stage_id), revision.user))
                self.stage_changed_at = revision.at
            if status != self.status:
                self.status_at = revision.at
            self.status, self.stage_id = status, stage_id


def lead_id(record_id: str) -> str:
    """The UUID of a lead."""
    return str(uuid5(_LEADS, record_id))


assert set(PIPELINE_IDS) == set(DEAL_PIPELINES)
