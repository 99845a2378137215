"""People who were erased, known by keyed hashes only, and what landing does when a vendor sends them again.

The list is a file beside the warehouse: a salt, then a line for each erasure, which is the audit of it too. The
table raw.erased is its copy, so that whoever lands needs no path. A record of an erased person lands as the stone
that says so; in other records the person's addresses, numbers and full name are cut out of the text.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from ingestion.durable import fsync
from ingestion.objects import RawObject

PEOPLE = (("hubspot", "contacts"), ("salesforce", "contacts"), ("salesforce", "leads"), ("pipedrive", "persons"))
MARK = "[erased]"
# begun once in a run of letters, and with few apostrophes, else a blob takes hours
EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]+(?:'[\w.+-]+){0,3}(?:@|%40)[\w-]+(?:\.[\w-]+)+")
PHONE = re.compile(r"\+?\d[\d\s().\-/\u00a0]{6,18}\d")
WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
_ESCAPED = re.compile(r"\\(?:u[0-9a-fA-F]{4}|.)")
_PLACES = 8  # digits from the end of a number: equal in every spelling


@dataclass
class Erased:
    """The list: what is asked of it is whether a key is on it, never which keys are."""

    salt: str
    keys: dict[str, set[str]] = field(default_factory=dict)

    def hashed(self, kind: str, key: str) -> str:
        return hmac.new(bytes.fromhex(self.salt), f"{kind}:{key}".encode(), hashlib.sha256).hexdigest()

    def holds(self, kind: str, key: str) -> bool:
        known = self.keys.get(kind, set())
        return bool(known) and self.hashed(kind, key) in known

    def holds_record(self, source: str, name: str, record_id: str) -> bool:
        return self.holds("record", record_key(source, name, record_id))

    def scrubbed(self, text: str) -> str:
        """The text without addresses, numbers and full names that are on the list."""
        plain = _ESCAPED.sub(lambda match: " " * len(match.group()), text)  # the n of a JSON line break is no letter
        found = [*self._emails(plain), *self._phones(plain), *self._names(plain)]
        for start, end in sorted(set(found), reverse=True):
            text = text[:start] + MARK + text[end:]
        return text

    def _emails(self, text: str) -> Iterator[tuple[int, int]]:
        if self.keys.get("email"):
            for match in EMAIL.finditer(text):
                parts = match.group().split("'")  # o'neil@..., or a quotation mark before the address
                for first in range(len(parts)):
                    address = "'".join(parts[first:])
                    if self.holds("email", email_key(address)):
                        yield match.end() - len(address), match.end()
                        break

    def _phones(self, text: str) -> Iterator[tuple[int, int]]:
        if self.keys.get("phone"):
            for match in PHONE.finditer(text):
                if (key := phone_key(match.group())) and self.holds("phone", key):
                    yield match.span()

    def _names(self, text: str) -> Iterator[tuple[int, int]]:
        """Two or three words beside each other, in any order."""
        if not self.keys.get("name"):
            return
        words = list(WORD.finditer(text))
        until = -1
        for place in range(len(words)):
            for count in (3, 2):
                some = words[place : place + count]
                if len(some) < count or some[0].start() < until or some[-1].end() - some[0].start() > 120:
                    continue
                if self.holds("name", name_key(match.group() for match in some)):
                    until = some[-1].end()
                    yield some[0].start(), until
                    break


def record_key(source: str, name: str, record_id: str) -> str:
    return f"{source}/{name}/{record_id}"


def email_key(text: str) -> str:
    return text.strip().replace("%40", "@").casefold()


def phone_key(text: str) -> str:
    digits = re.sub(r"\D", "", text)
    return digits[-_PLACES:] if len(digits) >= _PLACES else ""


def name_key(words: Iterable[str]) -> str:
    return " ".join(sorted(word.casefold() for word in words))


def read(path: Path) -> Erased | None:
    """The list of a data directory; None when nobody was ever erased."""
    lines = _lines(path)
    if not lines:
        return None
    erased = Erased(lines[0]["salt"])
    for line in lines[1:]:
        for kind, keys in line.get("keys", {}).items():
            if line.get("keeps_out", True):
                erased.keys.setdefault(kind, set()).update(keys)
    return erased


def audit(path: Path) -> list[dict[str, Any]]:
    """The erasures, oldest first: when, by whom, how many records, hashes."""
    return _lines(path)[1:]


def opened(path: Path) -> Erased:
    """The list, made with a new salt where there is none."""
    if (erased := read(path)) is None:
        erased = Erased(secrets.token_hex(32))
        _write(path, [{"salt": erased.salt}])
    return erased


def append(path: Path, line: dict[str, Any]) -> None:
    """One more erasure. The file is replaced whole: killed in between, it is as it was."""
    _write(path, [*_lines(path), line])


def copy_into(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Make raw.erased (of `prepare`) what the file says: also after an older warehouse was put back beside it."""
    erased = read(path)
    rows = sorted((kind, key, erased.salt) for kind, keys in erased.keys.items() for key in keys) if erased else []
    if connection.execute("select kind, key_hash, salt from raw.erased order by all").fetchall() == rows:
        return
    connection.execute("delete from raw.erased")
    if rows:
        connection.executemany("insert into raw.erased values (?, ?, ?)", rows)


