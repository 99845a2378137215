"""What the dbt step leaves behind, and what it finds."""

from __future__ import annotations

from types import SimpleNamespace

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
    night = SimpleNamespace(data=data, dbt_vars=dict)
    assert transform.run_dbt(night, None, ["build"]) == ["built"]
    assert found == []
