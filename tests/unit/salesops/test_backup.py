"""A backup is whole or not there, and is put back byte for byte or not at all."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from ingestion import landing
from salesops import backup, night
from salesops.backup import BackupError
from salesops.cli import app
from salesops.layout import DataDirectory

NOW = datetime(2026, 11, 26, 4, tzinfo=UTC)


@pytest.fixture
def data(tmp_path) -> DataDirectory:
    """What a night leaves, in small."""
    made = DataDirectory(tmp_path / "data")
    made.root.mkdir()
    with duckdb.connect(str(made.warehouse)) as connection:
        landing.prepare(connection)
        connection.execute(
            "insert into raw.hubspot__deals values ('1', now(), false, '{\"id\": \"1\"}', 'hash', 1, now())"
        )
    for name in ("published/marts.duckdb", "published/previous/a.duckdb", "drop/targets.csv", "alerts.json"):
        write(made.root / name, name)
    for name in ("build/marts.duckdb", "dbt/target/manifest.json", "spool/1.json", "published/.marts.duckdb.next"):
        write(made.root / name, "made anew")
    return made


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_what_was_backed_up_comes_back_byte_for_byte(data, tmp_path):
    (data.published / "marts.duckdb").chmod(0o444)
    folder, _ = backup.write(data, tmp_path / "backups", NOW, None)
    kept = {
        name: content
        for name, content in contents(data.root).items()
        if not name.startswith(("build/", "dbt/", "spool/", "published/.marts"))
    }
    there = DataDirectory(tmp_path / "elsewhere")
    assert backup.restore(folder, there, NOW, replace=False) is None
    assert contents(there.root) == kept
    assert (there.published / "marts.duckdb").stat().st_mode & 0o777 == 0o444
    with duckdb.connect(str(there.warehouse)) as connection:
        assert connection.execute("select count(*) from raw.hubspot__deals").fetchone() == (1,)


def test_what_a_killed_night_left_in_the_log_is_in_the_backup(data, tmp_path):
    """A process that dies between commit and checkpoint leaves its rows in the file beside the warehouse."""
    child = os.fork()
    if child == 0:
        connection = duckdb.connect(str(data.warehouse))
        connection.execute("insert into raw.hubspot__deals values ('2', now(), false, '{}', 'hash', 1, now())")
        os._exit(9)
    os.waitpid(child, 0)
    assert data.warehouse.with_name("warehouse.duckdb.wal").exists()
    folder, _ = backup.write(data, tmp_path / "backups", NOW, None)
    there = DataDirectory(tmp_path / "elsewhere")
    backup.restore(folder, there, NOW, replace=False)
    with duckdb.connect(str(there.warehouse)) as connection:
        assert connection.execute("select count(*) from raw.hubspot__deals").fetchone() == (2,)


@pytest.mark.parametrize("harm", ["flipped", "shorter", "missing"])
def test_a_damaged_backup_changes_nothing_and_names_the_file(data, tmp_path, harm):
    folder, _ = backup.write(data, tmp_path / "backups", NOW, None)
    hit = folder / "data" / "warehouse.duckdb"
    content = bytearray(hit.read_bytes())
    content[5000] ^= 1
    if harm == "missing":
        hit.unlink()
    else:
        hit.write_bytes(content if harm == "flipped" else content[:-1])
    before = contents(data.root)
    with pytest.raises(BackupError, match=r"warehouse\.duckdb"):
        backup.restore(folder, data, NOW, replace=True)
    assert contents(data.root) == before
    assert [path.name for path in data.root.parent.iterdir() if path.name.startswith(".data")] == []


def test_a_data_directory_in_use_is_moved_aside_only_when_told(data, tmp_path):
    folder, _ = backup.write(data, tmp_path / "backups", NOW, None)
    write(data.root / "alerts.json", "newer")
    with pytest.raises(BackupError, match="--replace"):
        backup.restore(folder, data, NOW, replace=False)
    aside = backup.restore(folder, data, NOW, replace=True)
    assert aside is not None and (aside / "alerts.json").read_text() == "newer"
    assert data.alerts.read_text() == "alerts.json"


def test_a_half_written_backup_is_none_and_goes_with_the_next(data, tmp_path, monkeypatch):
    to = tmp_path / "backups"
    copied = backup._copy

    def full(source: Path, target: Path):
        if source.name == "warehouse.duckdb":
            raise OSError(28, "No space left on device")
        return copied(source, target)

    monkeypatch.setattr(backup, "_copy", full)
    with pytest.raises(OSError, match="No space"):
        backup.write(data, to, NOW, None)
    (half,) = to.iterdir()
    with pytest.raises(BackupError, match="is no backup"):
        backup.restore(half, data, NOW, replace=True)
    monkeypatch.undo()
    folder, _ = backup.write(data, to, NOW, None)
    assert list(to.iterdir()) == [folder]


def test_a_backup_that_names_files_outside_of_it_is_refused(data, tmp_path):
    folder, _ = backup.write(data, tmp_path / "backups", NOW, None)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["data/../../../outside"] = [1, "x"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BackupError, match="outside"):
        backup.restore(folder, data, NOW, replace=True)


def test_neither_command_runs_beside_a_night(data, tmp_path, monkeypatch):
    monkeypatch.setenv("SALESOPS_DATA", str(data.root))
    monkeypatch.setenv("SALESOPS_CONFIG", str(tmp_path / "salesops.toml"))
    (tmp_path / "salesops.toml").write_text("")
    made = CliRunner().invoke(app, ["backup", "--to", str(tmp_path / "backups")])
    assert made.exit_code == 0, made.output
    (folder,) = (tmp_path / "backups").iterdir()
    assert (folder / "configuration" / "salesops.toml").exists()
    with night.locked(data):
        for command in (["backup", "--to", str(tmp_path / "other")], ["restore", str(folder), "--replace"]):
            refused = CliRunner().invoke(app, command)
            assert refused.exit_code == 2 and "another night is running" in refused.output
    restored = CliRunner().invoke(app, ["restore", str(folder), "--replace"])
    assert restored.exit_code == 0, restored.output