def of(connection: duckdb.DuckDBPyConnection) -> Erased | None:
    """The list as raw.erased has it; None when it is empty, which it nearly always is."""
    rows = connection.execute("select kind, key_hash, salt from raw.erased").fetchall()
    if not rows:
        return None
    erased = Erased(rows[0][2])
    for kind, key, _ in rows:
        erased.keys.setdefault(kind, set()).add(key)
    return erased


def stone(record_id: str) -> str:
    """The payload of a record that is gone for good; the form that the readers write too."""
    return json.dumps({"id": record_id, "merged_into": None, "tombstone": "erased"}, separators=(",", ":"))


def keep_out(connection: duckdb.DuckDBPyConnection, entry: RawObject, waiting: str, erased: Erased) -> None:
    """What waits to be landed, without those on the list. Other records keep their hash: they are unchanged."""
    is_people = (entry.source, entry.name) in PEOPLE
    changes: list[tuple[str, bool, str | None, int]] = []
    for rowid, record_id, payload in _rows(connection, waiting, "record_id, payload::varchar"):
        if is_people and _is_on(erased, entry, record_id, payload):
            changes.append((stone(record_id), True, hashlib.md5(stone(record_id).encode()).hexdigest(), rowid))
        elif (clean := erased.scrubbed(unescaped(payload))) != unescaped(payload):
            changes.append((clean, False, None, rowid))
    if changes:
        connection.executemany(
            f"""update {waiting} set payload = ?, is_deleted = is_deleted or ?,
                payload_hash = coalesce(?, payload_hash) where rowid = ?""",
            changes,
        )


def keep_history_out(connection: duckdb.DuckDBPyConnection, entry: RawObject, waiting: str, erased: Erased) -> None:
    """The same for history that waits: an erased person has none."""
    is_people = (entry.source, entry.name) in PEOPLE
    gone, changes = [], []
    for rowid, record_id, value in _rows(connection, waiting, "record_id, value"):
        if is_people and _is_known(connection, entry, record_id, erased):
            gone.append((rowid,))
        elif value and (clean := erased.scrubbed(value)) != value:
            changes.append((clean, rowid))
    if gone:
        connection.executemany(f"delete from {waiting} where rowid = ?", gone)
    if changes:
        connection.executemany(f"update {waiting} set value = ? where rowid = ?", changes)


def addresses_of(value: Any, key: str = "") -> set[str]:
    """The addresses of a person's record: in fields that are called so, of any depth. The owner's is not theirs."""
    if isinstance(value, dict):
        return set().union(*(addresses_of(v, k if k not in ("value", "label") else key) for k, v in value.items()))
    if isinstance(value, list):
        return set().union(*(addresses_of(item, key) for item in value))
    if not isinstance(value, str) or "mail" not in key.lower() or "owner" in key.lower():
        return set()
    return {email_key(match.group()) for match in EMAIL.finditer(value)}


def unescaped(payload: str) -> str:
    """JSON whose letters are themselves: what a vendor wrote as \\u00e5 is found too."""
    if "\\u" not in payload:
        return payload

    def letter(match: re.Match[str]) -> str:
        code = int(match.group(1), 16)
        is_plain = code >= 0xA0 and not 0xD800 <= code <= 0xDFFF
        return chr(code) if is_plain or code == 0x40 else match.group()

    return _ESCAPE.sub(letter, payload)


def _is_on(erased: Erased, entry: RawObject, record_id: str, payload: str) -> bool:
    if erased.holds_record(entry.source, entry.name, record_id):
        return True
    return any(erased.holds("email", address) for address in addresses_of(json.loads(payload)))


def _is_known(connection: duckdb.DuckDBPyConnection, entry: RawObject, record_id: str, erased: Erased) -> bool:
    """On the list itself, or landed as a stone because an address of it is."""
    if erased.holds_record(entry.source, entry.name, record_id):
        return True
    found = connection.execute(
        f"select 1 from {entry.table} where record_id = ? and payload::varchar = ? limit 1",
        [record_id, stone(record_id)],
    ).fetchone()
    return found is not None


def _rows(connection: duckdb.DuckDBPyConnection, table: str, columns: str) -> Iterator[tuple[Any, ...]]:
    yield from connection.execute(f"select rowid, {columns} from {table}").fetchall()


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]


def _write(path: Path, lines: list[dict[str, Any]]) -> None:
    beside = path.with_name(f".{path.name}.next")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as handle:
        handle.write("".join(json.dumps(line) + "\n" for line in lines))
        handle.flush()
        os.fsync(handle.fileno())
    os.replace(beside, path)
    fsync(path.parent)
