"""What the servers of every CRM of the practice company share: the request log, faults, and the test controls."""

from __future__ import annotations

import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TextIO

import orjson

from sandbox.faults import Faults, apply_data_faults
from sandbox.servers.answers import Answer
from sandbox.store import iso
from sandbox.world import World


class CompanyServer(ThreadingHTTPServer):
    """The server. `calls` is the request log, oldest first; `on_tick` is called when the company has lived a day."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, world: World, handler: type[BaseHTTPRequestHandler], port: int, token: str) -> None:
        super().__init__(("127.0.0.1", port), handler)
        self.world, self.token = world, token
        self.faults = Faults()
        self.lock = threading.RLock()
        self.calls: list[dict[str, Any]] = []
        self.log_file: TextIO | None = None
        self.on_tick: Any = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def set_faults(self, specs: list[str] | tuple[str, ...]) -> None:
        """Replace the faults; data faults are applied at once."""
        self.faults = Faults(list(specs))
        apply_data_faults(self.world, self.faults)

    def described(self, path: str) -> dict[str, Any]:
        """What the log says of a path."""
        return {"path": path}

    def note(self, method: str, path: str, status: int) -> None:
        """Write one call to the log."""
        entry = {"at": time.time(), "method": method, **self.described(path), "status": status}
        self.calls.append(entry)
        if self.log_file is not None:
            self.log_file.write(orjson.dumps(entry).decode() + "\n")

    def control(self, method: str, path: str, raw: bytes) -> Answer:
        """The answer of `/__sandbox/`: what was asked, faults, a day of the company's life."""
        with self.lock:
            if path.endswith("/calls"):
                summary = calls_summary(self)
                if method == "DELETE":
                    self.calls.clear()
                return Answer(200, summary)
            if path.endswith("/faults") and method == "POST":
                try:
                    self.set_faults(orjson.loads(raw or b"{}").get("faults", []))
                except ValueError as error:
                    return Answer(400, {"message": str(error)})
                return Answer(200, {"faults": [fault.name for fault in self.faults.active]})
            if path.endswith("/tick") and method == "POST":
                self.world.tick(int(orjson.loads(raw or b"{}").get("days", 1)))
                if self.on_tick is not None:
                    self.on_tick()
                return Answer(200, {"now": iso(self.world.now), "end": self.world.end.isoformat()})
        return Answer(404, {"message": "no such control"})


def calls_summary(server: CompanyServer) -> dict[str, Any]:
    """The answer of GET /__sandbox/calls; of a server whose log has routes."""
    counts = Counter(f"{call['method']} {call['route']}" for call in server.calls)
    return {"total": len(server.calls), "by_route": dict(counts.most_common()), "calls": server.calls}
