"""What must be on the disk before something else may be."""

from __future__ import annotations

import os
from pathlib import Path


def fsync(path: Path) -> None:
    """What was written to the file, or the names in the folder, is on the disk when this returns."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
