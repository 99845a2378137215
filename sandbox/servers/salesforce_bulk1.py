"""Bulk API 1.0, which dlt's source, the Singer tap and older loaders still ask: jobs, batches, results in JSON or CSV.

A batch is done as soon as it is added: its rows are those of that instant. JSON jobs answer in JSON, with instants as
epoch milliseconds; CSV jobs speak of batches in XML.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from sandbox.servers.answers import Answer
from sandbox.servers.salesforce_fields import describe
from sandbox.servers.salesforce_org import Org, Row
from sandbox.servers.salesforce_rows import csv_page, instant
from sandbox.servers.soql import Query, SoqlError, parse

_XML = '<?xml version="1.0" encoding="UTF-8"?>'
_NAMESPACE = 'xmlns="http://www.force.com/2009/06/asyncapi/dataload"'


class AsyncError(Exception):
    """An error of this interface: an object, not a list."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        body = {"exceptionCode": code, "exceptionMessage": message}
        self.answer = Answer(400, body, {"Content-Type": "application/json"})


@dataclass
class Batch:
    id: str
    query: Query | None
    rows: list[Row]
    message: str | None = None


@dataclass
class Job:
    id: str
    operation: str
    sobject: str
    form: str
    state: str = "Open"
    batches: dict[str, Batch] = field(default_factory=dict)


@dataclass
class BulkJobs:
    """The jobs of one org. `is_enabled` False: an edition without this interface."""

    org: Org
    is_enabled: bool = True
    jobs: dict[str, Job] = field(default_factory=dict)

    def answer(self, method: str, segments: list[str], version: int, raw: bytes, is_failing: bool) -> Answer:
        """The answer of a path behind /services/async/NN.0/; `is_failing`: a batch that is added ends in Failed."""
        try:
            if not self.is_enabled:
                raise AsyncError("FeatureNotEnabled", "Async API not enabled")
            match method, segments:
                case "POST", ["job"]:
                    return self._create(orjson.loads(raw), version)
                case "GET", ["job", key]:
                    return Answer(200, self._job_body(self._job(key), version))
                case "POST", ["job", key]:
                    job = self._job(key)
                    job.state = str(orjson.loads(raw)["state"])
                    return Answer(200, self._job_body(job, version))
                case "POST", ["job", key, "batch"]:
                    return self._add(self._job(key), raw.decode(), is_failing)
                case "GET", ["job", key, "batch"]:
                    job = self._job(key)
                    return self._said(
                        job, "batchInfoList", [self._batch_body(job, one) for one in job.batches.values()]
                    )
                case "GET", ["job", key, "batch", batch_key]:
                    job = self._job(key)
                    return self._said(job, "batchInfo", self._batch_body(job, self._batch(job, batch_key)))
                case "GET", ["job", key, "batch", batch_key, "result"]:
                    job = self._job(key)
                    return self._said(job, "result-list", [f"752{self._batch(job, batch_key).id[3:]}"])
                case "GET", ["job", key, "batch", batch_key, "result", _]:
                    job = self._job(key)
                    return self._result(job, self._batch(job, batch_key))
        except AsyncError as error:
            return error.answer
        return AsyncError("InvalidUrl", "Destination URL not reset").answer

    def _create(self, body: dict[str, Any], version: int) -> Answer:
        if body.get("operation") not in ("query", "queryAll") or body.get("contentType") not in ("JSON", "CSV"):
            raise AsyncError("InvalidJob", "only query and queryAll, in JSON or CSV, are practised here")
        if self.org.types_of(body["object"]) is None:
            raise AsyncError("InvalidEntity", f"Unsupported entity '{body['object']}'")
        key = f"750{len(self.jobs) + 900_000_001:012d}AAA"
        self.jobs[key] = Job(key, body["operation"], body["object"], body["contentType"])
        return Answer(201, self._job_body(self.jobs[key], version))

    def _job(self, key: str) -> Job:
        if key not in self.jobs:
            raise AsyncError("InvalidJob", f"Invalid job id: {key}")
        return self.jobs[key]

    @staticmethod
    def _batch(job: Job, key: str) -> Batch:
        if key not in job.batches:
            raise AsyncError("InvalidBatch", f"Invalid batch id: {key}")
        return job.batches[key]

    def _add(self, job: Job, text: str, is_failing: bool) -> Answer:
        """A batch of one query; what is wrong with it shows in its state, as the vendor's does."""
        if job.state != "Open":
            raise AsyncError("InvalidJobState", "job is closed")
        batch = Batch(f"751{int(job.id[3:15]) * 100 + len(job.batches):012d}AAA", None, [])
        try:
            batch.query = parse(text, self.org.types_of)
            batch.rows = batch.query.select(self.org.visible(batch.query.sobject, job.operation == "queryAll"))
        except SoqlError as error:
            batch.message = f"InvalidBatch : Failed to process query: {error.code}: {error}"
        if is_failing:
            batch.message = "InternalServerError : Retried more than 15 times"
        job.batches[batch.id] = batch
        return self._said(job, "batchInfo", self._batch_body(job, batch) | {"state": "Queued"}, 201)

    def _job_body(self, job: Job, version: int) -> dict[str, Any]:
        now = instant(self.org.world.now, "+0000")
        return {
            "id": job.id, "operation": job.operation, "object": job.sobject, "createdById": "005000000000001AAA",
            "createdDate": now, "systemModstamp": now, "state": job.state, "concurrencyMode": "Parallel",
            "contentType": job.form, "apiVersion": float(version), "numberBatchesTotal": len(job.batches),
            "numberBatchesCompleted": len(job.batches), "numberBatchesFailed": 0,
        }  # fmt: skip

    def _batch_body(self, job: Job, batch: Batch) -> dict[str, Any]:
        now = instant(self.org.world.now, "+0000")
        body = {"id": batch.id, "jobId": job.id, "state": "Failed" if batch.message else "Completed"}
        body |= {"stateMessage": batch.message} if batch.message else {}
        return body | {"createdDate": now, "systemModstamp": now, "numberRecordsProcessed": len(batch.rows)}

    @staticmethod
    def _said(job: Job, name: str, body: Any, status: int = 200) -> Answer:
        """In JSON, or as the XML that a CSV job is spoken of in."""
        if job.form == "JSON":
            return Answer(status, {name: body} if name == "batchInfoList" else body)
        if name == "result-list":
            inside = "".join(f"<result>{key}</result>" for key in body)
        elif name == "batchInfoList":
            inside = "".join(f"<batchInfo>{_elements(one)}</batchInfo>" for one in body)
        else:
            inside = _elements(body)
        text = f"{_XML}<{name} {_NAMESPACE}>{inside}</{name}>"
        return Answer(status, text.encode(), {"Content-Type": "application/xml"})

    def _result(self, job: Job, batch: Batch) -> Answer:
        if batch.query is None or batch.message:
            raise AsyncError("InvalidBatch", "batch has failed")
        if job.form == "JSON":
            return Answer(200, [_record(row, batch.query) for row in batch.rows])
        types = self.org.types_of(batch.query.sobject) or {}
        page = csv_page(batch.query, batch.rows, types) if batch.rows else b"Records not found for this query\n"
        return Answer(200, page, {"Content-Type": "text/csv"})


