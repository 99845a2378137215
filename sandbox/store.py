"""The practice portal's records in memory: create, change, archive, merge, erase, associate, with the vendor's stamps.

Everything that happens goes through these few verbs, which also write `log`, the list that `truth` reads. No
randomness and no clock here: the caller says when. Instants are integer milliseconds since 1970, UTC.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from sandbox.catalogue import ASSOCIATION_TYPES, CREATED, DEAL_STAGES, FIRST_IDS, MODIFIED, USER_LABELS

Value = str | None


def iso(instant: int) -> str:
    """2026-11-02T17:04:11.120Z"""
    moment = datetime.fromtimestamp(instant // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{instant % 1000:03d}Z"


def milliseconds(moment: datetime) -> int:
    """Epoch milliseconds of an aware instant."""
    return round(moment.timestamp() * 1000)


def instant_of(text: str | None) -> int | None:
    """Epoch milliseconds of an ISO instant or of digits; None for anything else."""
    if not text:
        return None
    if text.lstrip("-").isdigit():
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return milliseconds(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


class Change(NamedTuple):
    """One entry of a property's history."""

    value: Value
    at: int
    source: str
    user: int | None


class Event(NamedTuple):
    """One line of what really happened. kind: created, changed, archived, restored, merged, erased, linked."""

    at: int
    kind: str
    object_type: str
    id: str
    name: str
    value: Value


@dataclass(slots=True)
class Record:
    """One CRM record. `history` holds only properties that have changed since creation, oldest entry first."""

    object_type: str
    id: str
    created_at: int
    updated_at: int
    properties: dict[str, Value]
    source: str
    user: int | None
    archived_at: int | None = None
    history: dict[str, list[Change]] = field(default_factory=dict)
    born: int = 0

    def revisions(self, name: str) -> list[Change]:
        """Oldest first; a property never changed has the value it was created with."""
        if name in self.history:
            return self.history[name]
        value = self.properties.get(name)
        return [] if value is None else [Change(value, self.born, self.source, self.user)]


