"""The practice server beside a measurement: a process of its own, so that its CPU is not counted with the night's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Server:
    url: str
    token: str
    now: datetime

    def calls(self) -> dict[str, Any]:
        """Requests since the last `forget_calls`, counted by route."""
        return self._control("GET", "calls")

    def forget_calls(self) -> None:
        self._control("DELETE", "calls")

    def _control(self, method: str, name: str) -> Any:
        request = urllib.request.Request(f"{self.url}/__sandbox/{name}", method=method)
        with urllib.request.urlopen(request, timeout=120) as answer:
            text = answer.read()
        return json.loads(text) if text else None


@contextmanager
def serving(state: Path, size: str) -> Iterator[Server]:
    """A practice company in `state`, made when there is none, serving until the block ends."""
    command = [sys.executable, "-m", "sandbox", "serve", "--state", str(state), "--size", size, "--port", "0"]
    command += ["--parent-pid", str(os.getpid())]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        yield Server(ready["url"], ready["token"], datetime.fromisoformat(ready["now"]))
    finally:
        process.terminate()
        process.wait(10)
