"""HubSpot into raw: a full listing first, then what changed, with deletions, merges, history and links.

Objects are read by a few threads onto disk; one writer lands them as they finish. An object that cannot be read is
recorded and the others go on. Nothing is written before the credentials were accepted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb
import orjson

from ingestion import merges
from ingestion.hubspot_reader import Known, ObjectReader, read_pages
from ingestion.hubspot_streams import ACCOUNT_INFO, REQUIRED, SCOPES, SMALL_LISTS, SOURCE, STREAMS, SmallList, Stream
from ingestion.landing import Batch, ObjectResult, Spool, prepare
from ingestion.objects import find
from ingestion.reads import (
    AHEAD,
    Connect,
    ProbeResult,
    Read,
    ReadObject,
    believable,
    is_due,
    land_or_record,
    living_ids,
    metered,
)
from ingestion.session import (
    CredentialsError,
    MissingScopeError,
    PermanentSourceError,
    SourceError,
    SourceSession,
)

__all__ = ["HubSpotSource", "ObjectResult", "ProbeResult", "sync_hubspot"]

VENDOR_URL = "https://api.hubapi.com"
TOKEN_NAME = "HUBSPOT_ACCESS_TOKEN"
THREADS = 4
RATE_PER_SECOND = 9.0  # the smallest plan allows 100 in 10 s
SEARCH_PER_SECOND = 4.0  # the vendor allows 5 for the whole account
ALL_LINKS_EVERY = timedelta(days=7)  # a link can change without touching either record's stamp
ARCHIVE_KEPT = timedelta(days=88)  # the vendor lists archived records for 90: one that is gone earlier was erased


def vendor_rate(base_url: str) -> float | None:
    """Requests a second that the vendor's own host is asked; None: another host sets no limit."""
    is_vendor = (urlsplit(base_url).hostname or "").endswith("hubapi.com")
    return RATE_PER_SECOND if is_vendor else None


def search_rate(rate: float | None) -> float | None:
    """Searches a second within `rate` requests."""
    return min(rate, SEARCH_PER_SECOND) if rate else None


class HubSpotSource:
    """A portal, its credentials and how to read it. `id_scan`: object -> "nightly" or "weekly"."""

    name = SOURCE

    def __init__(
        self,
        token: str,
        base_url: str = VENDOR_URL,
        spool_dir: Path | str = "data/spool",
        now: datetime | None = None,
        *,
        id_scan: Mapping[str, str] | None = None,
        extra_history: Mapping[str, Sequence[str]] | None = None,
        lookback: timedelta = timedelta(minutes=15),
        rate_per_second: float | None = None,
        **session_options: Any,
    ):
        self.spool_dir, self.now, self.lookback = Path(spool_dir), now, lookback
        self.streams = tuple(_configured(stream, id_scan or {}, extra_history or {}) for stream in STREAMS)
        rate = rate_per_second or vendor_rate(base_url)
        self.session = SourceSession(
            base_url,
            token,
            token_name=TOKEN_NAME,
            rate_per_second=rate,
            search_per_second=search_rate(rate),
            search_paths=tuple(f"/crm/v3/objects/{stream.name}/search" for stream in self.streams),
            **session_options,
        )

    def __repr__(self) -> str:
        return f"HubSpotSource({self.session.base_url!r})"

    @property
    def objects(self) -> tuple[str, ...]:
        return (*(s.name for s in self.streams), *(s.name for s in SMALL_LISTS), "properties", "account_info")

    def check(self) -> list[ProbeResult]:
        """Ask for one record of each object. Raises CredentialsError on 401: then nothing else is worth asking."""
        paths = {stream.name: f"/crm/v3/objects/{stream.name}" for stream in self.streams}
        paths |= {small.name: small.path for small in SMALL_LISTS} | {"account_info": ACCOUNT_INFO}
        return [self._probe(name, path) for name, path in paths.items()]

    def _probe(self, name: str, path: str) -> ProbeResult:
        state, reason = "ok", None
        try:
            self.session.get(path, {"limit": "1"}, require=None if name == "account_info" else "results")
        except CredentialsError:
            raise
        except SourceError as error:
            state, reason = _state_of(self, name, error)
        return ProbeResult(name, state, reason, name in REQUIRED)


