"""One HTTP session for a source: credentials pinned to one host, bounded retries, client-side limits, whole pages.

Knows no vendor beyond two facts that all of them share: a page is one JSON object (a `download` is what its own reader
makes of it), and 401/403 are not worth retrying. Tokens never reach a message: they are held by an object without a
readable form and scrubbed from answers.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import random
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

import orjson
import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from requests_ratelimiter import LimiterAdapter
from urllib3.util.retry import Retry

RETRIED_STATUSES = frozenset({408, 423, 429, 477, 500, 502, 503, 504, *range(520, 531)})
LONGEST_WAIT_SECONDS = 300  # a vendor that asks for more is reported, not waited for
USER_AGENT = "salesops-warehouse"
DAILY_BUDGETS = ("X-Daily-RateLimit-Token-Remaining", "X-Daily-Requests-Left")  # 0: nothing more until midnight
UNSAID_WAITS = {423: 4, 429: 20}  # times the usual first wait, where such a refusal does not say how long
RENEWALS = 2  # times that one request gets a new token
PAGE_ATTEMPTS = 4  # times that a page which came back broken is asked for, each with its own bounded retries


T = TypeVar("T")


class SourceError(Exception):
    """Anything that a source answered, or failed to answer, that ends the read of an object."""


class TransientSourceError(SourceError):
    """The vendor is down, slow or limiting: the same request may succeed later. Raised after bounded retries."""


class SlowSourceError(TransientSourceError):
    """The vendor did not answer in time: a smaller page may do."""


class PermanentSourceError(SourceError):
    """Asking again gives the same: a refused request, an answer that is not what the protocol says."""

    def __init__(self, message: str, status: int | None = None, code: str | None = None):
        super().__init__(message)
        self.status = status
        self.code = code  # the vendor's own word for it, where it has one


class CredentialsError(PermanentSourceError):
    """The credentials are missing, unusable or refused (401)."""


class MissingScopeError(PermanentSourceError):
    """403: the credentials are good and may not read this. `scope` names what to grant, as the vendor says it."""

    def __init__(self, scope: str, message: str, code: str | None = None):
        super().__init__(message, 403, code)
        self.scope = scope


class BudgetError(PermanentSourceError):
    """The day's requests, or our share of them, are used: nothing more may be asked until the vendor's day is over."""


@dataclass
class Meter:
    """What one object's read cost. Retries are the attempts beyond the first, of any cause."""

    requests: int = 0
    scan_requests: int = 0  # of them, those of the id scan
    retries: int = 0
    bytes: int = 0


class _BearerToken(AuthBase):
    """Adds the token to requests for one origin and to no other. `header`: where a vendor wants it bare."""

    def __init__(self, token: str, origin: tuple[str, str, int], header: str | None = None):
        self.__token = token
        self._origin = origin
        self._header = header
        self.renewals = 0

    def replace(self, token: str) -> None:
        """From now on this token: the one before has expired."""
        self.__token = token
        self.renewals += 1

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if _origin(request.url or "") == self._origin:
            request.headers[self._header or "Authorization"] = (
                self.__token if self._header else f"Bearer {self.__token}"
            )
        return request

    def scrub(self, text: str) -> str:
        return text.replace(self.__token, "<token>")

    def __repr__(self) -> str:
        return "<bearer token>"


class _NoToken(AuthBase):
    """For a source that is open to everyone: nothing is added, also not what a .netrc file has for the host."""

    renewals = 0

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request

    def scrub(self, text: str) -> str:
        return text


