"""Runs a client, in its own environment, with every request of it turned to a practice server; nothing else is changed.

    python redirected.py http://127.0.0.1:PORT tap_hubspot:main --config config.json --discover
    python redirected.py http://127.0.0.1:PORT dlt:hubspot TOKEN

`module:function` is called as its console script would be; `dlt:NAME` loads a dlt source into a DuckDB file of the
current folder and prints the rows of each table. Imports nothing of ours: it runs where the client is installed.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any


def redirect(base: str) -> None:
    """Whatever host `requests` is asked for, the path and query go to the practice server as they are."""
    from urllib.parse import urlsplit

    from requests.adapters import HTTPAdapter

    send = HTTPAdapter.send

    def turned(self: HTTPAdapter, request: Any, *positional: Any, **options: Any) -> Any:
        parts = urlsplit(request.url)
        request.url = base + request.url.removeprefix(f"{parts.scheme}://{parts.netloc}")
        return send(self, request, *positional, **options)

    HTTPAdapter.send = turned  # type: ignore[method-assign]


# dlt's verified sources as omniload carries them: the resources that the practice company has something for
RESOURCES = {
    "hubspot": "companies contacts deals tickets products quotes calls emails line_items meetings notes tasks owners",
    "salesforce": "user user_role opportunity opportunity_line_item opportunity_contact_role account contact lead "
    "campaign campaign_member product task event",
    "pipedrive": "custom_fields_mapping activities deals deals_flow deals_participants notes persons organizations "
    "pipelines products stages users leads",
}


def dlt_rows(name: str, token: str) -> dict[str, int]:
    """What one of dlt's sources loads on a first run, by table."""
    os.environ |= {"DLT_DATA_DIR": str(Path.cwd()), "RUNTIME__DLTHUB_TELEMETRY": "false"}
    import dlt

    module = import_module(f"omniload.source.{name}.adapter")
    if name == "hubspot":
        source = module.hubspot(api_key=token)
    elif name == "salesforce":
        source = module.salesforce_source("practice@example.com", token, "", "acme.my", "Account")
        for resource in source.resources.values():  # it says id, rows say Id: dlt 1.31 stops at that
            if resource.incremental:
                resource.apply_hints(primary_key="Id")
    else:
        source = module.pipedrive_source(token)
    destination = dlt.destinations.duckdb(str(Path.cwd() / "clients.duckdb"))
    pipeline = dlt.pipeline("clients", pipelines_dir=".", destination=destination, dataset_name="raw")
    pipeline.run(source.with_resources(*RESOURCES[name].split()))
    counted = pipeline.last_trace.last_normalize_info.row_counts
    return {table: count for table, count in counted.items() if not table.startswith("_dlt")}


def main() -> None:
    base, what, *rest = sys.argv[1:]
    redirect(base)
    module, _, function = what.partition(":")
    if module == "dlt":
        print(json.dumps(dlt_rows(function, *rest)))
    else:
        sys.argv = [what, *rest]
        getattr(import_module(module), function)()


if __name__ == "__main__":
    main()
