"""Dagster's SQLite files during a run: closed as often as Dagster likes, written back to disk once."""

from __future__ import annotations

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from dagster_project.storage import held_open


def test_a_file_that_is_opened_anew_for_every_event_keeps_its_log_until_the_run_ends(tmp_path):
    path = tmp_path / "events.db"
    log = tmp_path / "events.db-wal"
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    with held_open():
        for statement in ("pragma journal_mode = wal", "create table events (id int)", "insert into events values (1)"):
            with engine.begin() as connection:
                connection.execute(text(statement))
        assert log.stat().st_size > 0
    assert not log.exists()
    with engine.connect() as connection:
        assert connection.execute(text("select count(*) from events")).scalar() == 1
    assert not log.exists(), "after the run nothing holds the file"
