"""A copy of the data directory that can be put back: whole or not there, each file with its checksum.

In it is what cannot be made again (raw, accepted duplicates, kept publications, sheets, the history of runs, what was
told). Not in it: what a night makes anew (build, dbt's files, the spool). The configuration is copied beside it, for
a person; secrets are in none of these files.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from ingestion import landing, suppression
from ingestion.durable import fsync
from salesops.layout import DataDirectory

MANIFEST, DATA, CONFIGURATION = "manifest.json", "data", "configuration"
MADE_ANEW = ("build", "dbt", "spool", "night.lock", ".forget")
FORMAT = 1


class BackupError(Exception):
    """The backup cannot be written, or cannot be trusted; nothing that was there before is changed."""


def write(data: DataDirectory, to: Path, now: datetime, configuration: Path | None) -> tuple[Path, int]:
    """Copy `data` into a new folder of `to`. The caller holds the night's lock. Returns the folder and its bytes.

    Raises BackupError where there is nothing to copy, too little room, or `to` lies in the data directory.
    """
    if not data.warehouse.exists():
        raise BackupError(f"nothing was read yet in {data.root}: there is nothing to back up")
    if to.resolve().is_relative_to(data.root.resolve()):
        raise BackupError(f"{to} lies in the data directory: a backup belongs on another disk")
    try:
        opened = landing.opened(data.warehouse)
    except landing.BrokenWarehouse as broken:
        raise BackupError(str(broken)) from None
    with opened as connection:
        connection.execute("checkpoint")  # what a killed night left in the write-ahead file is in the one file then
    files = list(_files(data.root))
    size = sum(path.stat().st_size for path in files)
    to.mkdir(parents=True, exist_ok=True)
    if (room := shutil.disk_usage(to).free) < size:
        raise BackupError(f"{to} has room for {_megabytes(room)}, the backup needs {_megabytes(size)}")
    for leftover in to.glob(".salesops-*.next"):
        shutil.rmtree(leftover)
    folder = to / f"salesops-{now:%Y%m%dT%H%M%SZ}"
    if folder.exists():
        raise BackupError(f"{folder} is there already")
    building = to / f".{folder.name}.next"
    listed = {}
    for path in files:
        name = f"{DATA}/{path.relative_to(data.root).as_posix()}"
        listed[name] = _copy(path, building / name)
    if configuration is not None and configuration.exists():
        name = f"{CONFIGURATION}/{configuration.name}"
        listed[name] = _copy(configuration, building / name)
    content = {"format": FORMAT, "written_at": now.isoformat(), "files": listed}
    manifest = building / MANIFEST
    manifest.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
    fsync(manifest)
    _fsync_folders(building)
    building.rename(folder)
    fsync(to)
    return folder, size


def restore(folder: Path, data: DataDirectory, now: datetime, *, replace: bool) -> Path | None:
    """Put a backup in the place of the data directory, after each of its files was compared with its checksum.

    What stood there is moved aside, with `replace`; returns where it is now, or None. Raises BackupError before
    anything is changed: a file that is missing, damaged or not listed, a data directory that is not empty.
    """
    listed = _manifest(folder)
    stands = data.root.exists() and any(path.name not in MADE_ANEW for path in data.root.iterdir())
    if stands and not replace:
        raise BackupError(f"{data.root} is not empty: --replace moves it aside and puts the backup in its place")
    if data.root.is_mount():
        raise BackupError(
            f"{data.root} is a file system of its own: let SALESOPS_DATA name a folder in it, then restore"
        )
    restoring = data.root.with_name(f".{data.root.name}.restoring")
    shutil.rmtree(restoring, ignore_errors=True)
    if missing := [name for name in listed if not (folder / name).is_file()]:
        raise BackupError(f"{folder / missing[0]} is missing: this backup is not whole")
    for name, (size, digest) in listed.items():
        source = folder / name
        if not name.startswith(f"{DATA}/"):
            continue
        if _copy(source, restoring / name.removeprefix(f"{DATA}/")) != [size, digest]:
            shutil.rmtree(restoring, ignore_errors=True)
            raise BackupError(f"{source} is not what was backed up: its checksum differs")
    kept = restoring / data.erasures.name
    if data.erasures.exists() and len(suppression.audit(data.erasures)) > len(suppression.audit(kept)):
        _copy(data.erasures, kept)  # who was erased since the backup stays so: salesops forget --again
    _fsync_folders(restoring)
    aside = None
    if data.root.exists():
        aside = data.root.with_name(f"{data.root.name}.replaced-{now:%Y%m%dT%H%M%SZ}")
        data.root.rename(aside)
        if not stands:
            shutil.rmtree(aside)
            aside = None
    restoring.rename(data.root)
    fsync(data.root.parent)
    return aside


def _files(root: Path) -> Iterator[Path]:
    """Every file that is kept, without those that somebody is in the middle of writing."""
    for path in sorted(root.rglob("*")):
        inside = path.relative_to(root)
        half_made = any(part.startswith(".") and part.endswith(".next") for part in inside.parts)
        if inside.parts[0] not in MADE_ANEW and not half_made and path.is_file() and not path.is_symlink():
            yield path


def _manifest(folder: Path) -> dict[str, tuple[int, str]]:
    path = folder / MANIFEST
    try:
        content: dict[str, Any] = json.loads(path.read_text())
        form, files = content["format"], {name: (size, digest) for name, (size, digest) in content["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackupError(f"{folder} is no backup: {path} cannot be read ({type(error).__name__})") from None
    if form != FORMAT:
        raise BackupError(f"{folder} was written by another version (format {form}, this one reads {FORMAT})")
    for name in files:
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise BackupError(f"{path} lists {name!r}, which lies outside of the backup")
    return files


def _copy(source: Path, target: Path) -> list[Any]:
    """Copy, with the file's mode, to the disk; the size and SHA-256 of what was written."""
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as given, target.open("wb") as taken:
        while block := given.read(8 * 1024 * 1024):
            digest.update(block)
            size += len(block)
            taken.write(block)
        taken.flush()
        os.fsync(taken.fileno())
    shutil.copystat(source, target)
    return [size, digest.hexdigest()]


def _fsync_folders(root: Path) -> None:
    for folder in [root, *(path for path in root.rglob("*") if path.is_dir())]:
        fsync(folder)


def _megabytes(size: int) -> str:
    return f"{size / 1024**2:,.0f} MB"