class SourceSession:
    """Reads JSON pages, or files, from one origin, and writes where it is told to. `token` None: open to everyone.

    Safe to use from several threads; each reads under its own `metered()`.
    """

    def __init__(
        self,
        base_url: str,
        token: str | None,
        *,
        token_name: str = "",
        token_header: str | None = None,
        watch: Callable[[Mapping[str, str]], None] | None = None,
        renew: Callable[[], str] | None = None,
        rate_per_second: float | None = None,
        search_per_second: float | None = None,
        search_paths: tuple[str, ...] = (),
        timeout_seconds: tuple[float, float] = (5.0, 60.0),
        attempts: int = 6,
        backoff_seconds: float = 0.5,
        max_bytes: int = 64 * 1024 * 1024,
    ):
        self.base_url = base_url.rstrip("/")
        self._origin = _checked_origin(self.base_url)
        self._auth: _BearerToken | _NoToken = _NoToken()
        if token is not None:
            self._auth = _BearerToken(_checked_token(token, token_name), self._origin, token_header)
        self.date: str | None = None  # the source's own clock, as its last answer told it
        self._watch = watch  # is shown the headers of every answer: vendors say there what is left of a budget
        self._renew = renew  # gives a new token when one expires in the middle of a read
        self._renewing = threading.Lock()
        self._token_name = token_name
        self._timeout = timeout_seconds
        self._backoff = backoff_seconds
        self._max_bytes = max_bytes
        self._local = threading.local()
        self._http = requests.Session()
        self._http.auth = self._auth
        self._http.headers.update({"Accept": "application/json", "User-Agent": USER_AGENT})
        self._http.trust_env = not _is_loopback(self._origin[1])  # a proxy would never reach a loopback server
        self._mount(attempts, rate_per_second, search_per_second, search_paths)

    def __repr__(self) -> str:
        return f"SourceSession({self.base_url!r})"

    def close(self) -> None:
        self._http.close()

    @contextmanager
    def metered(self) -> Iterator[Meter]:
        """Count what this thread asks for inside the block."""
        self._local.meter = Meter()
        try:
            yield self._local.meter
        finally:
            self._local.meter = None

    @contextmanager
    def scanning(self) -> Iterator[None]:
        """What is asked for inside the block is the id scan: counted with the rest, and apart."""
        meter = getattr(self._local, "meter", None) or Meter()
        before = meter.requests
        try:
            yield
        finally:
            meter.scan_requests += meter.requests - before

    def get(self, path: str, params: Mapping[str, str] | None = None, require: str | None = "results") -> Page:
        """The page at `path`; `require` names the list it must hold (None: any JSON object will do)."""
        return self._page("GET", path, require, params=params)

    def post(self, path: str, body: Mapping[str, Any], require: str | None = "results") -> Page:
        """POST as a read: the body is a query, so it is as repeatable as a GET."""
        return self._page("POST", path, require, json=body)

    def post_form(self, path: str, form: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Page:
        """POST fields of a form, for a token. The answer is any JSON object, also one that says why not (400, 401)."""
        return self._page("POST", path, None, data=dict(form), headers=dict(headers or {}), accepted=(200, 400, 401))

    def write(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """PATCH, DELETE or POST that changes the vendor's record; what it answers, {} where that is nothing.

        Sent again like a read: give a session with `attempts` 1 to what must not happen twice.
        """
        label = f"{method} {path}"
        try:
            _, content = self._send(method, path, label, (200, 201, 204), json=body)
            return Page.checked(content, None).content if content else {}
        except BrokenPage as error:
            raise TransientSourceError(f"{label}: {error}; it may have been done") from None

    def download(self, path: str, read: Callable[[bytes], T], since: str | None = None) -> Download[T] | None:
        """The file at `path` as `read` takes it; None when it did not change `since` the stamp that it bore last.

        `read` raises BrokenPage for a body that is not the whole file: it is then asked for again.
        """
        label, headers = f"GET {path}", {"Accept": "*/*"} | ({"If-Modified-Since": since} if since else {})
        accepted = (200, 304) if since else (200,)

        def ask() -> Download[T] | None:
            answer, body = self._send("GET", path, label, accepted, headers=headers)
            if answer.status_code == 304:
                return None
            return Download(read(body), answer.headers.get("Last-Modified"), answer.headers)

        return self._whole(label, ask)

    def scrub(self, text: str) -> str:
        """The text without the token."""
        return self._auth.scrub(text)

    def check_link(self, link: str) -> None:
        """Refuse a `next` link to another host: following it would hand our reading to whoever answers there."""
        if _origin(link) != self._origin:
            raise PermanentSourceError(f"`next` link points to another host: {urlsplit(link).netloc or '<none>'!r}")

    def _mount(
        self, attempts: int, rate: float | None, search_rate: float | None, search_paths: tuple[str, ...]
    ) -> None:
        pool: dict[str, Any] = {"pool_connections": 2, "pool_maxsize": 8}
        root = "{}://{}".format(*urlsplit(self.base_url)[:2])
        general = _Paced(None, per_second=rate, **pool) if rate else HTTPAdapter(**pool)
        self._http.adapters.clear()  # nothing is mounted for other hosts: requests itself refuses them
        self._http.mount(root, general)
        general.max_retries = self._retry(attempts, general)
        if search_rate:
            search = _Paced(general, per_second=search_rate, **pool)
            search.max_retries = self._retry(attempts, search)
            for path in search_paths:
                self._http.mount(self.base_url + path, search)

    def _retry(self, attempts: int, adapter: HTTPAdapter) -> Retry:
        count, scrub = self._count_retry, self._auth.scrub

        class CountedRetry(Retry):
            """urllib3's own, which also counts, and gives up at once where waiting cannot help tonight."""

            def increment(self, method=None, url=None, response=None, error=None, _pool=None, _stacktrace=None):
                if response is not None:
                    _stop_when_waiting_is_useless(self, response, scrub)
                bumped = super().increment(method, url, response, error, _pool, _stacktrace)
                count()
                return bumped

            def get_retry_after(self, response):
                try:
                    return super().get_retry_after(response) or _seconds_to_reset(response)
                except urllib3.exceptions.InvalidHeader:
                    return None  # "soon": our own backoff then decides

            def get_backoff_time(self):
                """Also before the first repetition, which urllib3 would send at once."""
                least = UNSAID_WAITS.get(self.history[-1].status or 0, 0) if self.history else 0
                wait = max(2.0 ** (len(self.history) - 1), least) + random()
                return min(self.backoff_max, self.backoff_factor * wait)

            def sleep(self, response=None):
                super().sleep(response)
                if isinstance(adapter, _Paced):
                    adapter.take_turn()

        return CountedRetry(
            total=attempts - 1,
            redirect=0,
            status_forcelist=RETRIED_STATUSES,
            allowed_methods=None,
            backoff_factor=self._backoff,
            backoff_max=60,
            respect_retry_after_header=True,
            raise_on_status=False,
            raise_on_redirect=False,
        )

    def _count_retry(self) -> None:
        if (meter := getattr(self._local, "meter", None)) is not None:
            meter.retries += 1
            meter.requests += 1

    def _page(self, method: str, path: str, require: str | None, **arguments: Any) -> Page:
        label = f"{method} {path}"
        return self._whole(label, lambda: Page.checked(self._send(method, path, label, **arguments)[1], require))

    def _whole(self, label: str, ask: Callable[[], T]) -> T:
        """What `ask` gives, asked for again while it comes back broken."""
        reason = ""
        for attempt in range(PAGE_ATTEMPTS):
            if attempt:
                self.pause(attempt)
            try:
                return ask()
            except BrokenPage as error:
                reason = str(error)
        raise PermanentSourceError(f"{label}: {reason} ({PAGE_ATTEMPTS} attempts)")

    def pause(self, attempt: int) -> None:
        """Wait before a page is asked for again (`attempt` from 1 on), and count that."""
        if (meter := getattr(self._local, "meter", None)) is not None:
            meter.retries += 1
        time.sleep(self._backoff * (2 ** (attempt - 1) + random()))

    def _send(
        self, method: str, path: str, label: str, accepted: tuple[int, ...] = (200, 207), **arguments: Any
    ) -> tuple[requests.Response, bytes]:
        for _ in range(RENEWALS + 1):  # several, as another thread's session may have been ended in between
            renewals = self._auth.renewals
            answer, body = self._exchange(method, path, label, **arguments)
            if answer.status_code != 401 or not self._renewed(renewals):
                break
        if answer.status_code not in accepted:
            self._refuse(answer, body, label)
        return answer, body

    def _renewed(self, seen: int) -> bool:
        """Whether there is a newer token than the one that was refused; one thread gets it for all."""
        if self._renew is None or not isinstance(self._auth, _BearerToken):
            return False
        with self._renewing:
            if self._auth.renewals == seen:
                self._auth.replace(_checked_token(self._renew(), self._token_name))
        return True

    def _exchange(self, method: str, path: str, label: str, **arguments: Any) -> tuple[requests.Response, bytes]:
        url = self.base_url + path
        if not path.startswith("/") or _origin(url) != self._origin:  # as of a vendor that answers `@elsewhere/`
            raise PermanentSourceError(f"{method}: a path that leads to another host was refused")
        meter = getattr(self._local, "meter", None) or Meter()
        meter.requests += 1
        try:
            answer = self._http.request(
                method, url, timeout=self._timeout, allow_redirects=False, stream=True, **arguments
            )
        except requests.Timeout:
            raise SlowSourceError(f"{label}: no answer within {self._timeout[1]:g} s") from None
        except requests.RequestException as error:
            if "ReadTimeoutError" in _short(error):
                raise SlowSourceError(f"{label}: no answer within {self._timeout[1]:g} s") from None
            raise TransientSourceError(f"{label}: {self._auth.scrub(_short(error))}") from None
        try:
            body = answer.raw.read(self._max_bytes + 1, decode_content=True)
        except urllib3.exceptions.HTTPError as error:
            raise BrokenPage(f"answer broke off ({type(error).__name__})") from None
        finally:
            answer.close()
        self.date = answer.headers.get("Date")
        if self._watch is not None:
            self._watch(answer.headers)
        meter.bytes += len(body)
        if len(body) > self._max_bytes:
            raise PermanentSourceError(f"{label}: answer larger than {self._max_bytes} bytes")
        return answer, body

    def _refuse(self, answer: requests.Response, body: bytes, label: str) -> None:
        status = answer.status_code
        details = _error_details(body)
        message = self._auth.scrub(str(details.get("message") or details.get("error") or answer.reason or ""))[:300]
        if status == 401 and self._token_name:
            raise CredentialsError(f"{label}: {self._token_name} was refused (401): {message}", status)
        code = str(details["errorCode"]) if details.get("errorCode") else None
        if status == 403 and self._token_name:
            scope = ", ".join(_scopes(details)) or "unknown"
            why = f"{code}: {message}" if code else f"scope needed: {scope}"
            raise MissingScopeError(scope, f"{label}: not permitted (403), {why}", code)
        if status in RETRIED_STATUSES:
            raise TransientSourceError(f"{label}: HTTP {status} after bounded retries: {message}")
        if 300 <= status < 400:
            raise PermanentSourceError(f"{label}: redirect (HTTP {status}) refused", status)
        raise PermanentSourceError(f"{label}: HTTP {status}: {f'{code}: ' if code else ''}{message}", status, code)


class _Paced(LimiterAdapter):
    """Every attempt waits for its turn, repeated ones too. Searches have their own bucket and count in `general`."""

    def __init__(self, general: HTTPAdapter | None, **arguments: Any):
        super().__init__(limit_statuses=(), **arguments)
        self._general = general

    def take_turn(self) -> None:
        if isinstance(self._general, _Paced):
            self._general.take_turn()
        self.limiter.try_acquire("vendor", blocking=True)  # last, as the vendor counts searches by the second

    def send(self, request: requests.PreparedRequest, *positional: Any, **arguments: Any) -> requests.Response:
        self.take_turn()
        return HTTPAdapter.send(self, request, *positional, **arguments)


class BrokenPage(Exception):
    """An answer with status 200 that is not a whole page, or not a whole file."""


@dataclass(frozen=True)
class Download(Generic[T]):
    """What a file held, and the stamp that it bore."""

    content: T
    last_modified: str | None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """A page that was parsed whole: the bytes as received, and what they hold."""

    body: bytes
    content: dict[str, Any]

    @classmethod
    def checked(cls, body: bytes, require: str | None) -> Page:
        try:
            content = orjson.loads(body)
        except orjson.JSONDecodeError:
            what = "HTML" if body.lstrip()[:1] == b"<" else "truncated or malformed JSON"
            raise BrokenPage(f"{what} instead of a page") from None
        if not isinstance(content, dict):
            raise BrokenPage("JSON that is not an object")
        if require is not None and not isinstance(content.get(require), list):
            raise BrokenPage(f"no `{require}` list")
        return cls(body, content)


def _stop_when_waiting_is_useless(retry: Retry, response: Any, scrub: Any) -> None:
    if response.status == 429:
        details = _error_details(response.read(65536, decode_content=True))
        is_empty = any(response.headers.get(name) == "0" for name in DAILY_BUDGETS)
        if is_empty or str(details.get("policyName", "")).upper() == "DAILY":
            message = scrub(str(details.get("message") or details.get("error") or ""))[:200]
            raise BudgetError(f"daily request limit used up (429): {message}", 429)
    wait = retry.get_retry_after(response)
    if wait is not None and wait > LONGEST_WAIT_SECONDS:
        raise TransientSourceError(f"HTTP {response.status}: asked to wait {wait:.0f} s, longer than we do")


def _seconds_to_reset(response: Any) -> float | None:
    """Where a vendor says with a refusal when its window ends, in seconds, instead of Retry-After."""
    given = str(response.headers.get("X-RateLimit-Reset", ""))
    is_meant = response.status == 429 and given.isdigit() and int(given) <= LONGEST_WAIT_SECONDS
    return float(given) if is_meant else None


def _error_details(body: bytes) -> dict[str, Any]:
    try:
        details = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    if isinstance(details, list) and details:  # several errors, or one in a list: the first is what to say
        details = details[0]
    return details if isinstance(details, dict) else {}


def _scopes(details: dict[str, Any]) -> list[str]:
    """The scopes a refusal names, in either of the two spellings seen."""
    contexts = [details.get("context")] + [e.get("context") for e in details.get("errors") or [] if isinstance(e, dict)]
    names: list[str] = []
    for context in contexts:
        for key in ("requiredGranularScopes", "requiredScopes"):
            names += [str(name) for name in (context or {}).get(key) or [] if str(name) not in names]
    return names


def _short(error: Exception) -> str:
    cause = getattr(error.args[0], "reason", None) if error.args else None
    return f"{type(error).__name__} ({type(cause).__name__})" if cause is not None else type(error).__name__


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return parts.scheme.lower(), (parts.hostname or "").lower(), port


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _checked_origin(base_url: str) -> tuple[str, str, int]:
    scheme, host, port = _origin(base_url)
    if not host or scheme not in ("http", "https"):
        raise PermanentSourceError(f"base_url {base_url!r} is not an http(s) address")
    if "@" in urlsplit(base_url).netloc:
        raise PermanentSourceError("base_url must not hold credentials")
    if scheme == "http" and not _is_loopback(host):
        raise PermanentSourceError(f"base_url {base_url!r}: plain http is only for a loopback host; use https")
    return scheme, host, port


def _checked_token(token: str, name: str) -> str:
    if not token:
        raise CredentialsError(f"{name} is not set")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise CredentialsError(f"{name} holds a character that no token has (a space, a line break?)")
    return token
