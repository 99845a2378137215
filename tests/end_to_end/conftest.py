"""A practice company of the usual size over two nights, three lived days between them, and the truth that it keeps."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.conftest import ROOT, environment_of, salesops


@dataclass(frozen=True)
class Lived:
    """`marts`: the second night's publication. `first`: a copy of the first one's, and the instant that it shows."""

    environment: dict[str, str]
    marts: duckdb.DuckDBPyConnection
    truth: dict[str, Any]
    first: Path
    first_as_of: str


@pytest.fixture(scope="session")
def lived(tmp_path_factory: pytest.TempPathFactory):
    environment = environment_of(tmp_path_factory.mktemp("lived"), '[practice]\nsize = "default"\n')
    data = Path(environment["SALESOPS_DATA"])
    for command in (["nightly"], ["tomorrow", "--days", "3"], ["nightly"]):
        done = salesops(*command, environment=environment)
        assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    truth = [sys.executable, "-m", "sandbox", "truth", "--state", str(data / "sandbox")]
    subprocess.run(truth, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True, capture_output=True)
    (first,) = (data / "published" / "previous").glob("*.duckdb")
    with duckdb.connect(str(first), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        as_of = connection.execute("select as_of from meta.publication").fetchone()[0].isoformat()
    with duckdb.connect(str(data / "published" / "marts.duckdb"), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        yield Lived(environment, connection, json.loads((data / "sandbox" / "truth.json").read_text()), first, as_of)
