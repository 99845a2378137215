"""The practice company as a Salesforce org: OAuth, REST queries, Bulk API 2.0 query jobs, limits, faults on demand.

`serve(world)` is for tests; `python -m sandbox serve --crm salesforce` for nights. Rows come from `salesforce_org`.
Cursors hold ids frozen at the query; the values of a later page are those of its own time, as the vendor's are.
"""

from __future__ import annotations

import base64
import hashlib
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, unquote_plus, urlsplit

import orjson

from sandbox.faults import Fault
from sandbox.servers.answers import Answer
from sandbox.servers.company_server import CompanyServer
from sandbox.servers.salesforce_bulk1 import BulkJobs, soap_refusal, soap_session
from sandbox.servers.salesforce_fields import SOBJECTS, describe
from sandbox.servers.salesforce_org import Org, Row
from sandbox.servers.salesforce_rows import csv_page, instant, record
from sandbox.servers.salesforce_setup import category_of, stages_of
from sandbox.servers.salesforce_write import OrgError, OrgWriter
from sandbox.servers.soql import Query, SoqlError, parse
from sandbox.servers.wire import Handler, serving
from sandbox.store import instant_of
from sandbox.world import World

CLIENT_ID, CLIENT_SECRET = "3MVG9.practice.company", "practice-consumer-secret"
DEFAULT_TOKEN = f"{CLIENT_ID}:{CLIENT_SECRET}"
REFRESH_TOKEN = "5Aep.practice.refresh"
LONGEST_URI = 16_384
LONGEST_BATCH = 2_000
_VERSION = re.compile(r"^/services/data/v(\d\d)\.0(/.*)$")
_ASYNC = re.compile(r"^/services/async/(\d\d)\.0/(.*)$")
_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_SHA256_PREFIX = bytes.fromhex("3031300d060960864801650304020105000420")


@dataclass
class Job:
    """A bulk query job: rows as they were when it ran."""

    id: str
    operation: str
    query: Query
    rows: list[Row]
    state: str = "UploadComplete"
    message: str | None = None


@dataclass
class Cursor:
    query: Query
    ids: list[str]
    includes_deleted: bool


@dataclass
class Credentials:
    """What the org accepts. `public_key` (modulus, exponent) lets a user in by a signed assertion."""

    client_id: str = CLIENT_ID
    client_secret: str = CLIENT_SECRET
    public_key: tuple[int, int] | None = None
    tokens: set[str] = field(default_factory=set)
    issued: int = 0

    def issue(self) -> str:
        self.issued += 1
        token = f"00D000000000001!practice.session.{self.issued}"
        self.tokens.add(token)
        return token


class OrgServer(CompanyServer):
    """The server."""

    def __init__(self, world: World, port: int = 0) -> None:
        super().__init__(world, _Handler, port, DEFAULT_TOKEN)
        self.org, self.credentials = Org(world), Credentials()
        self.writer = OrgWriter(self.org)
        self.batch_size, self.daily_limit, self.used = LONGEST_BATCH, 100_000, 0
        self.cursors: dict[str, Cursor] = {}
        self.jobs: dict[str, Job] = {}
        self.bulk1 = BulkJobs(self.org)


