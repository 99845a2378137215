"""The practice company as Pipedrive: v2 with cursors where the vendor has it, v1 with offsets where not, and faults.

`serve(world)` is for tests; `python -m sandbox serve --crm pipedrive` for nights. Every page is computed at its own
time. A deleted record is known for 30 days (`days_kept`), then to nobody. Under `/__sandbox/` are the test controls.
"""

from __future__ import annotations

import base64
import re
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson

from sandbox.catalogue import DEAL_STAGES
from sandbox.faults import Fault
from sandbox.servers import pipedrive_fields as fields
from sandbox.servers.answers import Answer
from sandbox.servers.company_server import CompanyServer
from sandbox.servers.pipedrive_read import TYPES, Renderer, stamp
from sandbox.servers.pipedrive_write import AccountWriter, BadInput
from sandbox.servers.wire import Handler, serving
from sandbox.store import Record, instant_of
from sandbox.world import World

DEFAULT_TOKEN = "0123456789abcdef0123456789abcdef01234567"
BURST, BURST_SECONDS = 20, 2
DAILY_TOKENS = 1_500_000
DAY = 86_400_000
COSTS = (
    (r"/api/v2/(pipelines|stages)", 5), (r"/api/v2/deals/archived", 20), (r"/api/v2/[a-z]+/\d+$", 1),
    (r"/api/v2/", 10), (r"/v1/users/me", 2), (r"/v1/(deals/\d+/(flow|participants)|recents)", 40), (r"", 20),
)  # fmt: skip
WRITE_COST = 5
_PAGED = {"cursor", "limit", "sort_by", "sort_direction", "api_token"}
_CHANGED = _PAGED | {
    "updated_since",
    "updated_until",
    "filter_id",
    "ids",
    "owner_id",
    "include_fields",
    "custom_fields",
}
ALLOWED = {
    "deals": _CHANGED | {"status", "person_id", "org_id", "pipeline_id", "stage_id"},
    "persons": _CHANGED | {"org_id", "deal_id"},
    "organizations": _CHANGED,
    "activities": _CHANGED | {"done", "deal_id", "lead_id", "person_id", "org_id"},
    "products": _CHANGED,
    "pipelines": _PAGED,
    "stages": _PAGED | {"pipeline_id"},
    "deals/products": _PAGED | {"deal_ids"},
}


class Refusal(Exception):
    """An error answer in the vendor's shape."""

    def __init__(self, status: int, error: str, **more: Any) -> None:
        super().__init__(error)
        self.answer = refusal(status, error, **more)


def refusal(status: int, error: str, headers: dict[str, str] | None = None, **more: Any) -> Answer:
    body = {"success": False, "error": error, "error_info": "Please check developers.pipedrive.com", "data": None,
            "additional_data": None, "errorCode": status, **more}  # fmt: skip
    return Answer(status, body, headers or {})


@dataclass
class Query:
    """Query parameters; the last of a repeated one counts."""

    values: dict[str, list[str]]

    def one(self, name: str, default: str = "") -> str:
        return self.values.get(name, [default])[-1]

    def many(self, name: str) -> list[str]:
        return [part for text in self.values.get(name, []) for part in text.split(",") if part]

    def number(self, name: str, default: int, most: int) -> int:
        text = self.one(name, str(default))
        if not text.isdigit() or int(text) > most:
            raise Refusal(400, f"Bad request: parameter {name} must be at most {most}")
        return int(text)

    def instant(self, name: str) -> int | None:
        if not self.one(name):
            return None
        found = instant_of(self.one(name))
        if found is None:
            raise Refusal(400, f"Bad request: {name} must be in RFC3339 format")
        return found


