"""The practice company as HubSpot: HTTP/1.1 on 127.0.0.1, the vendor's paths, limits, errors and faults on demand.

`serve(world)` is for tests; `python -m sandbox serve` for nights. Under `/__sandbox/` are the test controls: calls
(what was asked), faults, tick, truth. Rate limits are off unless asked for, so that nights are not slowed.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import orjson

from sandbox import truth
from sandbox.catalogue import SCOPES, SPELLINGS
from sandbox.faults import Fault
from sandbox.servers.answers import Answer, ApiError, bad_request, missing_scope, not_found
from sandbox.servers.company_server import CompanyServer
from sandbox.servers.hubspot_legacy import legacy
from sandbox.servers.hubspot_read import Query, Reader
from sandbox.servers.hubspot_search import search
from sandbox.servers.hubspot_write import Writer
from sandbox.servers.wire import Handler, serving
from sandbox.store import iso
from sandbox.world import World

DEFAULT_TOKEN = "pat-eu1-practice-company"
LONGEST_URI = 8_192
BURST, BURST_SECONDS, SEARCHES_PER_SECOND = 190, 10, 5
_DATED = re.compile(r"^/crm/(objects|owners|pipelines|properties|associations|schemas)/\d{4}-\d{2}")
_SERVER_ERRORS = (500, 502, 503, 504)


class Portal(CompanyServer):
    """The server; the switches below are for tests."""

    def __init__(self, world: World, port: int = 0, token: str = DEFAULT_TOKEN, limits: bool = False) -> None:
        super().__init__(world, _Handler, port, token)
        self.limits = limits
        self.index_lag = 0
        self.reader = Reader(world)
        self.writer = Writer(self.reader)
        self._burst: deque[float] = deque()
        self._searches: deque[float] = deque()

    def described(self, path: str) -> dict[str, Any]:
        return {"path": path, "route": route_of(path)}

    def over_limit(self, is_search: bool) -> Answer | None:
        """A 429 when limits are on and this call is one too many."""
        if not self.limits:
            return None
        now = time.monotonic()
        for window, seconds, most, on in (
            (self._burst, BURST_SECONDS, BURST, not is_search),
            (self._searches, 1, SEARCHES_PER_SECOND, is_search),
        ):
            while window and window[0] <= now - seconds:
                window.popleft()
            if on and len(window) >= most:
                return rate_limited("SECONDLY" if is_search else "TEN_SECONDLY_ROLLING", "1")
            if on:
                window.append(now)
        return None


def rate_limited(policy: str, retry_after: str | None) -> Answer:
    """429 in the vendor's words, with or without Retry-After."""
    body = {
        "status": "error",
        "message": f"You have reached your {policy.lower()} limit.",
        "errorType": "RATE_LIMIT",
        "correlationId": "c033cdaa-2c40-4a64-ae48-b4cec88dad24",
        "policyName": policy,
    }
    return Answer(429, body, {"Retry-After": retry_after} if retry_after else {})


def route_of(path: str) -> str:
    """A path without ids and query, for counting."""
    return re.sub(r"/\d{3,}(?=/|$)", "/{id}", _DATED.sub(r"/crm/v3/\1", urlsplit(path).path)).rstrip("/")