class _Handler(Handler):
    server: OrgServer

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length) if length else b""
        server = self.server
        with server.lock:
            fault = server.faults.next(unquote_plus(self.path))
            answer = self._answer(raw, fault)
            server.note(self.command, self.path, answer.status)
        if isinstance(answer.body, bytes):
            is_csv = "Sforce-Locator" in answer.headers
            payload, kind = answer.body, "text/csv" if is_csv else "text/html"
        else:
            payload = b"" if answer.status == 204 else orjson.dumps(answer.body)
            kind = "application/json;charset=UTF-8"
        self.send_bytes(answer, payload, kind, fault)

    do_GET = do_POST = do_PATCH = do_DELETE = _serve

    def _answer(self, raw: bytes, fault: Fault | None) -> Answer:
        server, parts = self.server, urlsplit(self.path)
        try:
            if len(self.path) > LONGEST_URI:
                raise OrgError(414, "URI_TOO_LONG", "the URI is longer than 16,384 bytes")
            if parts.path == "/services/oauth2/token":
                return self._token(raw)
            if parts.path.startswith("/services/Soap/u/"):
                return self._soap(raw)
            if match := _ASYNC.match(parts.path):
                return self._async(int(match[1]), match[2], raw, fault)
            if parts.path.rstrip("/") == "/services/data":
                return Answer(200, [{"label": "Winter '27", "url": "/services/data/v67.0", "version": "67.0"}])
            match = _VERSION.match(parts.path)
            if match is None:
                raise OrgError(404, "NOT_FOUND", "The requested resource does not exist")
            if planned := self._planned(fault):
                return planned
            if self.headers.get("Authorization", "").removeprefix("Bearer ") not in server.credentials.tokens:
                raise OrgError(401, "INVALID_SESSION_ID", "Session expired or invalid")
            if server.used >= server.daily_limit:
                raise OrgError(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
            server.used += 1
            answer = spoiled(self._route(int(match[1]), match[2], parse_qs(parts.query), raw, fault), fault)
        except OrgError as error:
            answer = error.answer
        except SoqlError as error:
            answer = OrgError(400, error.code, str(error)).answer
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            answer = OrgError(400, "JSON_PARSER_ERROR", f"unexpected input: {error}").answer
        answer.headers["Sforce-Limit-Info"] = f"api-usage={server.used}/{server.daily_limit}"
        return answer

    def _async(self, version: int, path: str, raw: bytes, fault: Fault | None) -> Answer:
        """Bulk API 1.0: a header of its own for the session, errors of its own."""
        if self.headers.get("X-SFDC-Session") not in self.server.credentials.tokens:
            body = {"exceptionCode": "InvalidSessionId", "exceptionMessage": "Invalid session id"}
            return Answer(400, body, {"Content-Type": "application/json"})
        is_failing = fault is not None and fault.name == "job_failed"
        segments = [unquote(part) for part in path.split("/") if part]
        return self.server.bulk1.answer(self.command, segments, version, raw, is_failing)

    def _planned(self, fault: Fault | None) -> Answer | None:
        """What a fault says instead of the answer."""
        name = fault.name if fault else ""
        if name == "session_expired":
            self.server.credentials.tokens.clear()
        errors = {
            "session_expired": (401, "INVALID_SESSION_ID", "Session expired or invalid"),
            "request_limit": (403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."),
            "concurrent_limit": (403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests Limit exceeded."),
            "query_timeout": (400, "QUERY_TIMEOUT", "Your query request was running for too long."),
            "down": (503, "SERVER_UNAVAILABLE", "Server too busy"),
            "server_errors": (503, "SERVER_UNAVAILABLE", "Server too busy"),
            "missing_scope": (403, "API_DISABLED_FOR_ORG", "The REST API is not enabled for this Organization."),
            "validation_rule": (400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", "Industry: choose one of ours"),
            "duplicates_detected": (400, "DUPLICATES_DETECTED", "Use one of these records?"),
            "conflict": (409, "ENTITY_SAVE_ERROR", "another change is under way"),
            "row_locked": (400, "UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record"),
        }  # fmt: skip
        if name == "locator_gone" and "/query/01g" in self.path:
            errors[name] = (400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        if name == "html":
            return Answer(200, b"<!DOCTYPE html><html><body>We are down for maintenance.</body></html>")
        if fault is not None and name == "edge_error":
            return Answer(520 + fault.seen % 11, b"<html><body>The origin did not answer.</body></html>")
        if name == "html_block":
            return Answer(403, b"<!DOCTYPE html><html><body>Access denied</body></html>")
        return OrgError(*errors[name]).answer if name in errors else None

    def _route(self, version: int, path: str, query: dict[str, list[str]], raw: bytes, fault: Fault | None) -> Answer:
        server = self.server
        match self.command, [unquote(part) for part in path.split("/") if part]:
            case "GET", ["sobjects"]:
                rows = [{key: value for key, value in describe(name).items() if key != "fields"} for name in SOBJECTS]
                return Answer(200, {"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": rows})
            case "GET", ["sobjects", name, "describe"]:
                return Answer(200, self._described(name))
            case "GET", ["sobjects", name, "deleted" | "updated" as which]:
                return self._moved(name, which, query)
            case "GET", ["sobjects", name, key]:
                return self._single(version, name, key)
            case "PATCH", ["sobjects", name, key]:
                return server.writer.change(self._described(name), key, orjson.loads(raw))
            case "POST", ["sobjects", name]:
                return server.writer.create(self._described(name), orjson.loads(raw))
            case "DELETE", ["sobjects", name, key]:
                return server.writer.remove(self._described(name), key)
            case "GET", ["query" | "queryAll" as operation]:
                return self._query(version, operation, query["q"][0])
            case "GET", ["query" | "queryAll", locator]:
                return self._page(version, locator)
            case "GET", ["limits"]:
                daily = {"Max": server.daily_limit, "Remaining": server.daily_limit - server.used}
                names = ("DailyApiRequests", "DailyBulkApiBatches", "DailyBulkV2QueryJobs")
                return Answer(200, dict.fromkeys(names, daily))
            case "POST", ["composite", "batch"]:
                return self._batch(orjson.loads(raw), query, fault)
            case "GET", ["ui-api", "object-info", "Opportunity", "picklist-values", record_type, "StageName"]:
                values = [_stage_value(stage) for stage in stages_of(record_type)]
                return Answer(200, {"values": values, "url": self.path})
            case "POST", ["jobs", "query"]:
                return self._create_job(version, orjson.loads(raw), fault)
            case "GET", ["jobs", "query", key]:
                return Answer(200, self._poll(self._job(key), version))
            case "GET", ["jobs", "query", key, "results"]:
                return self._results(self._job(key), query)
            case "DELETE", ["jobs", "query", key]:
                del server.jobs[self._job(key).id]
                return Answer(204)
        raise OrgError(404, "NOT_FOUND", "The requested resource does not exist")

    # tokens

    def _token(self, raw: bytes) -> Answer:
        form = {name: values[-1] for name, values in parse_qs(raw.decode()).items()}
        credentials, grant = self.server.credentials, form.get("grant_type")
        if grant == "client_credentials":
            given = base64.b64decode(self.headers.get("Authorization", "").removeprefix("Basic ")).decode()
            given = given or f"{form.get('client_id')}:{form.get('client_secret')}"
            key, _, secret = given.partition(":")
            if (key, secret) != (credentials.client_id, credentials.client_secret):
                return Answer(401, {"error": "invalid_client", "error_description": "invalid client credentials"})
        elif grant == "refresh_token":
            asked = (form.get("client_id"), form.get("client_secret"), form.get("refresh_token"))
            if asked != (credentials.client_id, credentials.client_secret, REFRESH_TOKEN):
                return Answer(400, {"error": "invalid_grant", "error_description": "expired access/refresh token"})
        elif grant == _JWT_BEARER:
            if reason := self._assertion_is_wrong(form.get("assertion", "")):
                return Answer(400, {"error": "invalid_grant", "error_description": reason})
        else:
            return Answer(400, {"error": "unsupported_grant_type", "error_description": "grant type not supported"})
        host = f"http://{self.headers.get('Host')}"
        body = {"access_token": credentials.issue(), "instance_url": host, "id": f"{host}/id/00D/005"}
        body["token_type"] = "Bearer"
        return Answer(200, body | {"issued_at": str(round(time.time() * 1000)), "signature": "", "scope": "api"})

    def _soap(self, raw: bytes) -> Answer:
        """Login by name and password: the password, with the security token behind it, is the consumer's secret."""
        credentials = self.server.credentials
        if f">{credentials.client_secret}</" not in "".join(raw.decode().split()):
            return Answer(500, soap_refusal(), {"Content-Type": "text/xml"})
        session = soap_session(credentials.issue(), f"http://{self.headers.get('Host')}")
        return Answer(200, session, {"Content-Type": "text/xml"})

    def _assertion_is_wrong(self, assertion: str) -> str | None:
        """Why a signed assertion is refused; the instant of expiry comes as text from some clients."""
        head, body, signature = (assertion.split(".") + ["", "", ""])[:3]
        claims, key = orjson.loads(_base64(body) or b"{}"), self.server.credentials.public_key
        if claims.get("iss") != self.server.credentials.client_id or not claims.get("sub"):
            return "user hasn't approved this consumer"
        if float(claims.get("exp", 0)) < time.time():
            return "assertion is expired"
        if key is not None:
            digest = _SHA256_PREFIX + hashlib.sha256(f"{head}.{body}".encode()).digest()
            size = (key[0].bit_length() + 7) // 8
            padded = b"\x00\x01" + b"\xff" * (size - len(digest) - 3) + b"\x00" + digest
            if pow(int.from_bytes(_base64(signature)), key[1], key[0]) != int.from_bytes(padded):
                return "invalid assertion"
        return None

    # descriptions and queries

    def _described(self, name: str) -> dict[str, Any]:
        if self.server.org.types_of(name) is None:
            raise OrgError(404, "NOT_FOUND", "The requested resource does not exist")
        return describe(next(known for known in SOBJECTS if known.lower() == name.lower()))

    def _single(self, version: int, name: str, key: str) -> Answer:
        described = self._described(name)
        names = tuple(entry["name"] for entry in described["fields"])
        query = Query(described["name"], names, (("Id", "=", key),), (), None)
        rows = query.select(self.server.org.visible(described["name"], includes_deleted=False))
        if not rows:
            raise OrgError(404, "NOT_FOUND", "The requested resource does not exist")
        return Answer(200, record(rows[0], query, version))

    def _batch(self, body: dict[str, Any], query: dict[str, list[str]], fault: Fault | None) -> Answer:
        results, requests = [], body["batchRequests"]
        if len(requests) > 25:
            raise OrgError(400, "LIMIT_EXCEEDED", "more than 25 subrequests")
        for request in requests:
            match = re.match(r"/?(?:services/data/)?v(\d\d)\.0(/sobjects/[^/]+/describe)$", request["url"])
            try:
                if match is None:
                    raise OrgError(404, "NOT_FOUND", "The requested resource does not exist")
                answer = Answer(200, self._described(match[2].split("/")[2]))
            except OrgError as error:
                answer = error.answer
            results.append({"statusCode": answer.status, "result": answer.body})
        return Answer(200, {"hasErrors": any(row["statusCode"] >= 400 for row in results), "results": results})

    def _moved(self, name: str, which: str, query: dict[str, list[str]]) -> Answer:
        start, end = (instant_of(query[side][0].replace(" ", "+")) or 0 for side in ("start", "end"))
        sobject = self._described(name)["name"]
        rows = [row for row in self.server.org.rows(sobject) if start <= row["SystemModstamp"] < end]
        now = instant(self.server.world.now, "+0000")
        if which == "updated":
            return Answer(200, {"ids": [row["Id"] for row in rows if not row["IsDeleted"]], "latestDateCovered": now})
        gone = [{"id": r["Id"], "deletedDate": instant(r["SystemModstamp"], "+0000")} for r in rows if r["IsDeleted"]]
        return Answer(200, {"deletedRecords": gone, "earliestDateAvailable": now, "latestDateCovered": now})

    def _query(self, version: int, operation: str, text: str) -> Answer:
        org = self.server.org
        query = parse(text, org.types_of)
        rows = query.select(self.server.org.visible(query.sobject, operation == "queryAll"))
        if not query.fields:
            return Answer(200, {"totalSize": len(rows), "done": True, "records": []})
        wish = re.search(r"batchSize=(\d+)", self.headers.get("Sforce-Query-Options", ""))
        size = min(self.server.batch_size, max(200, int(wish[1])) if wish else LONGEST_BATCH)
        key = f"01g{len(self.server.cursors) + 1:012d}AAA"
        self.server.cursors[key] = Cursor(query, [row["Id"] for row in rows], operation == "queryAll")
        return self._page(version, f"{key}-0-{size}")

    def _page(self, version: int, locator: str) -> Answer:
        key, start, size = locator.split("-")
        cursor = self.server.cursors.get(key)
        if cursor is None:
            raise OrgError(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        by_id = {row["Id"]: row for row in self.server.org.visible(cursor.query.sobject, cursor.includes_deleted)}
        ids = cursor.ids[int(start) : int(start) + int(size)]
        following = int(start) + int(size)
        body: dict[str, Any] = {"totalSize": len(cursor.ids), "done": following >= len(cursor.ids)}
        if not body["done"]:
            body["nextRecordsUrl"] = f"/services/data/v{version}.0/query/{key}-{following}-{size}"
        return Answer(200, body | {"records": [record(by_id[i], cursor.query, version) for i in ids if i in by_id]})

    # bulk jobs

    def _create_job(self, version: int, body: dict[str, Any], fault: Fault | None) -> Answer:
        query = parse(body["query"], self.server.org.types_of)
        if not query.fields:
            raise OrgError(400, "API_ERROR", "aggregate queries are not supported")
        rows = query.select(self.server.org.visible(query.sobject, body["operation"] == "queryAll"))
        job = Job(f"750{len(self.server.jobs) + 1:012d}AAA", body["operation"], query, [dict(row) for row in rows])
        if fault is not None and fault.name == "job_failed":
            job.message = "InternalServerError:Retried more than 15 times"
        self.server.jobs[job.id] = job
        return Answer(200, self._job_body(job, version))

    def _job(self, key: str) -> Job:
        if key not in self.server.jobs:
            raise OrgError(404, "NOT_FOUND", "The requested resource does not exist")
        return self.server.jobs[key]

    def _poll(self, job: Job, version: int) -> dict[str, Any]:
        finished = "Failed" if job.message else "JobComplete"
        job.state = {"UploadComplete": "InProgress", "InProgress": finished}.get(job.state, job.state)
        return self._job_body(job, version)

    def _job_body(self, job: Job, version: int) -> dict[str, Any]:
        now = instant(self.server.world.now, "+0000")
        body: dict[str, Any] = {
            "id": job.id, "operation": job.operation, "object": job.query.sobject, "createdById": "005000000000001AAA",
            "createdDate": now, "systemModstamp": now, "state": job.state, "concurrencyMode": "Parallel",
            "contentType": "CSV",
            "apiVersion": float(version), "lineEnding": "LF", "columnDelimiter": "COMMA",
        }  # fmt: skip
        if job.state == "Failed":
            body["errorMessage"] = job.message
        return body | ({"numberRecordsProcessed": len(job.rows)} if job.state == "JobComplete" else {})

    def _results(self, job: Job, query: dict[str, list[str]]) -> Answer:
        if job.state != "JobComplete":
            raise OrgError(400, "INVALIDJOBSTATE", f"results are not ready: the job is {job.state}")
        start = int(base64.b64decode(query["locator"][0])) if "locator" in query else 0
        rows = job.rows[start : start + int(query.get("maxRecords", ["50000"])[0])]
        types = self.server.org.types_of(job.query.sobject) or {}
        following = start + len(rows)
        more = base64.b64encode(str(following).encode()).decode() if following < len(job.rows) else "null"
        headers = {"Sforce-NumberOfRecords": str(len(rows)), "Sforce-Locator": more}
        return Answer(200, csv_page(job.query, rows, types), headers)


def spoiled(answer: Answer, fault: Fault | None) -> Answer:
    """A good answer made wrong in its content."""
    if fault is None or not isinstance(answer.body, dict) or "records" not in answer.body:
        return answer
    if fault.name == "missing_results":
        return Answer(200, {})
    if fault.name == "null_body":
        return Answer(200, None)
    if fault.name == "empty_page" and not answer.body["done"]:
        return Answer(200, answer.body | {"records": []})
    if fault.name == "duplicate_rows":
        return Answer(200, answer.body | {"records": answer.body["records"] + answer.body["records"][:2]})
    return answer


def _stage_value(stage: Any) -> dict[str, Any]:
    category = category_of(stage)[1]
    attributes = {"closed": stage.is_closed, "won": stage.is_won, "defaultProbability": 100 * float(stage.probability)}
    attributes |= {"forecastCategoryName": category, "picklistAtributesValueType": "OpportunityStage"}
    return {"attributes": attributes, "label": stage.label, "value": stage.label, "validFor": []}


def _base64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@contextmanager
def serve(
    world: World,
    faults: list[str] | tuple[str, ...] = (),
    port: int = 0,
    token: str = DEFAULT_TOKEN,
    limits: bool = False,
) -> Iterator[OrgServer]:
    """A running org; stopped on leaving. `token` is key:secret; `limits`: the requests of the smallest edition."""
    server = OrgServer(world, port)
    server.token = token
    server.credentials.client_id, _, server.credentials.client_secret = token.partition(":")
    server.daily_limit = 15_000 if limits else server.daily_limit
    server.set_faults(faults)
    with serving(server):
        yield server
