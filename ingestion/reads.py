"""One object's read and what becomes of it, for every source that asks over HTTP: metered, then landed or recorded.

An object that cannot be read is recorded and the others go on; a reason never shows the credentials.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb

from ingestion.landing import Batch, ObjectResult, land, record_failure
from ingestion.objects import RawObject
from ingestion.session import Meter, SourceSession

Connect = Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]]
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)  # before the first record of any of these vendors' accounts
AHEAD = timedelta(hours=1)
ReadObject = Callable[[], Batch]
Judge = Callable[[str, Exception], tuple[str, str]]  # (object, error) -> (state, reason); "absent": not in this account


@dataclass(frozen=True)
class ProbeResult:
    """What credentials may read of one object: ok, not_permitted, absent (not in this account), failed."""

    object: str
    state: str
    reason: str | None
    is_required: bool


@dataclass
class Read:
    """One object's read: what it cost, and a batch or the error that ended it."""

    cost: Meter
    seconds: float
    batch: Batch | None
    error: Exception | None


def metered(session: SourceSession, read: ReadObject) -> Read:
    """Run `read` and count what it asks for."""
    started = time.monotonic()
    batch, error = None, None
    with session.metered() as meter:
        try:
            batch = read()
        except Exception as caught:  # noqa: BLE001 whatever one object's answers do, the other objects are still read
            error = caught
    return Read(meter, time.monotonic() - started, batch, error)


def land_or_record(
    open_connection: Connect, source: str, name: str, read: Read, judge: Judge, run_id: str, now: datetime
) -> ObjectResult:
    """Land what was read, or record why it was not."""
    cost: dict[str, Any] = asdict(read.cost)
    error: Exception | None = read.error
    if read.batch is not None:
        batch = replace(read.batch, seconds=read.seconds, **cost)
        try:
            with open_connection() as connection:
                return land(connection, batch)
        except (
            duckdb.DataError,
            duckdb.IntegrityError,
            duckdb.ProgrammingError,
        ) as caught:  # an answer that the tables cannot hold
            error = caught
        finally:
            batch.spool.remove()
    assert error is not None
    state, reason = judge(name, error)
    recorded = {"absent": "ok"}.get(state, state)
    with open_connection() as connection:
        record_failure(connection, source, name, recorded, reason, run_id, now, cost | {"seconds": read.seconds})
    shown = "empty" if state == "absent" else state
    return ObjectResult(source, name, shown, reason, seconds=read.seconds, **cost)


def living_ids(connection: duckdb.DuckDBPyConnection, entry: RawObject) -> set[str]:
    """Ids of the records whose newest landed version is not deleted."""
    rows = connection.execute(
        f"""select record_id from {entry.table} group by record_id
            having not arg_max(is_deleted, (version_at, landed_at, batch_id))"""
    ).fetchall()
    return {row[0] for row in rows}


def believable(watermark: datetime | None, now: datetime) -> datetime | None:
    """The watermark, or one of long ago where it lies ahead: a night on a wrong clock left it, and what it passed over
    is read again. What is known already is not appended."""
    return LONG_AGO if watermark is not None and watermark - now > AHEAD else watermark


def is_due(last: datetime | None, now: datetime, every: str) -> bool:
    """`nightly` always; `weekly` when a week (less an hour, so that a late start does not cost a day) has passed, or
    when the last time lies ahead: a wrong clock said it."""
    return every == "nightly" or last is None or now - last >= timedelta(days=7, hours=-1) or last - now > AHEAD
