"""The practice CRMs that are written to, under one handle: the same company in each vendor's words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ingestion.hubspot_writer import HubSpotWriter
from ingestion.pipedrive_writer import PipedriveWriter
from ingestion.salesforce_client import Login
from ingestion.salesforce_writer import SalesforceWriter
from ingestion.writing import CrmWriter
from sandbox.servers import hubspot, pipedrive, salesforce
from sandbox.store import Record
from tests.unit.ingestion.practice import tiny_world

FAST: dict[str, Any] = {"backoff_seconds": 0.005}


@dataclass(frozen=True)
class Practice:
    """A CRM of the practice company.

    `id_of`: what it calls a record; `source`: its lines in salesops.toml; `scope`: what a token without rights misses.
    """

    name: str
    serve: Callable[..., Any]
    writer: Callable[[Any], CrmWriter]
    id_of: Callable[[Any, Record], str]
    source: Callable[[Any], str]
    secrets: Callable[[Any], dict[str, str]]
    scope: str


def _secrets_of_the_org(server: Any) -> dict[str, str]:
    key, secret = server.token.split(":")
    return {"SALESFORCE_CLIENT_ID": key, "SALESFORCE_CLIENT_SECRET": secret}


PRACTICES = {
    "hubspot": Practice(
        "hubspot",
        hubspot.serve,
        lambda server: HubSpotWriter(server.token, server.url, **FAST),
        lambda server, record: record.id,
        lambda server: f'[sources.hubspot]\nbase_url = "{server.url}"\n',
        lambda server: {"HUBSPOT_ACCESS_TOKEN": server.token},
        "companies",
    ),
    "salesforce": Practice(
        "salesforce",
        salesforce.serve,
        lambda server: SalesforceWriter(Login.of(server.token), server.url, **FAST),
        lambda server, record: server.org.id_of(record),
        lambda server: f'[sources.salesforce]\nbase_url = "{server.url}"\n',
        _secrets_of_the_org,
        "composite",
    ),
    "pipedrive": Practice(
        "pipedrive",
        pipedrive.serve,
        lambda server: PipedriveWriter(server.token, server.url, **FAST),
        lambda server, record: str(server.render.shown_id(record)),
        lambda server: f'[sources.pipedrive]\nbase_url = "{server.url}"\n',
        lambda server: {"PIPEDRIVE_API_TOKEN": server.token},
        "organizationFields",
    ),
}


@contextmanager
def served(name: str) -> Iterator[Any]:
    """The CRM, running, of a company of its own."""
    with PRACTICES[name].serve(tiny_world()) as server:
        yield server
