"""The session against a real server that answers what it is told to."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ingestion import session as session_module
from ingestion.session import (
    CredentialsError,
    MissingScopeError,
    PermanentSourceError,
    SlowSourceError,
    SourceError,
    SourceSession,
    TransientSourceError,
)

TOKEN = "pat-eu1-very-secret"
GOOD = (200, {}, b'{"results": [{"id": "1"}]}')


class Scripted(ThreadingHTTPServer):
    """Gives the scripted answers in turn, the last one for ever; `seen` is what was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script: list[tuple[int, dict[str, str], bytes]] = []
        self.seen: list[tuple[str, str | None]] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: object) -> None:
        """Clients that stopped waiting are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Scripted

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))  # left unread, it would begin the next request
        self.server.seen.append((self.path, self.headers.get("Authorization")))
        script = self.server.script
        status, headers, body = script.pop(0) if len(script) > 1 else script[0]
        if "X-Sleep" in headers:
            time.sleep(float(headers["X-Sleep"]))
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = "X-Cut" in headers

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[Scripted]:
    server = Scripted()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def connect(server: Scripted, **options: object) -> SourceSession:
    options = {"backoff_seconds": 0.01, "attempts": 3} | options
    return SourceSession(server.url, TOKEN, token_name="SOME_TOKEN", **options)  # type: ignore[arg-type]


def error_body(**body: object) -> bytes:
    return json.dumps({"status": "error", "message": f"no, {TOKEN}"} | body).encode()


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param((429, {"Retry-After": "0"}, b"{}"), id="429 with Retry-After"),
        pytest.param((429, {}, b"{}"), id="429 without"),
        pytest.param((429, {"Retry-After": "soon"}, b"{}"), id="429 with nonsense"),
        pytest.param((500, {}, b""), id="500"),
        pytest.param((502, {}, b"<html>"), id="502 HTML"),
        pytest.param((408, {}, b""), id="408"),
        pytest.param((423, {}, b"{}"), id="423 locked"),
        pytest.param((477, {"Retry-After": "0"}, b"{}"), id="477 portal is being moved"),
        pytest.param((200, {}, b"<html>back soon</html>"), id="HTML with 200"),
        pytest.param((200, {}, b'{"results": [{"id'), id="truncated JSON"),
        pytest.param((200, {"Content-Length": "900", "X-Cut": "1"}, b'{"results": ['), id="answer broken off"),
        pytest.param((200, {}, b"{}"), id="no results"),
        pytest.param((200, {}, b'{"results": null}'), id="results are null"),
        pytest.param((200, {}, b"null"), id="null"),
    ],
)
def test_what_can_pass_is_asked_again(server: Scripted, bad: tuple[int, dict[str, str], bytes]) -> None:
    server.script = [bad, bad, GOOD]
    session = connect(server)
    with session.metered() as meter:
        assert session.get("/x").content == {"results": [{"id": "1"}]}
    assert (meter.requests, meter.retries, len(server.seen)) == (3, 2, 3)


@pytest.mark.parametrize(
    ("bad", "error", "attempts"),
    [
        pytest.param((503, {}, b""), TransientSourceError, 3, id="down"),
        pytest.param((200, {}, b"{}"), PermanentSourceError, 4, id="never a list"),
    ],
)
def test_retries_end(server: Scripted, bad: tuple[int, dict[str, str], bytes], error: type, attempts: int) -> None:
    server.script = [bad]
    with pytest.raises(error):
        connect(server).get("/x")
    assert len(server.seen) == attempts


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        pytest.param((401, {}, error_body()), CredentialsError, "SOME_TOKEN", id="401"),
        pytest.param(
            (403, {}, error_body(errors=[{"context": {"requiredScopes": ["crm.objects.deals.read"]}}])),
            MissingScopeError, "crm.objects.deals.read", id="403",
        ),
        pytest.param(
            (403, {}, error_body(errors=[{"context": {"requiredGranularScopes": ["deals"]}}])),
            MissingScopeError, "deals", id="403 granular",
        ),
        pytest.param((400, {}, error_body()), PermanentSourceError, "HTTP 400", id="400"),
        pytest.param((404, {}, b"<html>"), PermanentSourceError, "HTTP 404", id="404 HTML"),
        pytest.param((302, {"Location": "http://other.test/"}, b""), PermanentSourceError, "redirect", id="302"),
        pytest.param((429, {}, error_body(policyName="DAILY")), PermanentSourceError, "daily", id="daily limit"),
        pytest.param((429, {"Retry-After": "4000"}, b"{}"), TransientSourceError, "4000 s", id="a wait too long"),
    ],
)  # fmt: skip
def test_what_cannot_pass_is_asked_once(
    server: Scripted, answer: tuple[int, dict[str, str], bytes], error: type[SourceError], says: str
) -> None:
    server.script = [answer]
    with pytest.raises(error, match=says) as caught:
        connect(server).get("/x")
    assert len(server.seen) == 1
    assert TOKEN not in str(caught.value) + repr(caught.value)


def test_retry_after_is_obeyed(server: Scripted) -> None:
    server.script = [(429, {"Retry-After": "1"}, b"{}"), GOOD]
    started = time.monotonic()
    connect(server).get("/x")
    assert time.monotonic() - started >= 1


@pytest.mark.parametrize(
    ("status", "least"), [(503, 1), (423, 4), (429, 20)], ids=["503", "423 locked", "429 that does not say how long"]
)
def test_the_first_repetition_waits_too(server: Scripted, monkeypatch: pytest.MonkeyPatch, status, least) -> None:
    """urllib3 sends it at once: every thread would hammer a vendor that is down or limiting."""
    waits: list[float] = []
    monkeypatch.setattr("urllib3.util.retry.time.sleep", waits.append)
    server.script = [(status, {}, b"{}"), GOOD]
    connect(server, backoff_seconds=0.5).get("/x")
    assert len(waits) == 1 and waits[0] >= 0.5 * least


def test_repeated_attempts_wait_for_their_turn(server: Scripted) -> None:
    server.script = [(503, {}, b"{}")] * 4 + [GOOD]
    session = connect(server, rate_per_second=5.0, backoff_seconds=0.0, attempts=6)
    started = time.monotonic()
    for _ in range(2):
        session.get("/x")
    assert len(server.seen) == 6
    assert time.monotonic() - started > 0.9, "six within a second, where five are allowed"


def test_a_slow_answer_is_told_apart(server: Scripted) -> None:
    server.script = [(200, {"X-Sleep": "0.5"}, GOOD[2])]
    with pytest.raises(SlowSourceError):
        connect(server, timeout_seconds=(1.0, 0.1), attempts=2).get("/x")


def test_an_answer_larger_than_the_bound_is_refused(server: Scripted) -> None:
    server.script = [(200, {}, b'{"results": ["' + b"x" * 2000 + b'"]}')]
    with pytest.raises(PermanentSourceError, match="larger than 1000"):
        connect(server, max_bytes=1000).get("/x")


def test_the_token_goes_to_its_own_host_only(server: Scripted) -> None:
    server.script = [GOOD]
    session = connect(server)
    session.get("/x")
    assert server.seen == [("/x", f"Bearer {TOKEN}")]
    for link in ("http://127.0.0.1:1/x", "https://evil.test/x", "/relative", server.url.replace("http", "https")):
        with pytest.raises(PermanentSourceError, match="another host"):
            session.check_link(link)
    session.check_link(server.url + "/x?after=2")


def test_a_closed_port_is_transient_and_bounded() -> None:
    session = SourceSession("http://127.0.0.1:9", TOKEN, token_name="T", attempts=3, backoff_seconds=0.01)
    with session.metered() as meter, pytest.raises(TransientSourceError) as caught:
        session.get("/x")
    assert meter.requests == 3
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://api.hubapi.com", "ftp://x", "https://a:b@x.test", "", "http://127.0.0.1.evil.test"]
)
def test_an_address_that_would_leak_is_refused(url: str) -> None:
    with pytest.raises(PermanentSourceError):
        SourceSession(url, TOKEN, token_name="T")


@pytest.mark.parametrize("token", ["", "a b", "secret\n", "sécret"])
def test_a_token_that_cannot_be_one_is_named_not_shown(token: str) -> None:
    with pytest.raises(CredentialsError, match="SOME_TOKEN") as caught:
        SourceSession("http://127.0.0.1:9", token, token_name="SOME_TOKEN")
    assert not token or token not in str(caught.value)


def test_nothing_readable_holds_the_token(server: Scripted) -> None:
    session = connect(server)
    assert TOKEN not in repr(session) + repr(session._auth) + str(vars(session))


def test_searches_have_a_limit_of_their_own(server: Scripted) -> None:
    server.script = [GOOD]
    session = connect(server, rate_per_second=200, search_per_second=5, search_paths=("/x/search",))
    started = time.monotonic()
    for _ in range(7):
        session.get("/x")
    assert time.monotonic() - started < 0.8
    started = time.monotonic()
    for _ in range(7):
        session.post("/x/search", {})
    assert time.monotonic() - started > 0.8


def test_a_page_that_stays_broken_costs_a_bounded_number_of_requests(server: Scripted) -> None:
    server.script = [(200, {}, b"<html>")]
    with pytest.raises(PermanentSourceError, match="HTML"):
        connect(server).get("/x")
    assert len(server.seen) == session_module.PAGE_ATTEMPTS


@pytest.mark.parametrize("path", ["@127.0.0.1:1/x", ".evil.test/x", ":80@evil.test/", "evil.test"])
def test_a_path_that_a_vendor_makes_into_another_host_is_never_asked(server: Scripted, path: str) -> None:
    server.script = [GOOD]
    session = connect(server)
    for ask in (session.get, lambda p: session.post(p, {}), lambda p: session.download(p, bytes)):
        with pytest.raises(PermanentSourceError, match="another host"):
            ask(path)
    assert server.seen == []
