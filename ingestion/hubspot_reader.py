"""Reads one HubSpot object type onto disk: whole listing, what changed, what was archived, erased or merged.

Network only: what it needs to know of the warehouse comes in as `Known`, what it found goes out in the spool.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from ingestion.hubspot_streams import Stream
from ingestion.session import (
    PAGE_ATTEMPTS,
    MissingScopeError,
    Page,
    PermanentSourceError,
    SlowSourceError,
    SourceSession,
    TransientSourceError,
)
from ingestion.spool import Spool

LONGEST_PROPERTY_LIST = 6000  # characters in a URL; beyond it the ids are listed and the records read by POST
PAGE, HISTORY_PAGE, SEARCH_PAGE, LINK_PAGE = 100, 50, 200, 100
SMALLEST_PAGE = 10


@dataclass
class Known:
    """What the warehouse holds of this object. The id sets are filled only where they are needed."""

    watermark: datetime | None = None
    last_id_scan_at: datetime | None = None
    links_read_at: datetime | None = None
    live: set[str] = field(default_factory=set)
    archived: set[str] = field(default_factory=set)


def read_pages(
    session: SourceSession, path: str, params: dict[str, str], limit: int, gaps: list[str]
) -> Iterator[Page]:
    """Pages in the vendor's order, each checked whole. A repeated cursor is an error.

    An empty page with more behind it is asked for again; one that stays empty is followed and named in `gaps`: what
    it should have held is missing from this listing.
    """
    seen: set[str] = set()
    cursor: str | None = None
    while True:
        asked = params | {"limit": str(limit)} | ({} if cursor is None else {"after": cursor})
        try:
            page = _get_filled(session, path, asked)
        except SlowSourceError:
            if limit <= SMALLEST_PAGE:
                raise
            limit //= 2
            continue
        cursor = _next_cursor(session, path, page.content)
        if cursor in seen:
            raise PermanentSourceError(f"GET {path}: cursor {str(cursor)[:40]!r} sent twice, the listing would not end")
        yield page
        if cursor is None:
            return
        if not page.content["results"]:
            gaps.append(f"GET {path}: an empty page with more behind it, {PAGE_ATTEMPTS} times")
        seen.add(cursor)


def _get_filled(session: SourceSession, path: str, params: dict[str, str]) -> Page:
    """The page, asked for again while it is empty and says that more follows."""
    for attempt in range(1, PAGE_ATTEMPTS):
        page = session.get(path, params)
        if page.content["results"] or not _says_more(page.content):
            return page
        session.pause(attempt)
    return session.get(path, params)


def _says_more(content: dict[str, Any]) -> bool:
    return bool((content.get("paging") or {}).get("next"))


def _next_cursor(session: SourceSession, path: str, content: dict[str, Any]) -> str | None:
    following = (content.get("paging") or {}).get("next")
    if not following:
        return None
    if link := following.get("link"):
        session.check_link(str(link))
    if following.get("after") in (None, ""):
        raise PermanentSourceError(f"GET {path}: a next page without a cursor")
    return str(following["after"])


class ObjectReader:
    """One read of one object type: `spool` is filled; `aliases`, `notes` and `gaps` say what else was found."""

    def __init__(self, session: SourceSession, stream: Stream, properties: list[str], spool: Spool, now: datetime):
        self.session, self.stream, self.spool, self.now = session, stream, spool, now
        self.properties = properties
        self.aliases: dict[str, str] = {}
        self.notes: list[str] = []
        self.gaps: list[str] = []  # pages that stayed empty: this read did not see everything
        self._path = f"/crm/v3/objects/{stream.name}"
        self._changed: dict[str, None] = {}  # in the order found

    def read_all(self) -> None:
        """The first run: every live record with its history and links, then the archived ones."""
        self._list(archived=False, with_history=True)
        self._read_archived()
        self._read_links(list(self._changed))

    def read_changes(self, known: Known, since: datetime, until: datetime, *, scan: bool, all_links: bool) -> None:
        """What changed in [since, until], what left or came back without a trace (when `scan`), what was archived."""
        self._search(since, until)
        self._read_histories(list(self._changed))
        listed = self._scan_ids() if scan else set()
        archived = self._read_archived()
        unseen = known.archived - archived - set(self._changed)
        if scan:
            self._read_by_ids(sorted(listed - known.live - set(self._changed)))
            unseen |= known.live - listed - archived
            unseen -= set(self._changed)
        self._find_out(sorted(unseen), known)
        links = sorted(known.live | self._changed.keys()) if all_links else list(self._changed)
        self._read_links(links)

    def _list(self, *, archived: bool, with_history: bool) -> list[str]:
        """Every record of one listing; ids in order."""
        history = self.stream.history if with_history else ()
        params = {"archived": "true"} if archived else {}
        names = ",".join(self.properties)
        if len(names) + len(",".join(history)) > LONGEST_PROPERTY_LIST:
            listing = self._pages(params | {"properties": "hs_object_id"}, PAGE)
            ids = [id for page in listing for id in _ids(page)]
            self._read_by_ids(ids, archived=archived, with_history=with_history)
            return ids
        params |= {"properties": names}
        if history:
            params["propertiesWithHistory"] = ",".join(history)
        ids = []
        for page in self._pages(params, HISTORY_PAGE if history else PAGE):
            ids += self._keep(page, changed=not archived)
        return ids

    def _pages(self, params: dict[str, str], limit: int) -> Iterator[Page]:
        return read_pages(self.session, self._path, params, limit, self.gaps)

    def _search(self, since: datetime, until: datetime) -> None:
        """By id keyset: offsets slide when a record leaves the window, and stop at 10,000."""
        last = 0
        window = {"operator": "BETWEEN", "value": _milliseconds(since), "highValue": _milliseconds(until)}
        while True:
            filters = [
                {"propertyName": self.stream.stamp} | window,
                {"propertyName": "hs_object_id", "operator": "GT", "value": str(last)},
            ]
            page = self._search_page(
                {
                    "filterGroups": [{"filters": filters}],
                    "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
                    "properties": self.properties,
                    "limit": SEARCH_PAGE,
                }
            )
            if not page.content["results"]:
                return
            highest = max((int(id) for id in self._keep(page) if id.isdigit()), default=0)
            if highest <= last:
                raise PermanentSourceError(f"POST {self._path}/search: ids at or below {last} sent again")
            last = highest

    def _search_page(self, body: dict[str, Any]) -> Page:
        """One answer. An empty one ends the search, so it must not come while the vendor counts more."""
        for attempt in range(PAGE_ATTEMPTS):
            if attempt:
                self.session.pause(attempt)
            page = self.session.post(f"{self._path}/search", body)
            content = page.content
            if content["results"] or not (content.get("total") or _says_more(content)):
                return page
        raise TransientSourceError(f"POST {self._path}/search: an empty page while the vendor counts more")

    def _scan_ids(self) -> set[str]:
        with self.session.scanning():
            return {id for page in self._pages({"properties": "hs_object_id"}, PAGE) for id in _ids(page)}

    def _read_archived(self) -> set[str]:
        return set(self._list(archived=True, with_history=False))

    def _read_by_ids(self, ids: Iterable[str], *, archived: bool = False, with_history: bool = True) -> set[str]:
        """Records by id, each landed once and whole. Ids that do not answer are the caller's to judge."""
        history = self.stream.history if with_history else ()
        found: set[str] = set()
        for some in _batches(ids, HISTORY_PAGE if history else PAGE):
            page = self._batch_read(some, self.properties, history, archived)
            found.update(self._keep(page, changed=not archived))
        return found

    def _batch_read(self, ids: Iterable[str], properties: list[str], history: tuple[str, ...], archived: bool) -> Page:
        body: dict[str, Any] = {"inputs": [{"id": id} for id in ids], "properties": properties}
        if history:
            body["propertiesWithHistory"] = list(history)
        return self.session.post(f"{self._path}/batch/read" + ("?archived=true" if archived else ""), body)

    def _read_histories(self, ids: list[str]) -> None:
        if self.stream.history:
            for some in _batches(ids, HISTORY_PAGE):
                self.spool.add_histories(self._batch_read(some, ["hs_object_id"], self.stream.history, False).body)

    def _find_out(self, ids: list[str], known: Known) -> None:
        """Records that should be there and are not listed: still alive, merged into another, or erased."""
        found = self._read_by_ids(ids)
        for id in (id for id in ids if id not in found):
            answered = self._read_one(id)
            if answered is None:
                tombstone = {"id": id, "merged_into": None, "tombstone": "erased"}
                self.spool.add_row(id, tombstone, version_at=self.now, is_deleted=True)
            elif answered is not None and answered != id:
                self.aliases[id] = answered

    def _read_one(self, id: str) -> str | None:
        """The id of the record that answers to `id`; None when there is none."""
        try:
            page = self.session.get(f"{self._path}/{id}", {"properties": "hs_object_id"}, require=None)
        except PermanentSourceError as error:
            if error.status in (404, 410):
                return None
            raise
        if not page.content.get("id"):
            raise PermanentSourceError(f"GET {self._path}/{id}: a record without id")
        answered = str(page.content["id"])
        if answered not in self._changed:
            self._read_by_ids([answered])
        return answered

    def _read_links(self, ids: list[str]) -> None:
        for target in self.stream.links:
            try:
                for some in _batches(ids, LINK_PAGE):
                    self._read_links_of(target, some)
            except (MissingScopeError, PermanentSourceError) as error:
                if not isinstance(error, MissingScopeError) and error.status != 404:
                    raise
                self.notes.append(f"links to {target} not read: {error}")

    def _read_links_of(self, target: str, ids: Iterable[str]) -> None:
        """Links of these records. A record with more links than one answer holds is asked again from its cursor."""
        asked = list(ids)
        inputs: list[dict[str, str]] = [{"id": id} for id in asked]
        pages, seen = [], set()
        while inputs:
            page = self.session.post(f"/crm/v4/associations/{self.stream.name}/{target}/batch/read", {"inputs": inputs})
            pages.append(page.body)
            failed = _failed_ids(page.content)
            asked = [id for id in asked if id not in failed]
            inputs = []
            for row in page.content["results"]:
                after = ((row.get("paging") or {}).get("next") or {}).get("after")
                if after:
                    key = (str(row["from"]["id"]), str(after))
                    if key in seen:
                        raise PermanentSourceError(f"links of {self.stream.name} {key[0]}: cursor sent twice")
                    seen.add(key)
                    inputs.append({"id": key[0], "after": key[1]})
        for body in pages:
            self.spool.add_links(target, asked, body)

    def _keep(self, page: Page, changed: bool = True) -> list[str]:
        """Spool the page's records; their ids."""
        ids = _ids(page)
        self.spool.add_page(page.body, page.content["results"])
        if changed:
            self._changed.update(dict.fromkeys(ids))
        return ids


def _batches(items: Iterable[str], size: int) -> Iterator[list[str]]:
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some


def _ids(page: Page) -> list[str]:
    """Ids of a page; records without one are refused when the page is kept."""
    return [str(r["id"]) for r in page.content["results"] if isinstance(r, dict) and r.get("id")]


def _failed_ids(content: dict[str, Any]) -> set[str]:
    """Ids that were not answered for another reason than having no links: what they had must stay."""
    failed: set[str] = set()
    for error in content.get("errors") or []:
        if error.get("category") != "OBJECT_NOT_FOUND":
            failed.update(str(id) for id in (error.get("context") or {}).get("fromObjectId") or [])
    return failed


def _milliseconds(instant: datetime) -> str:
    return str(round(instant.timestamp() * 1000))
