"""Where everything lies in the data directory, and who may read it. Whoever writes a file makes its folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_MACHINES = os.umask(0o077)
os.umask(_MACHINES)


@contextmanager
def private() -> Iterator[None]:
    """What this process writes meanwhile, nobody else of this machine can read."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def for_readers() -> Iterator[None]:
    """What it writes meanwhile is for others too, as far as the machine's own umask lets them."""
    before = os.umask(_MACHINES)
    try:
        yield
    finally:
        os.umask(before)


@dataclass(frozen=True)
class DataDirectory:
    """`published` is for analysts and `drop` for everybody who fills it in; all else is the night's own."""

    root: Path

    def close_to_others(self) -> None:
        """Raw, and all that is made of it before it is published: earlier versions left them as the umask had it."""
        own = (self.warehouse, self.marts.parent, self.dagster, self.dbt, self.spool, self.sandbox)
        for path in own:
            if path.exists() and (mode := stat.S_IMODE(path.stat().st_mode)) & 0o077:
                path.chmod(mode & 0o700)

    @property
    def warehouse(self) -> Path:
        return self.root / "warehouse.duckdb"

    @property
    def marts(self) -> Path:
        """The marts while they are built: made fresh each night, never read by anyone else."""
        return self.root / "build" / "marts.duckdb"

    @property
    def matching(self) -> Path:
        """What one night's matching leaves the next. May be deleted at any time: the next one starts anew."""
        return self.root / "build" / "matching.duckdb"

    @property
    def published(self) -> Path:
        return self.root / "published"

    @property
    def brief(self) -> Path:
        return self.published / "brief"

    @property
    def dagster(self) -> Path:
        return self.root / "dagster"

    @property
    def spool(self) -> Path:
        return self.root / "spool"

    @property
    def sandbox(self) -> Path:
        return self.root / "sandbox"

    @property
    def practice_drop(self) -> Path:
        """Sheets of the practice company: never in the folder that a real company would use later."""
        return self.sandbox / "drop"

    @property
    def drop(self) -> Path:
        return self.root / "drop"

    @property
    def dbt(self) -> Path:
        return self.root / "dbt"

    @property
    def alerts(self) -> Path:
        """Causes of alerts that last, and who was told. Deleted, they are told again."""
        return self.root / "alerts.json"

    @property
    def erasures(self) -> Path:
        """Who was erased, as hashes, and when. Kept when all else is put back from an older copy."""
        return self.root / "erasures.jsonl"

    @property
    def shared_key(self) -> Path:
        """What addresses are hashed with in the file for wide sharing. Secret."""
        return self.root / "shared.key"

    @property
    def scratch(self) -> Path:
        """Half-made copies of an erasure: emptied by the next one."""
        return self.root / ".forget"

    @property
    def lock(self) -> Path:
        return self.root / "night.lock"