def sync_hubspot(open_connection: Connect, source: HubSpotSource, run_id: str, now: datetime) -> Iterator[ObjectResult]:
    """Read every object and land it; yields each object's result as it is committed. Raises CredentialsError only."""
    definitions, definitions_read = _read_definitions(source, run_id, now)
    known = _load_known(open_connection, source, now)
    yield _land_or_record(open_connection, source, "properties", definitions_read, run_id, now)
    with ThreadPoolExecutor(THREADS, thread_name_prefix="hubspot") as pool:
        reads = {}
        for stream in source.streams:
            read = _stream_read(source, stream, definitions[stream.name], known[stream.name], run_id, now)
            reads[pool.submit(metered, source.session, read)] = stream.name
        for small in SMALL_LISTS:
            reads[pool.submit(metered, source.session, _list_read(source, small, run_id, now))] = small.name
        reads[pool.submit(metered, source.session, _account_read(source, run_id, now))] = "account_info"
        for done in as_completed(reads):
            yield _land_or_record(open_connection, source, reads[done], done.result(), run_id, now)


Definitions = list[str] | Exception  # an object's property names, or why they could not be read


def _land_or_record(
    open_connection: Connect, source: HubSpotSource, name: str, read: Read, run_id: str, now: datetime
) -> ObjectResult:
    return land_or_record(open_connection, SOURCE, name, read, partial(_state_of, source), run_id, now)


def _state_of(source: HubSpotSource, name: str, error: Exception) -> tuple[str, str]:
    """(state, reason) of an object that was not read. Required objects have no soft landing."""
    state, reason = _judged(name, error)
    return state, source.session.scrub(reason)  # a reason may quote the vendor, and a vendor may echo the token


def _judged(name: str, error: Exception) -> tuple[str, str]:
    if isinstance(error, MissingScopeError):
        scope = error.scope if error.scope != "unknown" else SCOPES.get(name, "unknown")
        reason = f"not permitted (403): the token lacks the scope {scope}"
        return ("failed" if name in REQUIRED else "not_permitted"), reason
    if isinstance(error, PermanentSourceError) and error.status == 404 and name not in REQUIRED:
        return "absent", "not in this portal (404)"
    if isinstance(error, SourceError):
        return "failed", str(error)
    return "failed", f"{type(error).__name__}: an answer of an unknown form ({str(error)[:200]})"


def _read_definitions(source: HubSpotSource, run_id: str, now: datetime) -> tuple[dict[str, Definitions], Read]:
    """The property names of every object, without which nothing can be asked for, and their own batch."""
    names: dict[str, Definitions] = {}
    spool = Spool(source.spool_dir / f"{SOURCE}__properties")

    def read() -> Batch:
        for stream in source.streams:
            try:
                rows = source.session.get(f"/crm/v3/properties/{stream.name}").content["results"]
                names[stream.name] = sorted({str(row["name"]) for row in rows})
            except CredentialsError:
                raise
            except (SourceError, KeyError, TypeError) as error:
                names[stream.name] = error
                continue
            for row in rows:
                _add_whole(spool, f"{stream.name}.{row['name']}", row)
        failed = {name: error for name, error in names.items() if isinstance(error, Exception)}
        spool.is_complete = not failed
        if len(failed) == len(names):
            raise next(iter(failed.values()))
        reason = "; ".join(f"{name}: {_state_of(source, name, error)[1]}" for name, error in failed.items()) or None
        return Batch(find(SOURCE, "properties"), spool, run_id, now, window_to=now, reason=reason)

    definitions = metered(source.session, read)
    if isinstance(definitions.error, CredentialsError):
        raise definitions.error
    return names, definitions


def _stream_read(
    source: HubSpotSource, stream: Stream, properties: Definitions, known: Known, run_id: str, now: datetime
) -> ReadObject:
    def read() -> Batch:
        if isinstance(properties, Exception):
            raise properties
        spool = Spool(source.spool_dir / f"{SOURCE}__{stream.name}", merges.STATED if stream.can_merge else ())
        reader = ObjectReader(source.session, stream, properties, spool, now)
        until = max(now, known.watermark or now)
        since = None
        scan, all_links = True, True
        if known.watermark is None:
            reader.read_all()
        else:
            since = known.watermark - source.lookback
            scan, all_links = _scan_is_due(stream, known, now), _links_are_due(stream, known, now)
            reader.read_changes(known, since, until, scan=scan, all_links=all_links)
        links_at = now if all_links else known.links_read_at
        is_whole = scan and not reader.gaps  # a scan with gaps is due again
        return Batch(
            find(SOURCE, stream.name), spool, run_id, now,
            volatile=stream.volatile, follows_merges=stream.can_merge, aliases=reader.aliases,
            cursor=_cursor_text(until, links_at), window_from=since, window_to=until,
            id_scan_at=now if is_whole else None, reason="; ".join(reader.notes + reader.gaps) or None,
        )  # fmt: skip

    return read