class Portal(CompanyServer):
    """The server. `archived`: deal id -> instant; the switches below are for tests."""

    def __init__(self, world: World, port: int = 0, token: str = DEFAULT_TOKEN, limits: bool = False) -> None:
        super().__init__(world, _Handler, port, token)
        self.limits = limits
        self.render = Renderer(world)
        self.writer = AccountWriter(self.render)
        self.archived: dict[int, int] = {}
        self.days_kept = 30
        self.lists_deleted = False  # whether lists of persons, organizations and activities show what was deleted
        self.daily_tokens = self.tokens_left = DAILY_TOKENS
        self.access_tokens: set[str] = set()
        self._burst: deque[float] = deque()

    def described(self, path: str) -> dict[str, Any]:
        return {"path": path, "route": route_of(path)}

    def limit_headers(self) -> dict[str, str]:
        left = max(0, BURST - len(self._burst)) if self.limits else BURST
        return {
            "x-ratelimit-limit": str(BURST), "x-ratelimit-remaining": str(left),
            "x-ratelimit-reset": str(BURST_SECONDS), "x-daily-ratelimit-token-limit": str(self.daily_tokens),
            "x-daily-ratelimit-token-remaining": str(max(0, self.tokens_left)),
        }  # fmt: skip

    def over_limit(self, path: str, method: str = "GET") -> Answer | None:
        """Charge the call; a 429 where the day's budget is used up, or the window is full and limits are on."""
        now = time.monotonic()
        while self._burst and self._burst[0] <= now - BURST_SECONDS:
            self._burst.popleft()
        cost = cost_of(path, method)
        if self.tokens_left < cost:
            self.tokens_left = 0
            return refusal(429, "daily token budget used up")
        if self.limits and len(self._burst) >= BURST:
            return refusal(429, "request over limit")
        self.tokens_left -= cost
        if self.limits:
            self._burst.append(now)
        return None

    # records of an object, as the vendor knows them now

    def is_purged(self, record: Record) -> bool:
        return record.archived_at is not None and record.archived_at + self.days_kept * DAY < self.world.now

    def records(self, name: str) -> list[Record]:
        types = tuple(fields.ACTIVITY_TYPES) if name == "activities" else (TYPES[name],)
        found = (record for kind in types for record in self.world.store.records[kind].values())
        return [record for record in found if not self.is_purged(record)]

    def rendered(self, name: str) -> Callable[..., dict[str, Any]]:
        render = self.render
        made = {"deals": self._deal, "persons": render.person, "organizations": render.organization}
        return made.get(name, render.activity)

    def _deal(self, record: Record, extra: Any = ()) -> dict[str, Any]:
        body = self.render.deal(record, extra)
        if at := self.archived.get(body["id"]):
            body |= {"is_archived": True, "archive_time": stamp(at), "update_time": max(body["update_time"], stamp(at))}
        return body

    def find(self, name: str, shown: int) -> Record | None:
        types = tuple(fields.ACTIVITY_TYPES) if name == "activities" else (TYPES[name],)
        found = (self.render.record_by_id(kind, shown) for kind in types)
        return next((record for record in found if record is not None and not self.is_purged(record)), None)


def cost_of(path: str, method: str = "GET") -> int:
    if method != "GET":
        return WRITE_COST
    path = urlsplit(path).path.replace("/api/v1/", "/v1/")
    return next(cost for pattern, cost in COSTS if re.match(pattern, path))


def route_of(path: str) -> str:
    """A path without ids and query, for counting."""
    return re.sub(r"/\d+(?=/|$)", "/{id}", urlsplit(path).path).rstrip("/")


