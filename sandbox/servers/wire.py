"""What every practice server does on its connections: serve until the block ends, spoil an answer as a fault says."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

from sandbox.faults import Fault
from sandbox.servers.answers import Answer

Server = TypeVar("Server", bound=ThreadingHTTPServer)


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    """The server, running; stopped on leaving."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


class Handler(BaseHTTPRequestHandler):
    """A connection of a practice server."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 120

    def log_message(self, format: str, *args: Any) -> None:
        """Silent: each server keeps a log of its own."""

    def send_bytes(self, answer: Answer, payload: bytes, kind: str, fault: Fault | None) -> None:
        """The answer with this body: late, cut short or broken off where the fault says so."""
        name = fault.name if fault is not None else ""
        if name in ("slow", "hang"):
            time.sleep(1.5 if name == "slow" else 90)
        if name == "truncated":
            payload = payload[: len(payload) // 2]
        headers = {"Content-Type": kind, "Content-Length": str(len(payload)), **answer.headers}
        head = f"HTTP/1.1 {answer.status} {self.responses.get(answer.status, ('',))[0] or 'Status'}\r\n"
        head += "".join(f"{key}: {value}\r\n" for key, value in headers.items()) + "\r\n"
        if name == "reset":
            self._reset(head.encode() + payload[: len(payload) // 3])
            return
        self.wfile.write(head.encode() + payload)

    def _reset(self, start: bytes) -> None:
        """Send the beginning, then drop the connection hard."""
        self.wfile.write(start)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
