"""The dbt project as data, for tests that read models without building them: parsed once, no database opened."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def dbt_manifest(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """dbt's manifest of the project, as the JSON document that dbt documents."""
    from dbt.cli.main import dbtRunner

    scratch = tmp_path_factory.mktemp("dbt_parse")
    before = dict(os.environ)
    os.environ |= {
        "SALESOPS_MARTS": str(scratch / "marts.duckdb"),
        "SALESOPS_WAREHOUSE": str(scratch / "warehouse.duckdb"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }
    project = str(ROOT / "dbt")
    folders = ["--target-path", str(scratch / "target"), "--log-path", str(scratch / "logs")]
    try:
        result = dbtRunner().invoke(["parse", "--quiet", "--project-dir", project, "--profiles-dir", project, *folders])
    finally:
        os.environ.clear()
        os.environ.update(before)
    assert result.success, f"dbt parse failed: {result.exception}"
    return json.loads((scratch / "target" / "manifest.json").read_text())