class _Handler(Handler):
    server: Portal

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length) if length else b""
        parts = urlsplit(self.path)
        if parts.path.startswith("/__sandbox/"):
            self._send(self.server.control(self.command, parts.path, raw))
            return
        with self.server.lock:
            fault = self.server.faults.next(self.path)
            answer = self._answer(parts.path, parts.query, raw, fault)
            self.server.note(self.command, self.path, answer.status)
            if fault is None or fault.name != "rate_limit_silent":
                answer.headers = self.server.limit_headers() | answer.headers
        self._send(answer, fault)

    do_GET = do_POST = do_PATCH = do_DELETE = _serve

    def _answer(self, path: str, query: str, raw: bytes, fault: Fault | None) -> Answer:
        try:
            if (planned := answer_of_fault(fault)) is not None:
                return planned
            if path == "/oauth/token":
                return self._token(raw)
            asked = Query(parse_qs(query, keep_blank_values=True))
            self._authenticate(asked)
            if (over := self.server.over_limit(path, self.command)) is not None:
                return over
            segments = [part for part in path.split("/") if part]
            if segments[:1] == ["api"] and segments[1:2] in (["v1"], ["v2"]):
                segments = segments[1:]
            if segments[:1] == ["v2"] and path.startswith("/api/"):
                answer = self._v2(segments[1:], asked) if self.command == "GET" else self._written(segments[1:], raw)
                return spoiled(answer, fault)
            if segments[:1] == ["v1"]:
                return spoiled(self._v1(segments[1:], asked), fault)
            raise Refusal(404, "unknown method .")
        except Refusal as error:
            return error.answer
        except BadInput as error:
            return refusal(400, f"Bad request: {error}")

    def _authenticate(self, asked: Query) -> None:
        given = self.headers.get("x-api-token") or asked.one("api_token")
        bearer = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if given != self.server.token and bearer not in self.server.access_tokens:
            raise Refusal(401, "unauthorized access")

    def _token(self, raw: bytes) -> Answer:
        """OAuth: the refresh token is the practice company's API token; an access token lives as long as the server."""
        form = parse_qs(raw.decode())
        if form.get("grant_type") != ["refresh_token"] or form.get("refresh_token") != [self.server.token]:
            return Answer(400, {"success": False, "message": "Invalid grant", "error": "invalid_grant"})
        access = f"v1u:{len(self.server.access_tokens)}:practice"
        self.server.access_tokens.add(access)
        body = {"access_token": access, "token_type": "Bearer", "expires_in": 3600, "refresh_token": self.server.token,
                "scope": "base,deals:read,contacts:read,activities:read,users:read,admin",
                "api_domain": self.server.url}  # fmt: skip
        return Answer(200, body)

    # v2

    def _written(self, rest: list[str], raw: bytes) -> Answer:
        portal = self.server
        body = orjson.loads(raw or b"{}")
        match self.command, rest:
            case "PATCH", ["organizations", key] if key.isdigit():
                record = self._living("organizations", int(key))
                portal.writer.change(record, body)
                return Answer(200, {"success": True, "data": portal.render.organization(record)})
            case "POST", ["activities"]:
                made = portal.writer.create_activity(body, portal.find)
                return Answer(201, {"success": True, "data": portal.render.activity(made)})
            case "DELETE", ["activities", key] if key.isdigit():
                portal.writer.remove(self._living("activities", int(key)))
                return Answer(200, {"success": True, "data": {"id": int(key)}})
        raise Refusal(404, "unknown method .")

    def _living(self, name: str, key: int) -> Record:
        record = self.server.find(name, key)
        if record is None or record.archived_at is not None:
            raise Refusal(404, f"{name[:-1].capitalize()} not found")
        return record

    def _v2(self, rest: list[str], asked: Query) -> Answer:
        portal = self.server
        match rest:
            case ["deals", "archived"]:
                return self._list("deals", asked, is_archived=True)
            case [("deals" | "persons" | "organizations" | "activities") as name]:
                return self._list(name, asked)
            case [("deals" | "persons" | "organizations" | "activities") as name, key] if key.isdigit():
                record = portal.find(name, int(key))
                if record is None:
                    raise Refusal(404, f"{name[:-1].capitalize()} not found")
                return Answer(
                    200, {"success": True, "data": portal.rendered(name)(record, asked.many("include_fields"))}
                )
            case ["products" | "pipelines" | "stages" as name]:
                rows = {"products": portal.render.products, "pipelines": fields.pipelines, "stages": fields.stages}
                return self._cursor_page(rows[name](), asked, ALLOWED[name])
            case ["deals", "products"]:
                ids = asked.many("deal_ids")
                if not 1 <= len(ids) <= 100:
                    raise Refusal(400, "Bad request: deal_ids must hold 1 to 100 ids")
                found = [portal.find("deals", int(key)) for key in ids]
                lines = [line for record in found if record is not None for line in portal.render.products_of(record)]
                return self._cursor_page(lines, asked, ALLOWED["deals/products"])
            case ["deals", key, "products" | "followers" as what]:
                record = portal.find("deals", int(key))
                lines = portal.render.products_of(record) if record is not None and what == "products" else []
                return self._cursor_page(lines, asked, _PAGED)
            case [str() as name] if (known := FIELD_LISTS.get(name)) is not None and known != "notes":
                return self._cursor_page(fields.fields_v2(known), asked, _PAGED | {"include_fields"})
        raise Refusal(404, "unknown method .")

    def _list(self, name: str, asked: Query, is_archived: bool = False) -> Answer:
        portal = self.server
        since, until = asked.instant("updated_since"), asked.instant("updated_until")
        ids = {int(key) for key in asked.many("ids")}
        if len(ids) > 100:
            raise Refusal(400, "Bad request: at most 100 ids")
        states = set(asked.many("status")) or {"open", "won", "lost"}
        if not states <= {"open", "won", "lost", "deleted"}:
            raise Refusal(400, "Bad request: status must be one of open, won, lost, deleted")
        rows = []
        for record in portal.records(name):
            at, shown = portal.render.update_instant(record), portal.render.shown_id(record)
            if name == "deals":
                at = max(at, portal.archived.get(shown, 0))
                if (shown in portal.archived) != is_archived or self._state(record) not in states:
                    continue
            elif record.archived_at is not None and not portal.lists_deleted:
                continue
            at = at // 1000 * 1000
            if (since is None or at >= since) and (until is None or at < until) and (not ids or shown in ids):
                rows.append((at, shown, record))
        make, extra = portal.rendered(name), asked.many("include_fields")
        of = {key: int(asked.one(key)) for key in ("org_id", "person_id", "deal_id") if asked.one(key)}
        if of:
            rows = [row for row in rows if all(make(row[2]).get(key) == held for key, held in of.items())]
        return self._keyset_page(rows, asked, ALLOWED[name], lambda record: make(record, extra))

    @staticmethod
    def _state(record: Record) -> str:
        if record.archived_at is not None:
            return "deleted"
        stage = DEAL_STAGES.get(record.properties.get("dealstage") or "")
        return "open" if stage is None or not stage.is_closed else "won" if stage.is_won else "lost"

    def _keyset_page(
        self, rows: list[tuple[int, int, Record]], asked: Query, allowed: set[str], make: Callable[[Record], Any]
    ) -> Answer:
        """By (sort key, id): a record whose key moves while somebody pages is met again or left behind."""
        limit, sort_by = self._checked(asked, allowed)
        is_down = asked.one("sort_direction", "asc") == "desc"
        keys = {"id": lambda row: (row[1], row[1]), "add_time": lambda row: (row[2].created_at, row[1])}
        key = keys.get(sort_by, lambda row: (row[0], row[1]))
        ordered = sorted(rows, key=key, reverse=is_down)
        if after := self._decoded(asked):
            ordered = [row for row in ordered if (key(row) < tuple(after) if is_down else key(row) > tuple(after))]
        page, more = ordered[:limit], len(ordered) > limit
        cursor = base64.urlsafe_b64encode(orjson.dumps(key(page[-1]))).decode() if more else None
        return _paged([make(row[2]) for row in page], cursor)

    def _cursor_page(self, rows: list[Any], asked: Query, allowed: set[str]) -> Answer:
        limit, _sort = self._checked(asked, allowed)
        start = int((self._decoded(asked) or [0])[0])
        cursor = base64.urlsafe_b64encode(orjson.dumps([start + limit])).decode() if start + limit < len(rows) else None
        return _paged(rows[start : start + limit], cursor)

    def _checked(self, asked: Query, allowed: set[str]) -> tuple[int, str]:
        """The real service answers 400 to what it does not know."""
        for name in asked.values:
            if name not in allowed:
                raise Refusal(400, f"Bad request: parameter {name} is not allowed")
        return asked.number("limit", 100, 500), asked.one("sort_by", "id")

    @staticmethod
    def _decoded(asked: Query) -> list[Any] | None:
        if not asked.one("cursor"):
            return None
        try:
            found = orjson.loads(base64.urlsafe_b64decode(asked.one("cursor")))
        except ValueError:
            raise Refusal(400, "Bad request: invalid cursor") from None
        return list(found)

    # v1

    def _v1(self, rest: list[str], asked: Query) -> Answer:
        portal, render = self.server, self.server.render
        match rest:
            case ["users"]:
                return Answer(200, {"success": True, "data": [render.user(owner) for owner in portal.world.owners]})
            case ["users", "me"]:
                me = render.user(portal.world.sellers()[0]) | {"is_you": True, "company_id": 4_711}
                me |= {"company_name": "Flow Factory", "company_domain": "flowfactory", "company_country": "SE"}
                return Answer(200, {"success": True, "data": me})
            case ["users", key] if key.isdigit():
                owner = next((owner for owner in portal.world.owners if owner.id == key), None)
                if owner is None:
                    raise Refusal(404, "User not found")
                return Answer(200, {"success": True, "data": render.user(owner)})
            case ["legacyTeams"]:
                return Answer(200, {"success": True, "data": render.teams()})
            case ["activityTypes"]:
                return Answer(200, {"success": True, "data": fields.activity_types()})
            case ["currencies"]:
                codes = {"SEK": "Swedish Krona", "EUR": "Euro", "NOK": "Norwegian Krone", "DKK": "Danish Krone"}
                rows = [{"id": n, "code": c, "name": name, "decimal_points": 2, "symbol": c, "active_flag": True,
                         "is_custom_flag": False} for n, (c, name) in enumerate(codes.items(), 1)]  # fmt: skip
                return Answer(200, {"success": True, "data": rows})
            case ["leads", *more] if more in ([], ["archived"]):
                return self._offset_page(self._leads(bool(more), asked), asked)
            case ["leads", key]:
                found = [row for kind in (True, False) for row in self._leads(kind, Query({})) if row["id"] == key]
                if not found:
                    raise Refusal(404, "Lead not found")
                return Answer(200, {"success": True, "data": found[0]})
            case ["notes"]:
                return self._offset_page(self._notes(asked), asked)
            case ["notes", key]:
                notes = [row for row in self._notes(Query({})) if str(row["id"]) == key]
                if not notes:
                    raise Refusal(404, "Note not found")
                return Answer(200, {"success": True, "data": notes[0]})
            case ["deals", key, "participants"]:
                record = portal.find("deals", int(key))
                persons = render.linked(record, "contacts") if record is not None else []
                rows = [{"id": n, "person_id": {"value": p}, "related_item_type": "deal", "related_item_id": int(key)}
                        for n, p in enumerate(persons, 1)]  # fmt: skip
                return self._offset_page(rows, asked)
            case ["deals", key, "changelog" | "flow" as what]:
                record = portal.find("deals", int(key))
                if record is None:
                    raise Refusal(404, "Deal not found")
                rows = render.changelog(record)
                if what == "changelog":
                    return self._cursor_page(rows, asked, _PAGED)
                flow = [_flow_row(int(key), len(rows) - place, row) for place, row in enumerate(rows)]
                return self._offset_page(flow, asked)
            case ["deals", key, "products"] if key.isdigit():
                record = portal.find("deals", int(key))
                return self._offset_page(render.products_of(record) if record is not None else [], asked)
            case ["recents"]:
                return self._offset_page(self._recents(asked), asked)
            case [str() as name] if (known := FIELD_LISTS.get(name)) is not None:
                return self._offset_page(fields.fields_v1(known), asked)
            case ["deals" | "persons" | "organizations" | "activities" as name]:
                rows = [old_form(portal.rendered(name)(record)) for record in portal.records(name)]
                return self._offset_page([row for row in rows if row["active_flag"]], asked)
            case ["deals" | "persons" | "organizations" | "activities" as name, key] if key.isdigit():
                record = portal.find(name, int(key))
                if record is None:
                    raise Refusal(404, f"{name[:-1].capitalize()} not found")
                return Answer(200, {"success": True, "data": old_form(portal.rendered(name)(record))})
            case ["pipelines" | "stages" | "products" | "files" | "filters" as name]:
                return self._offset_page(self._setup(name), asked)
            case ["pipelines" | "stages" | "products" as name, key]:
                found = [row for row in self._setup(name) if str(row["id"]) == key]
                if not found:
                    raise Refusal(404, f"{name[:-1].capitalize()} not found")
                return Answer(200, {"success": True, "data": found[0]})
        raise Refusal(404, "unknown method .")

    def _setup(self, name: str) -> list[dict[str, Any]]:
        """What the company is set up with, as v1 shows it; nobody here has stored a file or a filter."""
        made = {"pipelines": fields.pipelines, "stages": fields.stages, "products": self.server.render.products}
        return [old_form(row) for row in made[name]()] if name in made else []

    def _leads(self, is_archived: bool, asked: Query) -> list[dict[str, Any]]:
        """Leads that are neither deleted nor became a deal: those leave the list."""
        portal, since = self.server, asked.instant("updated_since")
        found = []
        for record in portal.world.store.records["leads"].values():
            is_gone = record.archived_at is not None or portal.world.store.linked("leads", record.id, "deals")
            is_meant = portal.render.is_shelved(record) == is_archived and (since is None or record.updated_at >= since)
            if is_meant and not is_gone:
                found.append(portal.render.lead(record))
        return sorted(found, key=lambda row: str(row["add_time"]))

    def _notes(self, asked: Query) -> list[dict[str, Any]]:
        portal, since = self.server, asked.instant("updated_since")
        rows = (r for r in portal.world.store.records["notes"].values() if r.archived_at is None)
        chosen = [r for r in rows if since is None or r.updated_at >= since]
        return [portal.render.note(r) for r in sorted(chosen, key=lambda r: int(r.id))]

    def _recents(self, asked: Query) -> list[dict[str, Any]]:
        """What changed lately, no longer ago than a month; a change of the users brings all of them in one row."""
        portal, since = self.server, asked.instant("since_timestamp") or 0
        since = max(since, portal.world.now - 30 * DAY)
        rows: list[dict[str, Any]] = []
        for item in asked.many("items") or list(RECENT):
            name = RECENT.get(item, "")
            if item == "user":
                rows.append({"item": "user", "id": 1, "data": [portal.render.user(o) for o in portal.world.owners]})
            elif name in ("deals", "persons", "organizations", "activities"):
                changed = (r for r in portal.records(name) if portal.render.update_instant(r) >= since)
                rows += [_recent(item, old_form(portal.rendered(name)(record))) for record in changed]
            elif name in ("notes", "activityTypes"):
                found = self._notes(Query({})) if name == "notes" else fields.activity_types()
                rows += [_recent(item, row) for row in found if (instant_of(row["update_time"]) or 0) >= since]
            elif name:
                found = self._setup(name)
                rows += [_recent(item, row) for row in found if (instant_of(row["update_time"]) or 0) >= since]
        return rows

    def _offset_page(self, rows: list[Any], asked: Query) -> Answer:
        start, limit = asked.number("start", 0, 10**9), asked.number("limit", 100, 500)
        if by := asked.one("sort").split():  # a field, and ASC or DESC
            rows = sorted(rows, key=lambda row: str(row.get(by[0]) or ""), reverse=by[-1].lower() == "desc")
        more = start + limit < len(rows)
        paging = {"start": start, "limit": limit, "more_items_in_collection": more}
        paging |= {"next_start": start + limit} if more else {}
        page = rows[start : start + limit]
        return Answer(200, {"success": True, "data": page or None, "additional_data": {"pagination": paging}})

    def _send(self, answer: Answer, fault: Fault | None = None) -> None:
        if isinstance(answer.body, bytes):
            self.send_bytes(answer, answer.body, "text/html", fault)
        else:
            self.send_bytes(answer, orjson.dumps(answer.body), "application/json; charset=utf-8", fault)


