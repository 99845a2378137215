"""The dbt project as data, for tests that read models without building them: parsed once, no database opened."""

from __future__ import annotations

import json

import pytest

from tests.conftest import run_dbt


@pytest.fixture(scope="session")
def dbt_manifest(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """dbt's manifest of the project, as the JSON document that dbt documents."""
    scratch = tmp_path_factory.mktemp("dbt_parse")
    run_dbt(scratch, "parse")
    return json.loads((scratch / "target" / "manifest.json").read_text())
