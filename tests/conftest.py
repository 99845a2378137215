"""One whole practice night for the session: many tests look at what it left, and change only copies of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
SALESOPS = str(Path(sys.executable).with_name("salesops"))


@dataclass(frozen=True)
class NightRun:
    """A data directory after a night, and what the night said. `command` runs `salesops` on it."""

    data: Path
    environment: dict[str, str]
    exit_code: int
    output: str
    seconds: float

    @property
    def published(self) -> Path:
        return self.data / "published" / "marts.duckdb"

    def command(self, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        return salesops(*arguments, environment=self.environment | changes)


def salesops(*arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """The command as a person starts it: a process of its own."""
    return subprocess.run(
        [SALESOPS, *arguments], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False
    )


def run_dbt(scratch: Path, *command: str) -> Any:
    """dbt in this process on the project, with its folders and databases in `scratch`; what the command gave."""
    from dbt.cli.main import dbtRunner

    before = dict(os.environ)
    os.environ |= {
        "SALESOPS_MARTS": str(scratch / "marts.duckdb"),
        "SALESOPS_WAREHOUSE": str(scratch / "warehouse.duckdb"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }
    project = str(ROOT / "dbt")
    folders = ["--target-path", str(scratch / "target"), "--log-path", str(scratch / "logs")]
    try:
        done = dbtRunner().invoke([*command, "--project-dir", project, "--profiles-dir", project, *folders])
    finally:
        os.environ.clear()
        os.environ.update(before)
    runs = getattr(done.result, "results", None) or []
    reasons = [f"{run.node.name}: {run.message}" for run in runs if run.status != "success"]
    assert done.success, f"dbt {' '.join(command)} failed: {done.exception or reasons}"
    return done.result


def compiled_sql(scratch: Path, *options: str) -> dict[str, str]:
    """Compiled SQL by model name; no database is asked."""
    compiled = run_dbt(scratch, "compile", "--quiet", "--no-introspect", "--no-populate-cache", *options)
    return {run.node.name: run.node.compiled_code for run in compiled}


def environment_of(folder: Path, configuration: str) -> dict[str, str]:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "salesops.toml"
    path.write_text(configuration)
    kept = {
        k: v for k, v in os.environ.items() if not k.startswith(("SALESOPS_", "HUBSPOT_", "PIPEDRIVE_", "DAGSTER_"))
    }
    return kept | {"SALESOPS_CONFIG": str(path), "SALESOPS_DATA": str(folder / "data"), "COLUMNS": "80"}


TOGETHER = {"lived": 0, "project": 1}
"""Fixtures that cost most: tests that share one stay on one worker, and begin first. Of everything else a file does."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def costly(item: pytest.Item) -> str:
        return min(
            (name for name in TOGETHER if name in getattr(item, "fixturenames", ())), key=TOGETHER.get, default=""
        )

    for item in items:
        item.add_marker(pytest.mark.xdist_group(costly(item) or str(item.path)))
    items.sort(key=lambda item: TOGETHER.get(costly(item), len(TOGETHER)))


PRACTICE = '[practice]\nsize = "small"\nseed = 11\n'


@pytest.fixture(scope="session")
def first_night(tmp_path_factory: pytest.TempPathFactory) -> NightRun:
    """The first night of a small practice company. Read only: `night_copy` is for tests that go on from here."""
    environment = environment_of(tmp_path_factory.mktemp("first_night"), PRACTICE)
    started = time.monotonic()
    done = salesops("nightly", environment=environment)
    data = Path(environment["SALESOPS_DATA"])
    return NightRun(data, environment, done.returncode, done.stdout + done.stderr, time.monotonic() - started)


@pytest.fixture(scope="session")
def night_copy(first_night: NightRun, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], NightRun]:
    """A copy of the first night's whole data directory, under a name."""

    def copy(name: str) -> NightRun:
        environment = environment_of(tmp_path_factory.mktemp(name), PRACTICE)
        data = Path(environment["SALESOPS_DATA"])
        shutil.copytree(first_night.data, data)
        return NightRun(data, environment, first_night.exit_code, first_night.output, first_night.seconds)

    return copy
