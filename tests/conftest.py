"""One whole practice night for the session: many tests look at what it left, and change only copies of it."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
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


PARSED = "DBT_PARTIAL_PARSE_FILE_PATH"
"""dbt's own variable: the parse that a dbt of the suite starts from, whatever its folders, when nothing changed."""
SHARED = "TESTS_SHARED_FOLDER"
"""What the workers have in common."""


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # the workers inherit it
        os.environ[SHARED] = tempfile.mkdtemp(prefix="tests-shared-")


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ.pop(SHARED), ignore_errors=True)


def parsed_once() -> dict[str, str]:
    """What makes a dbt start from the parse that the whole suite shares: a parse costs more than most tests. The first
    night parses for itself, and nights that go on from it find what it left."""
    if SHARED not in os.environ:  # a bench that borrows the tests' project
        return {}
    parse = Path(os.environ[SHARED]) / "target" / "partial_parse.msgpack"
    with (parse.parents[1] / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not parse.exists():
            _dbt(parse.parents[1], None, "parse", "--quiet")
    return {PARSED: str(parse)}


def salesops(*arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """The command as a person starts it: a process of its own."""
    return subprocess.run(
        [SALESOPS, *arguments], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False
    )


def run_dbt(scratch: Path, *command: str, target: str | None = None, variables: dict[str, Any] | None = None) -> Any:
    """dbt in this process on the project, with its folders and databases in `scratch`; what the command gave.

    Parsed as the night does it, without variables and the paths of databases. Another target is another parse.
    """
    chosen = ["--target", target] if target else []
    parsed = _dbt(scratch, None, "parse", "--quiet", *chosen, **({} if target else parsed_once()))
    if command[0] == "parse":
        return parsed  # and its manifest.json is in the target folder
    paths = {f"SALESOPS_{name}": str(scratch / f"{name.lower()}.duckdb") for name in ("MARTS", "WAREHOUSE")}
    told = ["--vars", json.dumps(variables)] if variables else []
    return _dbt(scratch, parsed, *command, "--quiet", "--no-write-json", *chosen, *told, **paths)


def _dbt(scratch: Path, manifest: Any, *command: str, **environment: str) -> Any:
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner

    before = dict(os.environ)
    for name in ("SALESOPS_MARTS", "SALESOPS_WAREHOUSE"):
        os.environ.pop(name, None)
    os.environ |= {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "DBT_LOG_LEVEL_FILE": "info"} | environment
    project = str(ROOT / "dbt")
    folders = ["--target-path", str(scratch / "target"), "--log-path", str(scratch / "logs")]
    try:
        done = dbtRunner(manifest=manifest).invoke(
            [*command, "--project-dir", project, "--profiles-dir", project, *folders]
        )
    finally:
        os.environ.clear()
        os.environ.update(before)
        DuckDBConnectionManager.close_all_connections()  # dbt keeps the files locked after it is done
    runs = getattr(done.result, "results", None) or []
    reasons = [f"{run.node.name}: {run.message}" for run in runs if run.status != "success"]
    assert done.success, f"dbt {' '.join(command)} failed: {done.exception or reasons}"
    return done.result


def compiled_sql(scratch: Path, *options: str, **told: Any) -> dict[str, str]:
    """Compiled SQL by model name; no database is asked."""
    compiled = run_dbt(scratch, "compile", "--no-introspect", "--no-populate-cache", *options, **told)
    return {run.node.name: run.node.compiled_code for run in compiled}


def environment_of(folder: Path, configuration: str) -> dict[str, str]:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "salesops.toml"
    path.write_text(configuration)
    kept = {
        k: v for k, v in os.environ.items() if not k.startswith(("SALESOPS_", "HUBSPOT_", "PIPEDRIVE_", "DAGSTER_"))
    }
    return kept | {"SALESOPS_CONFIG": str(path), "SALESOPS_DATA": str(folder / "data"), "COLUMNS": "80"}


TOGETHER = {"lived": "end_to_end", "first_night": "end_to_end", "project": "whole"}
"""Fixtures that cost most, and the folder that has them: tests that share one stay on one worker, and begin first. Of
everything else a file does."""
LONG = (
    *("test_tools.py", "test_landing.py", "test_hubspot_faults.py", "test_hubspot_sync.py", "test_real_export.py"),
    *("test_definitions.py", "test_hubspot_kill.py", "test_customers.py", "test_spark_dialect.py"),
)
"""Files of more than twenty CPU-seconds: they begin before the short ones, so that the workers end together."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Groups of tests for the workers, in the order in which these take them (--no-loadscope-reorder)."""
    first = [*TOGETHER, *LONG]

    def group(item: pytest.Item) -> str:
        here = [name for name, folder in TOGETHER.items() if item.path.parent.name == folder]
        costly = [name for name in here if name in getattr(item, "fixturenames", ())]
        return costly[0] if costly else item.path.name

    for item in items:
        name = group(item)
        item.add_marker(pytest.mark.xdist_group(name if name in first else str(item.path)))
    items.sort(key=lambda item: first.index(group(item)) if group(item) in first else len(first))


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
