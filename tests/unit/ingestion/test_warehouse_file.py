"""The warehouse's file as dying processes and power cuts leave it."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from ingestion.raw_tables import BrokenWarehouse, opened
from tests.torture.children import in_child


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """A warehouse whose process died after two commits that only the write-ahead file has."""
    path = tmp_path / "warehouse.duckdb"

    def die() -> None:
        connection = opened(path)
        connection.execute("create table raw.said as select 'before' as word")
        connection.execute("insert into raw.said select 'after ' || repeat('å', 500)")
        os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(die).signal == signal.SIGKILL
    return path


def words(path: Path) -> list[str]:
    with opened(path) as connection:
        return [
            word[:6].strip() for (word,) in connection.execute("select word from raw.said order by 1 desc").fetchall()
        ]


def wal(path: Path) -> Path:
    return path.with_name(path.name + ".wal")


def test_what_was_committed_is_there_after_a_process_died(left):
    assert words(left) == ["before", "after"]


def test_a_write_ahead_file_without_its_middle_is_read_up_to_there(left, caplog):
    body = bytearray(wal(left).read_bytes())
    place = body.index("åå".encode())
    body[place : place + 200] = bytes(200)
    wal(left).write_bytes(body)
    assert words(left) == ["before"]
    assert "left by a power cut" in caplog.text
    assert words(left) == ["before"]


def test_a_write_ahead_file_that_is_in_the_database_already_is_not_read_again(left):
    kept = wal(left).with_suffix(".kept")
    shutil.copyfile(wal(left), kept)
    assert words(left) == ["before", "after"]
    kept.replace(wal(left))
    assert words(left) == ["before", "after"]


def test_a_warehouse_is_whole_under_its_name_or_not_there(tmp_path):
    path = tmp_path / "warehouse.duckdb"
    (tmp_path / ".warehouse.duckdb.next").write_bytes(b"half")
    wal(path).write_bytes(b"of a file that was taken away")
    opened(path).close()
    assert os.listdir(tmp_path) == ["warehouse.duckdb"]


@pytest.mark.parametrize("spoil", ["cut", "changed"])
def test_a_broken_warehouse_says_what_to_do(left, spoil):
    opened(left).close()
    body = bytearray(left.read_bytes())
    left.write_bytes(body[:5000] if spoil == "cut" else body[:12_300] + bytes(1000) + body[13_300:])
    with pytest.raises(BrokenWarehouse, match="salesops restore"):
        opened(left)