def _elements(body: dict[str, Any]) -> str:
    return "".join(f"<{name}>{value}</{name}>" for name, value in body.items())


def _record(row: Row, query: Query) -> dict[str, Any]:
    """A row in JSON: instants are epoch milliseconds."""
    kinds = {entry["name"]: entry["type"] for entry in describe(query.sobject)["fields"]}
    attributes = {"type": query.sobject, "url": f"/services/data/v59.0/sobjects/{query.sobject}/{row['Id']}"}
    values = {name: None if row.get(name) == "" else row.get(name) for name in query.fields}
    whole = {name: int(value) for name, value in values.items() if value is not None and kinds[name] == "int"}
    return {"attributes": attributes} | values | whole


def soap_session(session: str, host: str) -> bytes:
    """What a login by name and password answers."""
    body = f"<serverUrl>{host}/services/Soap/u/59.0/00D</serverUrl><sessionId>{session}</sessionId>"
    return _envelope(f"<loginResponse><result>{body}</result></loginResponse>")


def soap_refusal() -> bytes:
    code, text = "INVALID_LOGIN", "Invalid username, password, security token; or user locked out."
    detail = f"<sf:exceptionCode>{code}</sf:exceptionCode><sf:exceptionMessage>{text}</sf:exceptionMessage>"
    return _envelope(f"<soapenv:Fault><faultcode>{code}</faultcode><detail>{detail}</detail></soapenv:Fault>")


def _envelope(inside: str) -> bytes:
    names = 'xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:sf="urn:fault.partner.soap.sforce.com"'
    return f"{_XML}<soapenv:Envelope {names}><soapenv:Body>{inside}</soapenv:Body></soapenv:Envelope>".encode()
