"""Dagster's SQLite files, kept open for the length of a run.

Dagster opens its file anew for each of some two thousand events of a night. Whoever closes a file last writes its log
back into it and waits for the disk, and so does every commit: most of what orchestration cost. While we hold the file
open too, a close is only a close; a commit waits for the log to reach the system, not the disk, which in this mode can
lose the last events of the history to a power cut and never damages the file.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine


@contextmanager
def held_open() -> Iterator[dict[str, sqlite3.Connection]]:
    """SQLite files that SQLAlchemy opens within the block stay open until it ends: path -> our own connection."""
    held: dict[str, sqlite3.Connection] = {}
    one_at_a_time = threading.Lock()

    def hold(opened: Any, _: Any) -> None:
        if not isinstance(opened, sqlite3.Connection):
            return
        opened.execute("pragma synchronous = normal")
        path = opened.execute("pragma database_list").fetchone()[2]
        with one_at_a_time:
            if path and path not in held:
                held[path] = sqlite3.connect(path, check_same_thread=False)
            if path:
                held[path].execute("pragma schema_version").fetchone()  # reads: the log is open from here on

    event.listen(Engine, "connect", hold)
    try:
        yield held
    finally:
        event.remove(Engine, "connect", hold)
        for connection in held.values():
            connection.close()
