"""What the dbt step leaves behind, and what it finds."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from dagster_project import transform
from salesops.layout import DataDirectory


def test_what_a_killed_night_had_spilled_does_not_stop_the_next_one(tmp_path, monkeypatch):
    """DuckDB's folder of temporary files stays when its process is killed, beside the half-built marts."""
    data = DataDirectory(tmp_path)
    (data.marts.parent / "marts.duckdb.tmp").mkdir(parents=True)
    (data.marts.parent / "marts.duckdb.tmp" / "duckdb_temp_storage-0.tmp").touch()
    data.marts.touch()
    found = []

    class Runner:
        def __init__(self, manifest):
            pass

        def invoke(self, command):
            found.extend(data.marts.parent.iterdir())
            return SimpleNamespace(result=SimpleNamespace(results=["built"]))

    monkeypatch.setattr("dbt.cli.main.dbtRunner", Runner)
    night = SimpleNamespace(data=data, dbt_vars=dict, looks_back=False)
    assert transform.run_dbt(night, None, ["build"]) == ["built"]
    assert found == []


@pytest.mark.parametrize("looks_back", [False, True])
def test_matching_remembers_the_last_night_unless_the_night_looks_back(tmp_path, monkeypatch, looks_back):
    data = DataDirectory(tmp_path)
    told = []

    class Runner:
        def __init__(self, manifest):
            pass

        def invoke(self, command):
            told.append(os.environ.get("SALESOPS_MATCHING"))
            return SimpleNamespace(result=SimpleNamespace(results=["built"]))

    monkeypatch.setattr("dbt.cli.main.dbtRunner", Runner)
    transform.run_dbt(SimpleNamespace(data=data, dbt_vars=dict, looks_back=looks_back), None, ["build"])
    assert told == [None if looks_back else str(data.matching)]
    assert "SALESOPS_MATCHING" not in os.environ
