"""Other people's clients against the practice servers: what each reads of the practice company, beside what there is.

    python -m bench.clients [--venvs FOLDER] [--only tap-hubspot ...]

Each is installed from PyPI into an environment of its own (kept with --venvs) and run as it is: `bench/redirected.py`
turns its requests to the server, which runs in this process. Counted are the distinct records that it hands on. Ends
with 1 when a client fails, or reads another number than the company has.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from sandbox.catalogue import ACTIVITIES, PIPELINES
from sandbox.servers import hubspot, pipedrive, pipedrive_fields, salesforce
from sandbox.servers.company_server import CompanyServer
from sandbox.servers.salesforce_fields import SOBJECTS
from sandbox.world import World, live

REDIRECTED = Path(__file__).with_name("redirected.py")
MONTH = 30 * 86_400_000
DLT = ("dlt[duckdb,parquet]==1.31.0", "simple-salesforce==1.12.10", "--no-deps", "omniload==0.21.1")
SINCE = "2000-01-01T00:00:00Z"


@dataclass(frozen=True)
class Client:
    """`packages`: what pip installs, those after `--no-deps` alone. `truth`: stream -> the records that there are."""

    name: str
    packages: tuple[str, ...]
    vendor: str
    run: Callable[[Path, CompanyServer, Path], dict[str, int]]
    truth: Callable[[Any], dict[str, int]]


# what there is


def alive(world: World, name: str) -> int:
    return sum(record.archived_at is None for record in world.store.records[name].values())


def hubspot_tap_truth(server: hubspot.Portal) -> dict[str, int]:
    world = server.world
    held = world.store.links[("companies", "contacts")]
    companies = world.store.records["companies"].values()
    pairs = sum(len(held.get(row.id, ())) for row in companies if row.archived_at is None)
    found = {name: alive(world, name) for name in ("contacts", "companies", "deals")}
    found |= {"owners": len(world.sellers()), "deal_pipelines": len(PIPELINES["deals"]), "contacts_by_company": pairs}
    return found | {"engagements": sum(alive(world, name) for name in ACTIVITIES)}


def hubspot_dlt_truth(server: hubspot.Portal) -> dict[str, int]:
    names = ("companies", "contacts", "deals", "line_items", *ACTIVITIES)
    return {name: alive(server.world, name) for name in names} | {"owners": len(server.world.sellers())}


def salesforce_truth(server: salesforce.OrgServer) -> dict[str, int]:
    return {name: len(server.org.rows(name)) for name in SOBJECTS if server.org.rows(name)}


def salesforce_dlt_truth(server: salesforce.OrgServer) -> dict[str, int]:
    tables = {
        "user": "User", "user_role": "UserRole", "opportunity": "Opportunity", "account": "Account",
        "opportunity_line_item": "OpportunityLineItem", "opportunity_contact_role": "OpportunityContactRole",
        "contact": "Contact", "lead": "Lead", "campaign": "Campaign", "campaign_member": "CampaignMember",
        "product": "Product2", "task": "Task", "event": "Event",
    }  # fmt: skip
    found = {table: len(server.org.rows(name)) for table, name in tables.items()}
    return {table: count for table, count in found.items() if count}


def pipedrive_tap_truth(server: pipedrive.Portal) -> dict[str, int]:
    names = ("persons", "organizations", "activities")
    found = {name: sum(row.archived_at is None for row in server.records(name)) for name in names}
    deals = server.records("deals")
    kept = [deal for deal in deals if deal.archived_at is None]
    flow = [row for deal in kept for row in server.render.changelog(deal)]
    lines = {line["id"] for deal in kept for line in server.render.products_of(deal)}
    return found | {
        "deals": len(deals), "dealflow": sum(row["field_key"] in ("add_time", "stage_id") for row in flow),
        "deal_products": len(lines), "notes": alive(server.world, "notes"), "users": len(server.world.owners),
        "pipelines": len(pipedrive_fields.pipelines()), "stages": len(pipedrive_fields.stages()),
        "products": len(server.render.products()), "activity_types": len(pipedrive_fields.activity_types()),
        "currency": 4, "deal_fields": len(pipedrive_fields.fields_v1("deals")),
    }  # fmt: skip


def pipedrive_dlt_truth(server: pipedrive.Portal) -> dict[str, int]:
    """Its v1 source asks for recent changes, which go back a month."""
    since = server.world.now - MONTH
    names = ("deals", "persons", "organizations", "activities")
    recent = {name: [r for r in server.records(name) if server.render.update_instant(r) >= since] for name in names}
    found = {name: len(rows) for name, rows in recent.items()}
    found["deals_flow_deal_change"] = sum(len(server.render.changelog(deal)) for deal in recent["deals"])
    notes = server.world.store.records["notes"].values()
    found["notes"] = sum(row.archived_at is None and server.render.update_instant(row) >= since for row in notes)
    return found | {"users": len(server.world.owners)}


# how they are run


def python_of(venv: Path) -> str:
    return str(venv / "bin" / "python")


def ran(venv: Path, server: CompanyServer, folder: Path, *arguments: str) -> str:
    command = [python_of(venv), str(REDIRECTED), server.url, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=1_800, check=False)
    if done.returncode:
        raise RuntimeError("\n".join(done.stderr.strip().splitlines()[-3:]))
    return done.stdout


def by_tap(
    entry: str, config: dict[str, str], catalog_flag: str
) -> Callable[[Path, CompanyServer, Path], dict[str, int]]:
    """A Singer tap: discovery, every stream selected, the distinct keys of the records that it writes."""

    def run(venv: Path, server: CompanyServer, folder: Path) -> dict[str, int]:
        (folder / "config.json").write_text(json.dumps(config))
        catalog = json.loads(ran(venv, server, folder, entry, "--config", "config.json", "--discover"))
        for stream in catalog["streams"]:
            root = next(part["metadata"] for part in stream["metadata"] if not part["breadcrumb"])
            root["selected"] = True
            if keys := root.get("valid-replication-keys"):
                root |= {"replication-method": "INCREMENTAL", "replication-key": keys[0]}
        (folder / "catalog.json").write_text(json.dumps(catalog))
        text = ran(venv, server, folder, entry, "--config", "config.json", catalog_flag, "catalog.json")
        keys, seen = {}, {}
        for line in text.splitlines():
            message = json.loads(line)
            if message["type"] == "SCHEMA":
                keys[message["stream"]] = message["key_properties"]
            elif message["type"] == "RECORD":
                row = message["record"]
                seen.setdefault(message["stream"], set()).add(tuple(row[key] for key in keys[message["stream"]]))
        return {stream: len(found) for stream, found in seen.items()}

    return run


def by_dlt(name: str, token: str) -> Callable[[Path, CompanyServer, Path], dict[str, int]]:
    return lambda venv, server, folder: json.loads(ran(venv, server, folder, f"dlt:{name}", token).splitlines()[-1])


_ORG = {
    "refresh_token": salesforce.REFRESH_TOKEN, "client_id": salesforce.CLIENT_ID,
    "client_secret": salesforce.CLIENT_SECRET, "start_date": SINCE, "select_fields_by_default": "true",
}  # fmt: skip
_AGE = str(10**12)  # the tap asks for mailings day by day: one window of thirty years
_PORTAL = {
    "start_date": SINCE, "client_id": "practice", "client_secret": "x", "redirect_uri": "x", "refresh_token": "x",
    "select_fields_by_default": "true", "email_chunk_size": _AGE, "subscription_chunk_size": _AGE,
}  # fmt: skip
CLIENTS = (
    Client("tap-hubspot", ("tap-hubspot==4.5.0",), "hubspot",
           by_tap("tap_hubspot:main", _PORTAL, "--properties"), hubspot_tap_truth),
    Client("dlt hubspot", DLT, "hubspot", by_dlt("hubspot", hubspot.DEFAULT_TOKEN), hubspot_dlt_truth),
    Client("tap-salesforce, REST", ("tap-salesforce==2.8.1",), "salesforce",
           by_tap("tap_salesforce:main", _ORG | {"api_type": "REST"}, "--properties"), salesforce_truth),
    Client("tap-salesforce, Bulk 1.0", ("tap-salesforce==2.8.1",), "salesforce",
           by_tap("tap_salesforce:main", _ORG | {"api_type": "BULK"}, "--properties"), salesforce_truth),
    Client("dlt salesforce", DLT, "salesforce", by_dlt("salesforce", salesforce.CLIENT_SECRET), salesforce_dlt_truth),
    Client("tap-pipedrive", ("tap-pipedrive==2.1.0",), "pipedrive",
           by_tap("tap_pipedrive.cli:main", {"api_token": pipedrive.DEFAULT_TOKEN, "start_date": SINCE}, "--catalog"),
           pipedrive_tap_truth),
    Client("dlt pipedrive", DLT, "pipedrive", by_dlt("pipedrive", pipedrive.DEFAULT_TOKEN), pipedrive_dlt_truth),
)  # fmt: skip


def installed(client: Client, venvs: Path) -> Path:
    """The client's environment, made when it is not there."""
    venv = venvs / client.packages[-1].replace("==", "-")
    if not (venv / ".ready").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)], check=True)
        asked = list(client.packages)
        place = asked.index("--no-deps") if "--no-deps" in asked else len(asked)
        for packages in (asked[:place], asked[place:]):
            if packages:
                subprocess.run(
                    [python_of(venv), "-m", "pip", "install", "-q", *packages], check=True, stderr=subprocess.PIPE
                )
        (venv / ".ready").touch()
    return venv


