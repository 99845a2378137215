"""Dagster's web page and daemon, on loopback, with the night's environment. Ends both together."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from salesops import config
from salesops.layout import DataDirectory
from salesops.night import ROOT, set_environment


def serve(environ: Mapping[str, str], port: int) -> int:
    """Run until Ctrl-C. A run that is started there opens its own night, practice company included."""
    config.load(environ)
    set_environment(DataDirectory(config.data_directory(environ)))
    bin_folder = Path(sys.executable).parent
    workspace = ["-w", str(ROOT / "workspace.yaml")]
    page = [str(bin_folder / "dagster-webserver"), "-h", "127.0.0.1", "-p", str(port), *workspace]
    daemon = [str(bin_folder / "dagster-daemon"), "run", *workspace]
    print(f"http://127.0.0.1:{port}  (Ctrl-C ends it; the schedule every_night runs while this is open)", flush=True)
    children = [subprocess.Popen(command, cwd=ROOT) for command in (page, daemon)]
    signal.signal(signal.SIGTERM, _interrupt)  # a service manager's way of saying Ctrl-C
    signal.signal(signal.SIGINT, _interrupt)
    try:
        while all(child.poll() is None for child in children):
            time.sleep(0.5)
        return 1  # one of them ended by itself; what it said is above
    except KeyboardInterrupt:
        return 0
    finally:
        for child in children:
            child.terminate()
        for child in children:
            child.wait()


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