class _Handler(Handler):
    server: Portal

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length) if length else b""
        parts = urlsplit(self.path)
        if parts.path.startswith("/__sandbox/"):
            self._send(self._control(parts.path, raw))
            return
        with self.server.lock:
            fault = self.server.faults.next(_DATED.sub(r"/crm/v3/\1", self.path))
            answer = self._answer(parts.path, parts.query, raw, fault)
            self.server.note(self.command, self.path, answer.status)
        if "/search" not in parts.path:
            answer.headers |= self._limit_headers()
        self._send(answer, fault)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _serve

    def _answer(self, path: str, query: str, raw: bytes, fault: Fault | None) -> Answer:
        try:
            if len(self.path) > LONGEST_URI:
                return Answer(414, b"<html><body>URI Too Long</body></html>")
            path = _DATED.sub(r"/crm/v3/\1", path)
            planned = answer_of_fault(fault)
            if planned is not None:
                return planned
            if not path.startswith("/oauth/"):
                self._authenticate()
            over = self.server.over_limit(path.endswith("/search"))
            if over is not None:
                return over
            segments = [unquote(part) for part in path.split("/") if part]
            answer = self._route(segments, Query(parse_qs(query, keep_blank_values=True)), raw)
        except ApiError as error:
            return error.answer
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            return bad_request(f"Invalid input JSON: {error}").answer
        return spoiled(answer, fault)

    def _authenticate(self) -> None:
        if self.headers.get("Authorization") != f"Bearer {self.server.token}":
            raise ApiError(
                401, "INVALID_AUTHENTICATION", "Authentication credentials not found or not valid for this API call."
            )

    def _route(self, segments: list[str], query: Query, raw: bytes) -> Answer:
        reader = self.server.reader
        if (answer := legacy(reader, self.command, segments, query, raw)) is not None:
            return answer
        match segments:
            case ["crm", _, "objects", spelling, *rest]:
                return self._objects(reader.object_type(spelling), rest, query, raw)
            case ["crm", "v3" | "v4" as version, "associations", source, target, "batch", "read"]:
                types = (reader.object_type(source), reader.object_type(target))
                return reader.association_batch(*types, orjson.loads(raw), int(version[1]))
            case ["crm", "v3", "owners"]:
                return reader.owners(query)
            case ["crm", "v3", "owners", key]:
                return reader.owner(key, query)
            case ["crm", "v3", "pipelines", spelling, *rest]:
                return reader.pipelines(spelling, rest)
            case ["crm", "v3", "properties", spelling, "batch", "read"]:
                return reader.property_batch(spelling, orjson.loads(raw))
            case ["crm", "v3", "properties", spelling, *rest]:
                return reader.properties(spelling, rest, query)
            case ["crm", "v3", "schemas"]:
                return Answer(200, {"results": []})
            case ["account-info", "v3", "details"]:
                return reader.account()
            case ["account-info", "v3", "api-usage", "daily", "private-apps"]:
                return self._usage()
            case ["oauth", "v1" | "v3" | "2026-03", "token"]:
                return self._token(raw)
        raise not_found("No route")

    def _objects(self, object_type: str, rest: list[str], query: Query, raw: bytes) -> Answer:
        reader, writer, method = self.server.reader, self.server.writer, self.command
        path = f"/crm/v3/objects/{object_type}"
        match method, rest:
            case "GET", []:
                return reader.page(object_type, query, self._base(), path)
            case "POST", ["search"]:
                return search(reader, object_type, orjson.loads(raw), self.server.index_lag)
            case "POST", ["batch", "read"]:
                return reader.batch(object_type, orjson.loads(raw), query)
            case "POST", []:
                return writer.create(object_type, orjson.loads(raw))
            case "POST", ["merge"]:
                return writer.merge(object_type, orjson.loads(raw))
            case "POST", ["gdpr-delete"]:
                return writer.erase(object_type, orjson.loads(raw))
            case "POST", [key, "restore"]:
                return writer.restore(object_type, key)
            case "GET", [key]:
                return reader.single(object_type, key, query, self._base())
            case "PATCH", [key]:
                return writer.update(object_type, key, orjson.loads(raw))
            case "DELETE", [key]:
                return writer.archive(object_type, key)
            case "GET", [key, "associations", target]:
                return reader.association_page_of(object_type, key, reader.pair(object_type, target)[1], query)
            case "PUT", [key, "associations", "default", target, to_id]:
                return writer.associate(object_type, key, reader.pair(object_type, target)[1], to_id, [])
            case "PUT", [key, "associations", target, to_id]:
                return writer.associate(object_type, key, reader.pair(object_type, target)[1], to_id, orjson.loads(raw))
            case "DELETE", [key, "associations", target, to_id]:
                return writer.dissociate(object_type, key, reader.pair(object_type, target)[1], to_id)
        raise not_found("No route")

    def _base(self) -> str:
        return f"http://{self.headers.get('Host') or self.server.url.removeprefix('http://')}"

    def _usage(self) -> Answer:
        used = {"name": "Private apps", "usageLimit": 650_000, "currentUsage": len(self.server.calls)}
        now = iso(self.server.world.now)
        return Answer(200, {"results": [used | {"collectedAt": now, "resetsAt": now, "fetchStatus": "SUCCESS"}]})

    def _token(self, raw: bytes) -> Answer:
        form = parse_qs(raw.decode())
        if form.get("grant_type") != ["refresh_token"]:
            raise ApiError(400, "BAD_GRANT_TYPE", "missing or unknown grant_type")
        refresh = form.get("refresh_token", [""])[0]
        body = {"token_type": "bearer", "refresh_token": refresh, "access_token": self.server.token, "expires_in": 1800}
        return Answer(200, body)

    def _limit_headers(self) -> dict[str, str]:
        used = len(self.server.calls)
        return {
            "X-HubSpot-RateLimit-Max": str(BURST),
            "X-HubSpot-RateLimit-Remaining": str(max(0, BURST - used % BURST)),
            "X-HubSpot-RateLimit-Interval-Milliseconds": str(BURST_SECONDS * 1_000),
            "X-HubSpot-RateLimit-Daily": "650000",
            "X-HubSpot-RateLimit-Daily-Remaining": str(max(0, 650_000 - used)),
        }

    def _control(self, path: str, raw: bytes) -> Answer:
        if path.endswith("/truth"):
            with self.server.lock:
                return Answer(200, truth.of(self.server.world))
        return self.server.control(self.command, path, raw)

    def _send(self, answer: Answer, fault: Fault | None = None) -> None:
        if isinstance(answer.body, bytes):
            payload, kind = answer.body, "text/html"
        else:
            payload = b"" if answer.status == 204 else orjson.dumps(answer.body)
            kind = "application/json;charset=utf-8"
        self.send_bytes(answer, payload, kind, fault)


