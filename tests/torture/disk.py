"""A disk that fails on order, and what it holds after a power cut. Drives `disk.c`, which every rig has preloaded."""

from __future__ import annotations

import ctypes
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
MODES = {"record": 1, "kill": 2, "tear": 3, "fail": 4}
DIRECTORY_OPERATIONS = ("create", "rename", "link", "unlink", "mkdir", "rmdir")


def preload(scratch: Path) -> None:
    """Start this process again with the library in it, unless it is."""
    library = scratch / "disk.so"
    if os.environ.get("LD_PRELOAD", "").endswith("disk.so"):
        return
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise SystemExit("make torture needs a C compiler (Debian: apt-get install gcc): its disk fails on order")
    scratch.mkdir(parents=True, exist_ok=True)
    source = str(HERE / "disk.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(library), source, "-ldl", "-lpthread"], check=True)
    os.environ["LD_PRELOAD"] = str(library)
    os.execv(sys.executable, [sys.executable, "-m", "tests.torture", *sys.argv[1:]])


def arm(mode: str, folder: Path, number: int = 0, error: int = 0, log: int = -1, only_syncs: bool = False) -> None:
    """From now on, of operations below `folder`: record them, die at the n-th, tear the n-th, fail from the n-th on."""
    library = ctypes.CDLL(None)
    path = os.fsencode(str(folder.resolve()))
    library.disk_arm(MODES[mode], ctypes.c_long(number), error, path, log, int(only_syncs))


def operations() -> int:
    """How many operations there were since `arm`."""
    library = ctypes.CDLL(None)
    library.disk_count.restype = ctypes.c_long
    return int(library.disk_count())


@dataclass(frozen=True)
class Operation:
    what: str
    path: str
    other: str = ""
    place: int = 0
    data: bytes = b""


def recorded(act: Callable[[], Any], folder: Path, log: Path) -> list[Operation]:
    """Run `act` in a child and return its operations below `folder`, in order."""
    from tests.torture.children import in_child

    def record() -> None:
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        arm("record", folder, log=handle)
        act()

    in_child(record).or_raise()
    found = list(_parsed(log))
    log.unlink()
    return found


def _parsed(log: Path) -> Iterator[Operation]:
    with log.open("rb") as lines:
        while line := lines.readline():
            what, path, other, _, place, size = line.decode().rstrip("\n").split("\t")
            data = lines.read(int(size)) if what == "write" else b""
            yield Operation(what, path, other, int(place), data)


@dataclass
class File:
    """`synced`: what a power cut cannot take. `pending`: writes (place, data) and cuts (size, None) since."""

    synced: bytes = b""
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)

    def after(self, kept: Callable[[], bool]) -> bytes:
        content = bytearray(self.synced)
        for place, data in self.pending:
            if not kept():
                continue
            if data is None:
                content = content[:place].ljust(place, b"\0")
            else:
                content = content.ljust(place, b"\0")
                content[place : place + len(data)] = data
        return bytes(content)


class Cut:
    """Follows recorded operations, and says at any of them which contents a power cut could leave.

    Within a file any of the writes since its last sync may be missing; names change in the order in which they were
    changed in their directory, and nothing holds them before that directory was synced.
    """

    def __init__(self, folder: Path):
        self.root = str(folder.resolve())
        base = {str(p.resolve()): File(p.read_bytes()) for p in folder.rglob("*") if p.is_file()}
        self.now = dict(base)  # path -> file, as the process sees it
        self.names: dict[str, File | None] = base | {str(p.resolve()): None for p in folder.rglob("*") if p.is_dir()}
        self.unsynced: list[tuple[str, Operation, File | None]] = []  # (directory, operation, file)

    def follow(self, operation: Operation) -> None:
        what, path = operation.what, operation.path.removesuffix(" (deleted)")
        held = self.now.get(path)
        if what == "write" and held is not None:
            held.pending.append((operation.place, operation.data))
        elif what == "truncate" and held is not None:
            held.pending.append((operation.place, None))
        elif what == "sync" and held is not None:
            held.synced, held.pending = held.after(lambda: True), []
        elif what == "syncdir":
            for directory, name_change, moved in self.unsynced:
                if directory == path:
                    _change(self.names, name_change, moved)
            self.unsynced = [entry for entry in self.unsynced if entry[0] != path]
        elif what in DIRECTORY_OPERATIONS:
            held = File() if what == "create" else held
            _change(self.now, operation, held)  # type: ignore[arg-type]
            self.unsynced.append((os.path.dirname(operation.other or path), operation, held))

    def states(self, chance: random.Random) -> Iterator[dict[str, bytes | None]]:
        """Path below the folder -> content (None: a directory): nothing unsynced is left, all of it, and mixtures."""
        directories = sorted({directory for directory, *_ in self.unsynced})
        choices: list[dict[str, float]] = [dict.fromkeys(directories, 0.0), dict.fromkeys(directories, 1.0)]
        choices += [{name: float(name != lost) for name in directories} for lost in directories if len(directories) > 1]
        choices += [{name: chance.random() for name in directories}]
        for share in choices:
            names = self._names(share)
            for kept in (lambda: False, lambda: True, lambda: chance.random() < 0.5):
                yield {
                    path.removeprefix(self.root + "/"): None if held is None else held.after(kept)
                    for path, held in names.items()
                    if path != self.root and _has_parents(path, names, self.root)
                }

    def _names(self, share: dict[str, float]) -> dict[str, File | None]:
        names = dict(self.names)
        for directory, part in share.items():
            mine = [entry for entry in self.unsynced if entry[0] == directory]
            for _, operation, held in mine[: round(part * len(mine))]:
                _change(names, operation, held)
        return names


def _change(names: dict[str, File | None], operation: Operation, held: File | None) -> None:
    what, path = operation.what, operation.path
    if what in ("create", "mkdir"):
        names[path] = None if what == "mkdir" else held
    elif what == "link":
        names[operation.other] = held
    elif what in ("unlink", "rmdir"):
        names.pop(path, None)
    elif what == "rename":
        for old in [name for name in names if name == path or name.startswith(path + "/")]:
            names[operation.other + old.removeprefix(path)] = names.pop(old)
        if held is not None and path not in names:
            names[operation.other] = held


def _has_parents(path: str, names: dict[str, File | None], root: str) -> bool:
    parent = os.path.dirname(path)
    while parent != root:
        if parent not in names:
            return False
        parent = os.path.dirname(parent)
    return True


def lay_out(state: dict[str, bytes | None], folder: Path) -> None:
    """The state as real files."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for path, content in sorted(state.items()):
        if content is None:
            (folder / path).mkdir(parents=True, exist_ok=True)
        else:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
