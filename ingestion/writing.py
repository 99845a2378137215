"""What the writers of the CRMs have in common: what `salesops writeback` may ask of each, whatever the vendor.

A writer knows its protocol, not what to write: whether a field may be filled is decided by whoever calls.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Protocol

from ingestion.session import PermanentSourceError

Choices = dict[str, str]  # what may stand in a field: the word in lower case -> as the CRM has it
Kind = str  # "companies" or "contacts", whatever the vendor calls them


class CrmWriter(Protocol):
    """A CRM and the credentials to change it. Rates count against the same account as the reader's."""

    label: str  # the vendor's name, for people
    id_form: re.Pattern[str]  # what an id looks like
    how_to_add: str  # where a person creates a field

    def close(self) -> None: ...

    def writable(self, kind: Kind) -> dict[str, Choices | None]:
        """The fields that may be written, each with its choices; None: anything."""

    def current(self, kind: Kind, record_ids: Iterable[str], fields: Iterable[str]) -> dict[str, dict[str, str]]:
        """record id -> field -> its value today, "" where it has none. A record that is gone is not there."""

    def fill(self, kind: Kind, record_id: str, values: Mapping[str, str]) -> None:
        """Set fields of one record; "" empties one. Doing it again changes nothing."""

    def owners(self, kind: Kind, record_ids: Iterable[str]) -> dict[str, str]:
        """record id -> its owner's id, "" where it has none. A record that is gone is not there."""

    def task_named(self, subject: str, about: Iterable[tuple[Kind, str]]) -> str | None:
        """Id of the oldest task with this subject about these records."""

    def create_task(
        self, subject: str, text: str, due: datetime, owner_id: str, about: Iterable[tuple[Kind, str]]
    ) -> str:
        """A new task of a seller about records; its id. Sent once: a failure may have made it."""

    def is_untouched(self, task_id: str) -> bool | None:
        """Whether nobody has begun the task; None when it is gone."""

    def remove_task(self, task_id: str) -> None:
        """To the vendor's recycle bin."""


def plain(value: Any) -> str:
    """A value as a person reads it: nothing is "", a whole number has no point."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def number_of(name: str, text: str) -> float:
    """The number for a field that takes no text; whole ones as JSON integers. PermanentSourceError: it is none."""
    try:
        number = float(text)
    except ValueError:
        raise PermanentSourceError(f"{name} takes a number, not {text[:80]!r}") from None
    return int(number) if number.is_integer() else number


def batches(record_ids: Iterable[str], size: int) -> list[list[str]]:
    """Each id once, so many at a time."""
    ids = list(dict.fromkeys(record_ids))
    return [ids[first : first + size] for first in range(0, len(ids), size)]
