"""CPU-seconds of the orchestrated night against the bare sum of extraction and the dbt project alone.

    .venv/bin/python -m bench.night [--size default] [--rounds 3]

Both sides read the same practice server, each into its own data directory; a first, unmeasured round warms dbt's
partial parse and Dagster's instance. The measured rounds are unchanged nights: what is left is start-up, checks, models
and publication. The dbt side runs what `make dbt-build` runs, without unit tests. The server is a process of its own
and is not counted.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.practice import ROOT, Server, serving

LIMIT_SECONDS = 10.0  # CPU-seconds that orchestration may add while the project is small

EXTRACTION = """
import os
from contextlib import contextmanager
from pathlib import Path
import duckdb
from ingestion import landing
from ingestion.hubspot import HubSpotSource, sync_hubspot
from salesops.clock import Clock

data, now = Path(os.environ["SALESOPS_DATA"]), Clock().now()
data.mkdir(parents=True, exist_ok=True)

@contextmanager
def warehouse():
    with duckdb.connect(str(data / "warehouse.duckdb")) as connection:
        landing.prepare(connection)
        yield connection

source = HubSpotSource(os.environ["HUBSPOT_ACCESS_TOKEN"], os.environ["BASE_URL"], data / "spool", now)
for result in sync_hubspot(warehouse, source, "bench", now):
    assert result.state in ("ok", "empty"), (result.object, result.state, result.reason)
"""


def cpu_seconds(command: list[str], environment: dict[str, str], accepted: tuple[int, ...] = (0,)) -> float:
    """User and system time of a command and everything that it waited for. Raises when the command fails."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in accepted:
            log.seek(0)
            raise SystemExit(f"{' '.join(command[:4])} ended with {process.returncode}:\n{log.read().decode()[-3000:]}")
    return usage.ru_utime + usage.ru_stime


def environment(folder: Path, server: Server) -> dict[str, str]:
    """A company whose HubSpot is the practice server: the night then starts no server of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    configuration = folder / "salesops.toml"
    configuration.write_text(
        f'[company]\ntimezone = "Europe/Stockholm"\n\n[sources.hubspot]\nbase_url = "{server.url}"\n'
    )
    return os.environ | {
        "SALESOPS_CONFIG": str(configuration),
        "SALESOPS_DATA": str(folder / "data"),
        "HUBSPOT_ACCESS_TOKEN": server.token,
        "BASE_URL": server.url,
    }


def bare(env: dict[str, str]) -> float:
    salesops = str(Path(sys.executable).parent / "salesops")
    extraction = cpu_seconds([sys.executable, "-c", EXTRACTION], env)
    return extraction + cpu_seconds([salesops, "dbt", "build", "--exclude-resource-type", "unit_test"], env)


def orchestrated(env: dict[str, str]) -> float:
    return cpu_seconds([str(Path(sys.executable).parent / "salesops"), "nightly"], env)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", default="default", choices=["small", "default", "large"])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    nights, floors = [], []
    with tempfile.TemporaryDirectory() as name, serving(Path(name) / "sandbox", options.size) as server:
        night_side = environment(Path(name) / "night", server)
        bare_side = environment(Path(name) / "bare", server)
        orchestrated(night_side), bare(bare_side)
        for number in range(options.rounds):
            started = time.monotonic()
            nights.append(orchestrated(night_side))
            floors.append(bare(bare_side))
            took = time.monotonic() - started
            print(f"round {number + 1}: night {nights[-1]:.1f}, bare {floors[-1]:.1f} CPU-s, {took:.0f} s")
    night, floor = statistics.median(nights), statistics.median(floors)
    print(f"median: night {night:.1f} CPU-s, extraction + dbt-build {floor:.1f} CPU-s")
    print(f"ratio {night / floor:.2f}, difference {night - floor:+.1f} CPU-s (limit {LIMIT_SECONDS:+.1f})")
    return 0 if night - floor <= LIMIT_SECONDS else 1


if __name__ == "__main__":
    raise SystemExit(main())
