"""The dashboard on loopback until Ctrl-C. Nobody else's page may talk to it, and its page may talk to nobody else."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from salesops.config import ConfigError

HOST = "127.0.0.1"
# the browser refuses whatever the frontend would fetch from elsewhere (icons, formulas: nothing that is used here)
POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' data: ws://127.0.0.1:* ws://localhost:*",
        "worker-src 'self' blob:",
        "frame-ancestors 'none'",
    )
)

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]


class Loopback:
    """ASGI: refuses a foreign Host (a rebound name) or Origin (another site's page), and sends the policy."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self.app = app

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if not _is_own(headers):
            if scope["type"] == "websocket":
                await receive()
                await send({"type": "websocket.close", "code": 1008})
                return
            await send({"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"text/plain")]})
            await send({"type": "http.response.body", "body": b"only from this machine's own page"})
            return

        async def guarded(message: _Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), (b"content-security-policy", POLICY.encode())]
            await send(message)

        await self.app(scope, receive, guarded)


def serve(port: int) -> NoReturn:
    """Serve until Ctrl-C or SIGTERM. The app asks the configuration itself where the published file is."""
    os.environ |= {"MARIMO_SKIP_UPDATE_CHECK": "1", "DO_NOT_TRACK": "1"}
    import marimo
    import uvicorn

    if not 0 < port < 65536:
        raise ConfigError(f"--port {port}: a port is a number from 1 to 65535")
    page = marimo.create_asgi_app(quiet=True).with_app(path="", root=str(Path(__file__).with_name("app.py"))).build()
    signal.signal(signal.SIGTERM, _interrupt)  # a service manager's way of saying Ctrl-C
    signal.signal(signal.SIGINT, _interrupt)
    print(f"http://{HOST}:{port}  (Ctrl-C ends it)", flush=True)
    code = 0
    try:
        uvicorn.run(Loopback(page), host=HOST, port=port, log_level="warning", timeout_graceful_shutdown=1)
    except KeyboardInterrupt:
        pass
    except SystemExit as error:  # the port is taken: uvicorn has said so
        code = 1 if error.code else 0
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # the thread of an open page would hold the process; it only reads, so nothing is left undone


def _is_own(headers: dict[str, str]) -> bool:
    host = headers.get("host", "")
    if urlsplit(f"//{host}").hostname not in (HOST, "localhost"):
        return False
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == host


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