def answer_of_fault(fault: Fault | None) -> Answer | None:
    """The answer that a fault gives instead of the real one; None when the real one is to be spoiled or left alone."""
    if fault is None:
        return None
    if fault.name == "missing_scope":
        return missing_scope(scope_of(fault.argument)).answer
    table = {
        "rate_limit": rate_limited("TEN_SECONDLY_ROLLING", "1"),
        "rate_limit_silent": rate_limited("TEN_SECONDLY_ROLLING", None),
        "rate_limit_daily": rate_limited("DAILY", None),
        "server_errors": ApiError(_SERVER_ERRORS[fault.seen % 4], "INTERNAL_ERROR", "internal error").answer,
        "down": ApiError(503, "SERVICE_UNAVAILABLE", "down").answer,
        "html": Answer(200, b"<!DOCTYPE html><html><body>We'll be right back</body></html>"),
        "edge_error": Answer(520 + fault.seen % 11, b"<html><body>The origin did not answer.</body></html>"),
        "conflict": ApiError(409, "CONFLICT", "another change is under way").answer,
        "html_block": Answer(403, b"<!DOCTYPE html><html><body>Attention Required!</body></html>"),
        "unauthorized": ApiError(401, "INVALID_AUTHENTICATION", "This token is not valid.").answer,
        "expired": ApiError(401, "EXPIRED_AUTHENTICATION", "The OAuth token has expired.").answer,
        "not_found": Answer(404, b""),
        "locked": ApiError(423, "LOCKED", "locked").answer,
        "moved": Answer(477, {"status": "error", "message": "migration in progress"}, {"Retry-After": "2"}),
    }
    return table.get(fault.name)


def spoiled(answer: Answer, fault: Fault | None) -> Answer:
    """A good answer made wrong in its content."""
    if fault is None or not isinstance(answer.body, dict):
        return answer
    following = answer.body.get("paging", {}).get("next")
    if fault.name == "missing_results":
        return Answer(200, {})
    if fault.name == "null_body":
        return Answer(200, None)
    if fault.name == "empty_page" and following:
        return Answer(200, answer.body | {"results": []})
    if fault.name == "duplicate_rows" and isinstance(answer.body.get("results"), list):
        return Answer(answer.status, answer.body | {"results": answer.body["results"] + answer.body["results"][:2]})
    if fault.name == "repeated_page" and following:
        following["after"] = "1"
        following.pop("link", None)
    if fault.name == "foreign_next" and following and "link" in following:
        following["link"] = re.sub(r"^https?://[^/]+", "http://169.254.10.10", following["link"])
    return answer


def scope_of(name: str) -> str:
    """The scope that reading an object needs."""
    return SCOPES.get(SPELLINGS.get(name, name), f"crm.objects.{name}.read")


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