RECENT = {
    "activity": "activities", "activityType": "activityTypes", "deal": "deals", "file": "files", "filter": "filters",
    "note": "notes", "person": "persons", "organization": "organizations", "pipeline": "pipelines",
    "product": "products", "stage": "stages", "user": "users",
}  # fmt: skip
FIELD_LISTS = {
    "dealFields": "deals", "personFields": "persons", "organizationFields": "organizations",
    "activityFields": "activities", "productFields": "products", "noteFields": "notes",
}  # fmt: skip


def _paged(rows: list[Any], cursor: str | None) -> Answer:
    """The last page has no cursor, spelt one way or another."""
    more: dict[str, Any] = {"next_cursor": cursor} if cursor or rows else {}
    return Answer(200, {"success": True, "data": rows, "additional_data": more})


def _recent(item: str, body: dict[str, Any]) -> dict[str, Any]:
    return {"item": item, "id": body["id"], "data": body}


def _flow_row(deal_id: int, place: int, row: dict[str, Any]) -> dict[str, Any]:
    data = {name: row[name] for name in ("field_key", "old_value", "new_value", "change_source", "is_bulk_update_flag")}
    data |= {"id": deal_id * 10_000 + place, "item_id": deal_id, "user_id": row["actor_user_id"]}
    data["log_time"] = row["time"]
    return {"object": "dealChange", "timestamp": row["time"], "data": data | {"additional_data": {}}}


