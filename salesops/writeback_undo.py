"""The undo file of a write-back: what was sent where, on disk before it was sent."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from salesops.writeback_plan import PlanError


class UndoFile:
    """One JSON object a line, on disk before the write that it tells of. Readable by its owner only."""

    def __init__(self, path: Path):
        self.path = path

    def __enter__(self) -> UndoFile:
        try:
            descriptor = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError:
            raise PlanError(f"{self.path} is there already: it belongs to an earlier run; name another") from None
        except OSError as error:
            raise PlanError(
                f"{self.path}: the undo file cannot be written ({error.strerror}); nothing was sent"
            ) from None
        self._file = os.fdopen(descriptor, "w", encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, state: str, entry: Mapping[str, Any]) -> None:
        at = datetime.now(UTC).isoformat(timespec="seconds")
        self._file.write(json.dumps({"state": state, "at": at} | dict(entry), ensure_ascii=False) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())


def newest_entries(path: Path) -> list[dict[str, Any]]:
    """One entry for each record or task, newest first; what was intended and never confirmed may have been written."""
    entries: dict[tuple[str, str, str], dict[str, Any]] = {}
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError(f"{path}: not readable ({type(error).__name__})") from None
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            entry = json.loads(line)
            key = (entry["crm"], entry["object"], entry.get("subject") or entry["id"])
        except (ValueError, KeyError, TypeError):
            if number == len(content.splitlines()) and not content.endswith("\n"):
                break  # the run was killed while it wrote this line: nothing was sent for it
            raise PlanError(f"{path}, line {number}: not a line of an undo file") from None
        entries[key] = entry
    return list(reversed(entries.values()))
