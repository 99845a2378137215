"""Publication: old or new, never half; kept and put back."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from salesops import publication
from salesops.publication import Publication, PublicationError

FIRST = datetime(2026, 3, 31, 1, 15, tzinfo=UTC)


def built(folder: Path, night: int, rows: int = 3) -> tuple[Path, str]:
    """Marts of the n-th night with `rows` deals."""
    folder.mkdir(parents=True, exist_ok=True)
    path, at = folder / "marts.duckdb", FIRST + timedelta(days=night)
    path.unlink(missing_ok=True)
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema pipeline")
        connection.execute("create schema kpi")
        connection.execute(f"create table pipeline.deals as select range as deal, 'it''s' as name from range({rows})")
        connection.execute("comment on column pipeline.deals.deal is 'The deal''s number'")
        connection.execute("create table kpi.empty (value decimal(18, 2))")
    publication_id = publication.new_id(at)
    told = Publication(publication_id, at, None, at, "c0ffee", 1, "Ö AB", "SEK", "Europe/Stockholm", False, "run")
    checks = [("pipeline/deals", "is_good", "passed", "", True)]
    publication.write_meta(path, told, checks, {("pipeline", "deals", "deal"): "number"})
    return path, publication_id


def publish(tmp_path: Path, night: int, rows: int = 3) -> str:
    marts, publication_id = built(tmp_path / "build", night, rows)
    publication.publish(marts, tmp_path / "published", publication_id)
    return publication_id


def ask(path: Path, query: str) -> list:
    with publication.reading(path) as connection:
        return connection.execute(query).fetchall()


def test_what_was_built_is_what_is_read(tmp_path):
    publication_id = publish(tmp_path, 1)
    final = tmp_path / "published" / "marts.duckdb"
    assert ask(final, "select count(*) from pipeline.deals") == [(3,)]
    assert ask(final, "select publication_id, company, known_as_of from meta.publication") == [
        (publication_id, "Ö AB", None)
    ]
    query = "select description, unit from meta.dictionary where table_name = 'deals' and column_name = 'deal'"
    assert ask(final, query) == [("The deal's number", "number")]
    assert ask(final, "select * from meta.check_results") == [("pipeline/deals", "is_good", "passed", "", True)]
    assert stat.S_IMODE(final.stat().st_mode) == 0o444
    parquet = tmp_path / "published" / "parquet" / publication_id / "pipeline" / "deals.parquet"
    assert duckdb.sql(f"select count(*) from '{parquet}'").fetchall() == [(3,)]


def test_the_tables_of_meta_describe_their_own_columns(tmp_path):
    publish(tmp_path, 1)
    query = "select column_name from meta.dictionary where schema_name = 'meta' and coalesce(description, '') = ''"
    assert ask(tmp_path / "published" / "marts.duckdb", query) == []


def test_an_open_reader_keeps_the_old_file(tmp_path):
    publish(tmp_path, 1, rows=3)
    with (tmp_path / "published" / "marts.duckdb").open("rb") as old:
        size = os.fstat(old.fileno()).st_size
        publish(tmp_path, 2, rows=500_000)
        assert len(old.read()) == size
    assert ask(tmp_path / "published" / "marts.duckdb", "select count(*) from pipeline.deals") == [(500_000,)]


def test_three_publications_are_kept_beside_the_present_one(tmp_path):
    ids = [publish(tmp_path, night) for night in range(6)]
    target = tmp_path / "published"
    assert [path.stem for path in publication.kept_publications(target)] == ids[2:5]
    folders = {path.name for path in (target / "parquet").iterdir() if path.is_dir()}
    assert folders == set(ids[2:])
    assert (target / "parquet" / "CURRENT").read_text().strip() == ids[5]


def test_rollback_goes_back_one_by_one_and_stops(tmp_path):
    ids = [publish(tmp_path, night, rows=night + 1) for night in range(3)]
    target = tmp_path / "published"
    assert publication.rollback(target) == ids[1]
    assert ask(target / "marts.duckdb", "select count(*) from pipeline.deals") == [(2,)]
    assert publication.rollback(target) == ids[0]
    with pytest.raises(PublicationError, match="no publication to put back"):
        publication.rollback(target)
    assert publication.rollback(target, ids[2]) == ids[2], "what was rolled back is kept"
    with pytest.raises(PublicationError, match="named nothing"):
        publication.rollback(target, "nothing")
    assert publication.current_id(target) == ids[2]


def test_a_write_ahead_file_beside_the_marts_is_refused(tmp_path):
    marts, publication_id = built(tmp_path / "build", 1)
    marts.with_name("marts.duckdb.wal").touch()
    with pytest.raises(PublicationError, match="was not closed"):
        publication.publish(marts, tmp_path / "published", publication_id)
    assert not (tmp_path / "published" / "marts.duckdb").exists()


def test_a_write_ahead_file_of_a_reader_does_not_stop_the_publication(tmp_path):
    publish(tmp_path, 1)
    stale = tmp_path / "published" / "marts.duckdb.wal"
    stale.write_bytes(b"left by somebody who opened the file for writing")
    second = publish(tmp_path, 2)
    assert publication.current_id(tmp_path / "published") == second and not stale.exists()


def test_a_copy_that_differs_is_not_published(tmp_path, monkeypatch):
    first = publish(tmp_path, 1)
    other, _ = built(tmp_path / "other", 2, rows=1)
    marts, second = built(tmp_path / "build", 2, rows=3)
    monkeypatch.setattr(publication.shutil, "copyfile", lambda source, to: to.write_bytes(other.read_bytes()))
    with pytest.raises(PublicationError, match=r"pipeline\.deals"):
        publication.publish(marts, tmp_path / "published", second)
    assert publication.current_id(tmp_path / "published") == first


STEPS = ["_verified", "_write_parquet", "_keep_current", "_swap_in", "_point_parquet", "_prune"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_publication_cut_short_anywhere_leaves_old_or_new_and_the_next_one_repairs(tmp_path, monkeypatch, step, when):
    first = publish(tmp_path, 1, rows=1)
    target, real = tmp_path / "published", getattr(publication, step)

    def dies(*arguments):
        if when == "after":
            real(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(publication, step, dies)
    marts, second = built(tmp_path / "build", 2, rows=2)
    with pytest.raises(KeyboardInterrupt):
        publication.publish(marts, target, second)
    found = publication.current_id(target)
    assert found in (first, second)
    assert ask(target / "marts.duckdb", "select count(*) from pipeline.deals") == [(1 if found == first else 2,)]
    pointed = target / "parquet" / (target / "parquet" / "CURRENT").read_text().strip()
    assert (pointed / "pipeline" / "deals.parquet").exists()
    monkeypatch.undo()
    third = publish(tmp_path, 3, rows=3)
    assert publication.current_id(target) == third
    assert [path.name for path in target.rglob("*") if path.name.startswith(".")] == []
    assert publication.rollback(target) in (first, second)


@pytest.fixture
def disk_log(monkeypatch) -> list[tuple[str, str]]:
    """What reached the disk and what got a new name, in order: ("synced", path), ("named", path)."""
    log: list[tuple[str, str]] = []
    fsync, replace, rename = os.fsync, os.replace, Path.rename

    def synced(handle):
        log.append(("synced", os.readlink(f"/proc/self/fd/{handle}")))
        fsync(handle)

    def replaced(source, to):
        log.append(("named", str(to)))
        replace(source, to)

    def renamed(source, to):
        log.append(("named", str(to)))
        return rename(source, to)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    monkeypatch.setattr(Path, "rename", renamed)
    return log


def test_a_power_cut_leaves_no_pointer_to_parquet_that_never_reached_the_disk(tmp_path, disk_log):
    """Incident: the pointer was synced and the files that it names were not, nor was their folder's name."""
    publication_id = publish(tmp_path, 1)
    parquet = tmp_path / "published" / "parquet"
    named = disk_log.index(("named", str(parquet / publication_id)))
    building = str(parquet / f".{publication_id}.next")
    files = {
        f"{building}/{path.relative_to(parquet / publication_id)}" for path in parquet.glob(f"{publication_id}/**/*")
    }
    assert len(files) > 5
    assert {path for what, path in disk_log[:named] if what == "synced"} >= {building, *files}
    pointed = disk_log.index(("named", str(parquet / "CURRENT")))
    assert ("synced", str(parquet)) in disk_log[named:pointed]
    assert ("synced", str(tmp_path / "published")) in disk_log[:named], "the folder of all Parquet has a name itself"


def test_a_power_cut_brings_no_old_write_ahead_file_back_beside_a_new_publication(tmp_path, disk_log):
    """DuckDB opens no file beside a write-ahead file of another: its removal must be older than the new name."""
    first, final = publish(tmp_path, 1), tmp_path / "published" / "marts.duckdb"
    final.with_name("marts.duckdb.wal").write_bytes(b"left by somebody")
    disk_log.clear()
    publish(tmp_path, 2)
    named = disk_log.index(("named", str(final)))
    kept = ("synced", str(tmp_path / "published" / "previous"))
    assert disk_log[named - 1] == ("synced", str(final.parent))
    assert kept in disk_log[:named], f"{first} has its second name before it loses the first"


def test_nothing_is_published_yet(tmp_path):
    assert publication.current_id(tmp_path) is None and publication.kept_publications(tmp_path) == []