@contextmanager
def practice(vendor: str, world: World) -> Iterator[CompanyServer]:
    with {"hubspot": hubspot.serve, "salesforce": salesforce.serve, "pipedrive": pipedrive.serve}[vendor](
        world
    ) as server:
        yield server


def company() -> World:
    """A small one with something of each kind in the bin, and two people who are one."""
    world = live(7, "tiny", date(2026, 11, 2))
    for kind in ("deals", "contacts", "companies", "calls"):
        world.store.archive(next(iter(world.store.records[kind].values())), world.stamp())
    first, second = [one for one in world.store.records["contacts"].values() if one.archived_at is None][:2]
    world.store.merge(first, second, world.stamp())
    return world


def report(client: Client, venvs: Path) -> bool:
    """Run one client on a company of its own; print what it read, and whether that is all."""
    with tempfile.TemporaryDirectory() as folder, practice(client.vendor, company()) as server:
        try:
            read = client.run(installed(client, venvs), server, Path(folder))
        except (RuntimeError, subprocess.SubprocessError) as error:
            print(f"| {client.name} | failed: {error} |", flush=True)
            return False
        truth = client.truth(server)
        refused = [call for call in server.calls if call["status"] >= 400]
    off = {name: (read.get(name, 0), count) for name, count in truth.items() if read.get(name, 0) != count}
    told = ", ".join(f"{name} {got} of {count}" for name, (got, count) in off.items()) or "all"
    whole = f"{sum(read.get(name, 0) for name in truth):,} of {sum(truth.values()):,}"
    print(f"| {client.name} | {len(truth)} | {whole} | {len(server.calls):,} | {len(refused)} | {told} |", flush=True)
    for call in refused[:5]:
        print(f"  refused: {call['status']} {call['method']} {call['path']}")
    return not off


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venvs", type=Path)
    parser.add_argument("--only", nargs="+", choices=[client.name for client in CLIENTS])
    arguments = parser.parse_args()
    print("| client | streams | records read | requests | refused | off |\n|---|---:|---:|---:|---:|---|")
    with tempfile.TemporaryDirectory() as temporary:
        venvs = arguments.venvs.resolve() if arguments.venvs else Path(temporary)
        chosen = [client for client in CLIENTS if client.name in (arguments.only or [client.name])]
        is_whole = [report(client, venvs) for client in chosen]
    return 0 if all(is_whole) else 1


if __name__ == "__main__":
    raise SystemExit(main())