def old_form(body: dict[str, Any]) -> dict[str, Any]:
    """A v2 record as v1 shows it: stamps without a zone, custom fields at the top, references as objects."""
    old: dict[str, Any] = {}
    for name, value in body.items():
        if name.endswith("_time") and isinstance(value, str):
            old[name] = value.replace("T", " ").removesuffix("Z")
        elif name == "custom_fields":
            old |= {key: str(held) if isinstance(held, int) else held for key, held in value.items()}
        elif name == "owner_id":
            old |= {"user_id": {"id": value, "value": value}, "owner_id": value}
        elif name in ("person_id", "org_id"):
            old[name] = None if value is None else {"value": value, "name": ""}
        else:
            old[name] = value
    return old | {"active_flag": not body.get("is_deleted"), "deleted": bool(body.get("is_deleted"))}


def answer_of_fault(fault: Fault | None) -> Answer | None:
    """The answer that a fault gives instead of the real one; None when the real one is to be spoiled or left alone."""
    if fault is None:
        return None
    if fault.name == "rate_limit_daily":
        return refusal(429, "daily token budget used up", {"x-daily-ratelimit-token-remaining": "0"})
    over = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"}
    table = {
        "rate_limit": refusal(429, "request over limit", over),
        "rate_limit_silent": refusal(429, "request over limit"),
        "server_errors": refusal((500, 502, 503, 504)[fault.seen % 4], "internal error"),
        "down": refusal(503, "service unavailable"),
        "html": Answer(200, b"<!DOCTYPE html><html><body>We'll be right back</body></html>"),
        "edge_error": Answer(520 + fault.seen % 11, b"<html><body>The origin did not answer.</body></html>"),
        "conflict": refusal(409, "conflict"),
        "html_block": Answer(403, b"<!DOCTYPE html><html><body>Access denied</body></html>"),
        "unauthorized": refusal(401, "unauthorized access"),
        "expired": refusal(401, "unauthorized access"),
        "missing_scope": refusal(403, "Scope and URL mismatch"),
        "not_found": refusal(404, "not found"),
        "cursor_reset": refusal(400, "Bad request: invalid cursor"),
    }
    return table.get(fault.name)


def spoiled(answer: Answer, fault: Fault | None) -> Answer:
    """A good answer made wrong in its content."""
    if fault is None or not isinstance(answer.body, dict):
        return answer
    following = (answer.body.get("additional_data") or {}).get("next_cursor")
    if fault.name == "missing_results":
        return Answer(200, {"success": True})
    if fault.name == "null_body":
        return Answer(200, None)
    if fault.name == "empty_page" and following:
        return Answer(200, answer.body | {"data": []})
    if fault.name == "duplicate_rows" and isinstance(answer.body.get("data"), list):
        return Answer(200, answer.body | {"data": answer.body["data"] + answer.body["data"][:2]})
    if fault.name == "repeated_page" and following:
        answer.body["additional_data"]["next_cursor"] = base64.urlsafe_b64encode(orjson.dumps([0, 0])).decode()
    return answer


@contextmanager
def serve(
    world: World,
    faults: list[str] | tuple[str, ...] = (),
    port: int = 0,
    token: str = DEFAULT_TOKEN,
    limits: bool = False,
) -> Iterator[Portal]:
    """A running server; stopped on leaving."""
    portal = Portal(world, port, token, limits)
    portal.set_faults(faults)
    with serving(portal):
        yield portal