def _list_read(source: HubSpotSource, small: SmallList, run_id: str, now: datetime) -> ReadObject:
    def read() -> Batch:
        spool = Spool(source.spool_dir / f"{SOURCE}__{small.name}")
        gaps: list[str] = []
        for params in ({"archived": "false"}, {"archived": "true"}) if small.both_passes else ({},):
            for page in read_pages(source.session, small.path, params, 100, gaps):
                for row in page.content["results"]:
                    if isinstance(row, dict) and row.get("id"):
                        _add_whole(spool, str(row["id"]), row)
                    else:
                        spool.refuse("no id", column_name="id", value=orjson.dumps(row).decode()[:500])
        spool.is_complete = spool.rows_read > 0 and not gaps  # an empty answer never deletes a whole table
        return Batch(find(SOURCE, small.name), spool, run_id, now, window_to=now, reason="; ".join(gaps) or None)

    return read


def _account_read(source: HubSpotSource, run_id: str, now: datetime) -> ReadObject:
    def read() -> Batch:
        details = source.session.get(ACCOUNT_INFO, require=None).content
        spool = Spool(source.spool_dir / f"{SOURCE}__account_info")
        spool.add_row(str(details.get("portalId") or "portal"), details)
        return Batch(find(SOURCE, "account_info"), spool, run_id, now, window_to=now)

    return read


def _add_whole(spool: Spool, record_id: str, row: dict[str, Any]) -> None:
    hashed = {key: value for key, value in row.items() if key != "updatedAt"}
    deleted = bool(row.get("archived"))
    spool.add_row(record_id, row, hashed=hashed, version_at=row.get("updatedAt"), is_deleted=deleted)


def _load_known(open_connection: Connect, source: HubSpotSource, now: datetime) -> dict[str, Known]:
    known: dict[str, Known] = {}
    with open_connection() as connection:
        prepare(connection)
        rows = connection.execute(
            "select object, cursor, last_id_scan_at from raw.sync_state where source = ?", [SOURCE]
        ).fetchall()
        state = {row[0]: row[1:] for row in rows}
        for stream in source.streams:
            entry = known[stream.name] = _known_of(*state.get(stream.name, (None, None)))
            entry.watermark = believable(entry.watermark, now)
            if entry.watermark is not None:
                _load_ids(connection, stream, entry, now)
    return known


def _known_of(cursor: str | None, last_id_scan_at: datetime | None) -> Known:
    if cursor is None:
        return Known()
    held = json.loads(cursor)
    links_at = held.get("links_read_at")
    return Known(
        watermark=datetime.fromisoformat(held["watermark"]),
        last_id_scan_at=last_id_scan_at,
        links_read_at=datetime.fromisoformat(links_at) if links_at else None,
    )


def _cursor_text(watermark: datetime, links_read_at: datetime | None) -> str:
    held = {"watermark": watermark, "links_read_at": links_read_at}
    return json.dumps({key: at.astimezone(UTC).isoformat() for key, at in held.items() if at is not None})


def _load_ids(connection: duckdb.DuckDBPyConnection, stream: Stream, known: Known, now: datetime) -> None:
    newest, entry = "(version_at, landed_at, batch_id)", find(SOURCE, stream.name)
    if _scan_is_due(stream, known, now) or _links_are_due(stream, known, now):
        known.live = living_ids(connection, entry)
    rows = connection.execute(
        f"""select record_id from {entry.table} group by record_id
            having arg_max(is_deleted, {newest}) and max(version_at) > $oldest
                and not contains(arg_max(payload, {newest})::varchar, '"tombstone":')""",
        {"oldest": now - ARCHIVE_KEPT},
    ).fetchall()
    known.archived = {row[0] for row in rows}


def _scan_is_due(stream: Stream, known: Known, now: datetime) -> bool:
    return is_due(known.last_id_scan_at, now, stream.id_scan)


def _links_are_due(stream: Stream, known: Known, now: datetime) -> bool:
    last = known.links_read_at
    return bool(stream.links) and (last is None or now - last >= ALL_LINKS_EVERY or last - now > AHEAD)


def _configured(stream: Stream, id_scan: Mapping[str, str], extra: Mapping[str, Sequence[str]]) -> Stream:
    more = tuple(name for name in extra.get(stream.name, ()) if name not in stream.history)
    return replace(stream, history=stream.history + more, id_scan=id_scan.get(stream.name, stream.id_scan))