class Store:
    """All records, links and the log of one portal."""

    def __init__(self) -> None:
        self.records: dict[str, dict[str, Record]] = {name: {} for name in FIRST_IDS}
        self.next_id = dict(FIRST_IDS)
        self.links: dict[tuple[str, str], dict[str, dict[str, set[tuple[str, int]]]]] = {
            pair: {} for pair in ASSOCIATION_TYPES
        }
        self.aliases: dict[tuple[str, str], str] = {}
        self.primaries: dict[tuple[str, str], str] = {}  # of a merge: its new id -> the id of the record that won
        self.absorbed: dict[tuple[str, str], tuple[Record, int, str]] = {}  # the record that lost, when, and the new id
        self.log: list[Event] = []
        self.membership = dict.fromkeys(FIRST_IDS, 0)  # moves when a record enters or leaves a list

    def create(
        self,
        object_type: str,
        at: int,
        properties: dict[str, Value],
        source: str = "CRM_UI",
        user: int | None = None,
        record_id: str | None = None,
    ) -> Record:
        """A new record with the next id of its type (or the given one, for copies outside the ordinary range)."""
        if record_id is None:
            self.next_id[object_type] += 1 + self.next_id[object_type] % 7
            record_id = str(self.next_id[object_type])
        stamp = iso(at)
        values = {**properties, "hs_object_id": record_id, CREATED[object_type]: stamp, MODIFIED[object_type]: stamp}
        values["hs_object_source"] = source
        values["hs_created_by_user_id"] = None if user is None else str(user)
        record = Record(object_type, record_id, at, at, values, source, user, born=at)
        if object_type == "deals":
            self._closed_flags(record)
        self.records[object_type][record_id] = record
        self.membership[object_type] += 1
        self.log.append(Event(at, "created", object_type, record_id, "", None))
        self.log.extend(Event(at, "changed", object_type, record_id, name, value) for name, value in properties.items())
        return record

    def change(
        self, record: Record, at: int, values: dict[str, Value], source: str = "CRM_UI", user: int | None = None
    ) -> None:
        """Set properties. A record's stamps only grow: an instant before the last change is moved behind it."""
        at = max(at, record.updated_at + 1_000)
        for name, value in values.items():
            if record.properties.get(name) == value:
                continue
            record.history.setdefault(name, record.revisions(name)).append(Change(value, at, source, user))
            record.properties[name] = value
            self.log.append(Event(at, "changed", record.object_type, record.id, name, value))
        self._touch(record, at)

    def _touch(self, record: Record, at: int) -> None:
        if record.object_type == "deals":
            self._closed_flags(record)
        record.updated_at = max(at, record.updated_at)
        record.properties[MODIFIED[record.object_type]] = iso(record.updated_at)

    @staticmethod
    def _closed_flags(record: Record) -> None:
        stage = DEAL_STAGES.get(record.properties.get("dealstage") or "")
        record.properties["hs_is_closed"] = "true" if stage and stage.is_closed else "false"
        record.properties["hs_is_closed_won"] = "true" if stage and stage.is_won else "false"

    def archive(self, record: Record, at: int) -> None:
        """Move to the recycle bin; the record can be restored."""
        at = max(at, record.updated_at + 1_000)
        record.archived_at = at
        self.membership[record.object_type] += 1
        self.log.append(Event(at, "archived", record.object_type, record.id, "", None))

    def restore(self, record: Record, at: int) -> None:
        """Back from the recycle bin, with a new modified date."""
        at = max(at, (record.archived_at or 0) + 1_000)
        record.archived_at = None
        self.membership[record.object_type] += 1
        self.log.append(Event(at, "restored", record.object_type, record.id, "", None))
        self._touch(record, at)

    def erase(self, record: Record, at: int) -> None:
        """GDPR delete: gone from both lists, with its links."""
        del self.records[record.object_type][record.id]
        self.membership[record.object_type] += 1
        self._unlink_all(record)
        self.log.append(Event(at, "erased", record.object_type, record.id, "", None))

    def merge(self, primary: Record, other: Record, at: int) -> Record:
        """Two records become a third with a new id; the primary's values and history win."""
        object_type = primary.object_type
        at = max(at, primary.updated_at + 1_000, other.updated_at + 1_000)
        self.next_id[object_type] += 3
        merged_id = str(self.next_id[object_type])
        values: dict[str, Value] = dict.fromkeys((*primary.properties, *other.properties))
        values |= {name: value for name, value in other.properties.items() if value not in (None, "")}
        values |= {name: value for name, value in primary.properties.items() if value not in (None, "")}
        values["hs_object_id"] = merged_id
        merged = Record(object_type, merged_id, primary.created_at, at, values, primary.source, primary.user)
        merged.history = {name: list(changes) for name, changes in primary.history.items()}
        merged.born = primary.born
        losers = [*self._absorbed(primary), *self._absorbed(other), primary.id, other.id]
        values["hs_merged_object_ids"] = ";".join(losers)
        if object_type == "contacts":
            values["hs_calculated_merged_vids"] = f"{primary.id}:{at};{other.id}:{at}"
        self.records[object_type][merged_id] = merged
        self.membership[object_type] += 1
        for loser in (primary, other):
            self._move_links(loser, merged)
            del self.records[object_type][loser.id]
        self.primaries[(object_type, merged_id)] = primary.id
        self.absorbed[(object_type, other.id)] = (other, at, merged_id)
        for loser_id in losers:
            self.aliases[(object_type, loser_id)] = merged_id
        self._touch(merged, at)
        self.log.append(Event(at, "merged", object_type, primary.id, other.id, merged_id))
        return merged

    @staticmethod
    def _absorbed(record: Record) -> list[str]:
        return [part for part in (record.properties.get("hs_merged_object_ids") or "").split(";") if part]

    def link(self, left: Record, right: Record, at: int, primary: bool = False, label: int | None = None) -> None:
        """Associate two records in both directions."""
        for source, target in ((left, right), (right, left)):
            plain, primary_type = ASSOCIATION_TYPES[(source.object_type, target.object_type)]
            types = self._types(source, target)
            types.add(("HUBSPOT_DEFINED", plain))
            if primary and primary_type is not None:
                types.add(("HUBSPOT_DEFINED", primary_type))
            if label is not None:
                types.add(("USER_DEFINED", label))
        self.log.append(Event(at, "linked", left.object_type, left.id, right.object_type, right.id))

    def _types(self, source: Record, target: Record) -> set[tuple[str, int]]:
        table = self.links[(source.object_type, target.object_type)]
        return table.setdefault(source.id, {}).setdefault(target.id, set())

    def unlink(self, left: Record, right: Record) -> None:
        """Remove every association between two records."""
        for source, target in ((left, right), (right, left)):
            self.links[(source.object_type, target.object_type)].get(source.id, {}).pop(target.id, None)

    def linked(self, object_type: str, record_id: str, target: str) -> list[str]:
        """Ids of the linked records, in the order they were linked."""
        return list(self.links.get((object_type, target), {}).get(record_id, ()))

    def _unlink_all(self, record: Record) -> None:
        for pair, table in self.links.items():
            if pair[0] == record.object_type:
                for target_id in table.pop(record.id, {}):
                    self.links[(pair[1], pair[0])].get(target_id, {}).pop(record.id, None)

    def _move_links(self, loser: Record, merged: Record) -> None:
        """Give the merged record the loser's links; the second record's "primary" labels are dropped."""
        for pair, table in self.links.items():
            if pair[0] != loser.object_type:
                continue
            for target_id, types in table.pop(loser.id, {}).items():
                back = self.links[(pair[1], pair[0])].setdefault(target_id, {})
                back_types = back.pop(loser.id, set())
                mine = table.setdefault(merged.id, {})
                if any(number in (1, 2, 5, 6) for held in mine.values() for _, number in held):
                    types = {entry for entry in types if entry[1] not in (1, 5)}
                    back_types = {entry for entry in back_types if entry[1] not in (2, 6)}
                mine.setdefault(target_id, set()).update(types)
                back.setdefault(merged.id, set()).update(back_types)

    def resolve(self, object_type: str, record_id: str) -> Record | None:
        """The record under an id, or the one it was merged into; archived records included."""
        while (object_type, record_id) in self.aliases:
            record_id = self.aliases[(object_type, record_id)]
        return self.records[object_type].get(record_id)


def label_of(type_id: int) -> str | None:
    """What the vendor shows for an association type."""
    return "Primary" if type_id in (1, 2, 5, 6) else USER_LABELS.get(type_id)
