"""How a Salesforce org is asked: signing in, queries page by page, bulk query jobs, the share of its daily requests.

Knows no warehouse. A session that expires in the middle of a query is renewed and the same page asked for again.
"""

from __future__ import annotations

import base64
import hashlib
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import orjson

from ingestion.session import (
    PAGE_ATTEMPTS,
    BrokenPage,
    BudgetError,
    CredentialsError,
    MissingScopeError,
    Page,
    PermanentSourceError,
    SourceSession,
    TransientSourceError,
)

LONGEST_URI = 15_000  # bytes; the vendor refuses 16,384 with the headers
BULK_PAGE = 50_000
JOB_SECONDS = 3_600.0  # a query job that is not done by then is reported
JWT_SECONDS = 180
CLIENT_ID, CLIENT_SECRET = "SALESFORCE_CLIENT_ID", "SALESFORCE_CLIENT_SECRET"
PRIVATE_KEY = "SALESFORCE_PRIVATE_KEY_FILE"
_SHA256_PREFIX = bytes.fromhex("3031300d060960864801650304020105000420")

T = TypeVar("T")


class JobFailedError(PermanentSourceError):
    """A bulk query job ended without a result."""


@dataclass(frozen=True)
class Login:
    """Who asks. With `private_key` (PEM) and `username` by a signed assertion, else by the secret."""

    client_id: str
    client_secret: str = field(default="", repr=False)
    private_key: str = field(default="", repr=False)
    username: str = ""
    audience: str = "https://login.salesforce.com"

    @classmethod
    def of(cls, held: Login | str) -> Login:
        """As it was made, or out of `key:secret`, as the practice company hands it over."""
        return held if isinstance(held, Login) else cls(*held.split(":", 1))

    def form(self, now: float) -> dict[str, str]:
        """What the token endpoint is sent."""
        if self.private_key:
            claims = {"iss": self.client_id, "sub": self.username, "aud": self.audience, "exp": int(now) + JWT_SECONDS}
            grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
            return {"grant_type": grant, "assertion": signed_jwt(claims, self.private_key)}
        return {"grant_type": "client_credentials"}

    def headers(self) -> dict[str, str]:
        if self.private_key:
            return {}
        pair = base64.b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}

    def scrub(self, text: str) -> str:
        packed = self.headers().get("Authorization", "").removeprefix("Basic ")  # as an org may echo it
        for secret in filter(None, (self.client_secret, packed)):
            text = text.replace(secret, "<secret>")
        return text


class Budget:
    """What every answer says of the org's day. `share` of it may be used, whoever used it."""

    def __init__(self, share: float):
        self.share, self.used, self.most, self.under_way = share, 0, 0, 0
        self._lock = threading.Lock()

    def watch(self, headers: Mapping[str, str]) -> None:
        if found := re.search(r"api-usage=(\d+)/(\d+)", headers.get("Sforce-Limit-Info", "")):
            with self._lock:  # answers of several threads arrive in any order
                self.used, self.most = max(self.used, int(found[1])), int(found[2])

    @contextmanager
    def spent(self) -> Iterator[None]:
        """One request: counted while it is under way, as other threads ask at the same time. May raise BudgetError."""
        with self._lock:
            self._check()
            self.under_way += 1
        try:
            yield
        finally:
            with self._lock:
                self.under_way -= 1

    def _check(self) -> None:
        if self.most and self.used + self.under_way + 1 > self.share * self.most:
            raise BudgetError(
                f"{self.used} of the org's {self.most} requests of 24 hours are used, more than the share of "
                f"{self.share:.0%} that sources.salesforce.daily_share allows: not asked further"
            )


class OrgClient:
    """One org. Safe to use from several threads."""

    def __init__(
        self, base_url: str, login: Login, version: str, share: float, poll_seconds: float = 2.0, **options: Any
    ):
        self.login, self.poll_seconds, self.base_url = login, poll_seconds, base_url.rstrip("/")
        self.budget = Budget(share)
        self.prefix = f"/services/data/v{version}"
        self._options = options
        self.date: str | None = None  # the org's own clock, as its sign-in told it
        self._session: SourceSession | None = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"OrgClient({self.base_url!r})"

    @property
    def session(self) -> SourceSession:
        """Signed in. Raises CredentialsError."""
        with self._lock:
            if self._session is None:
                self._session = SourceSession(
                    self.base_url, self._token(), token_name="the Salesforce session", watch=self.budget.watch,
                    renew=self._token, **self._options,
                )  # fmt: skip
            return self._session

    def close(self) -> None:
        if self._session is not None:
            self._session.close()

    def scrub(self, text: str) -> str:
        return self.login.scrub(self._session.scrub(text) if self._session else text)

    def _token(self) -> str:
        name = PRIVATE_KEY if self.login.private_key else CLIENT_SECRET
        session = SourceSession(self.base_url, None, **self._options)
        try:
            path = "/services/oauth2/token"
            answer = session.post_form(path, self.login.form(time.time()), self.login.headers()).content
            self.date = session.date
        finally:
            session.close()
        if not answer.get("access_token"):
            said = f"{answer.get('error', 'no token')}: {answer.get('error_description', '')}"
            raise CredentialsError(self.login.scrub(f"{CLIENT_ID} with {name} was refused: {said}"))
        lives_at = str(answer.get("instance_url") or self.base_url)
        if (urlsplit(lives_at).scheme, urlsplit(lives_at).netloc) != (
            urlsplit(self.base_url).scheme,
            urlsplit(self.base_url).netloc,
        ):
            raise CredentialsError(f"the org lives at {lives_at}: write that as sources.salesforce.base_url")
        return str(answer["access_token"])

    def _ask(self, ask: Callable[[SourceSession], T]) -> T:
        """The answer, within the budget; asked again while too many ask at once."""
        session = self.session
        for attempt in range(1, PAGE_ATTEMPTS + 1):
            try:
                with self.budget.spent():
                    return ask(session)
            except MissingScopeError as error:
                if error.code != "REQUEST_LIMIT_EXCEEDED":
                    raise
                if "concurrent" not in str(error).lower():
                    raise BudgetError(f"the org's daily requests are used up: {error}", 403, error.code) from None
                if attempt == PAGE_ATTEMPTS:
                    raise TransientSourceError(str(error)) from None
                session.pause(attempt)
        raise AssertionError

    def get(self, path: str, params: Mapping[str, str] | None = None, require: str | None = None) -> Page:
        return self._ask(lambda session: session.get(path, params, require))

    def write(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Change the org below its `prefix`: sent again while the record is locked by another transaction."""
        for attempt in range(1, PAGE_ATTEMPTS + 1):
            try:
                return self._ask(lambda session: session.write(method, self.prefix + path, body))
            except PermanentSourceError as error:
                if error.code != "UNABLE_TO_LOCK_ROW":
                    raise
                if attempt == PAGE_ATTEMPTS:
                    raise TransientSourceError(str(error)) from None
                self.session.pause(attempt)
        raise AssertionError

    def describe(self, sobjects: list[str]) -> dict[str, dict[str, Any] | None]:
        """Each object's description, 25 in a request; None for an object that the org lacks or hides."""
        found: dict[str, dict[str, Any] | None] = {}
        for start in range(0, len(sobjects), 25):
            some = sobjects[start : start + 25]
            asked = [{"method": "GET", "url": f"{self.prefix}/sobjects/{name}/describe"} for name in some]
            body = {"haltOnError": False, "batchRequests": asked}
            path = f"{self.prefix}/composite/batch"
            page = self._ask(partial(SourceSession.post, path=path, body=body, require="results"))
            for name, row in zip(some, page.content["results"], strict=True):
                found[name] = row["result"] if row["statusCode"] == 200 else None
        return found

    def is_too_long(self, soql: str) -> bool:
        return len(f"{self.prefix}/queryAll?{urlencode({'q': soql})}") > LONGEST_URI

    def query(self, soql: str, *, deleted: bool = True) -> Iterator[Page]:
        """Pages until the org says that it is done; deleted and archived records too, unless told otherwise."""
        path, params = f"{self.prefix}/{'queryAll' if deleted else 'query'}", {"q": soql}
        seen: set[str] = set()
        page = self._filled(path, params)
        while True:
            yield page
            if page.content.get("done") is not False:
                return
            following = str(page.content.get("nextRecordsUrl") or "")
            if not following.startswith(f"{self.prefix}/query") or following in seen:
                what = "sent twice" if following in seen else "not one of this org's"
                raise PermanentSourceError(f"GET {path}: next page {following[:80]!r} is {what}")
            seen.add(following)
            page = self._filled(following, None)

    def _filled(self, path: str, params: Mapping[str, str] | None) -> Page:
        """The page, asked for again while it is empty and says that more follows: its rows would be lost in silence."""
        for attempt in range(1, PAGE_ATTEMPTS + 1):
            page = self.get(path, params, "records")
            if page.content["records"] or page.content.get("done") is not False:
                return page
            if attempt < PAGE_ATTEMPTS:
                self.session.pause(attempt)
        raise TransientSourceError(f"GET {path}: an empty page with more behind it, {PAGE_ATTEMPTS} times")

    def bulk(self, soql: str, *, deleted: bool = True) -> Iterator[tuple[bytes, int]]:
        """CSV pages with their number of rows, out of a query job."""
        path = f"{self.prefix}/jobs/query"
        body = {"operation": "queryAll" if deleted else "query", "query": soql, "contentType": "CSV"}
        body |= {"columnDelimiter": "COMMA", "lineEnding": "LF"}
        job = f"{path}/{self._ask(lambda session: session.post(path, body, None)).content['id']}"
        self._wait(job)
        locator = None
        while locator != "null":
            given = f"&locator={quote(locator)}" if locator else ""
            address = f"{job}/results?maxRecords={BULK_PAGE}{given}"
            page = self._ask(partial(SourceSession.download, path=address, read=_whole_csv))
            assert page is not None
            count = int(page.headers.get("Sforce-NumberOfRecords", "-1"))
            if page.content.count(b"\n") < count + 1:
                raise TransientSourceError(f"GET {job}/results: fewer lines than the {count} rows that were counted")
            yield page.content, count
            following = page.headers.get("Sforce-Locator", "null")
            if following == locator:
                raise PermanentSourceError(f"GET {job}/results: locator {following!r} sent twice")
            locator = following

    def _wait(self, job: str) -> None:
        started, pause = time.monotonic(), self.poll_seconds
        while True:
            state = self.get(job).content
            if state.get("state") == "JobComplete":
                return
            if state.get("state") in ("Failed", "Aborted"):
                raise JobFailedError(f"query job {state['state']}: {state.get('errorMessage', 'no reason given')}")
            if time.monotonic() - started > JOB_SECONDS:
                raise TransientSourceError(f"query job still {state.get('state')} after {JOB_SECONDS:.0f} s")
            time.sleep(pause)
            pause = min(pause * 1.5, 30.0)


def _whole_csv(body: bytes) -> bytes:
    if body.lstrip()[:1] == b"<":
        raise BrokenPage("HTML instead of rows")
    if not body.endswith(b"\n"):
        raise BrokenPage("rows that break off")
    return body


def signed_jwt(claims: Mapping[str, Any], pem: str) -> str:
    """The claims, signed RS256. CredentialsError for a key that is no RSA key in PEM."""
    head = _base64(orjson.dumps({"alg": "RS256", "typ": "JWT"}))
    text = f"{head}.{_base64(orjson.dumps(dict(claims)))}"
    modulus, exponent = _private_numbers(pem)
    size = (modulus.bit_length() + 7) // 8
    digest = _SHA256_PREFIX + hashlib.sha256(text.encode()).digest()
    padded = b"\x00\x01" + b"\xff" * (size - len(digest) - 3) + b"\x00" + digest
    signature = pow(int.from_bytes(padded), exponent, modulus).to_bytes(size)
    return f"{text}.{_base64(signature)}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _private_numbers(pem: str) -> tuple[int, int]:
    """(modulus, private exponent) of a PKCS#1 or PKCS#8 key."""
    found = re.search(r"-----BEGIN (RSA )?PRIVATE KEY-----(.+?)-----END", pem, re.DOTALL)
    try:
        assert found is not None
        parts = _der(_der(base64.b64decode("".join(found[2].split())))[0])
        if not found[1]:  # PKCS#8 wraps the key with the name of its algorithm
            parts = _der(_der(parts[2])[0])
        return int.from_bytes(parts[1]), int.from_bytes(parts[3])
    except (AssertionError, ValueError, IndexError):
        raise CredentialsError(f"{PRIVATE_KEY}: not an unencrypted RSA key in PEM") from None


def _der(data: bytes) -> list[bytes]:
    """The contents of each element in a row of them."""
    parts, at = [], 0
    while at < len(data):
        size, start = data[at + 1], at + 2
        if size & 0x80:
            start += size & 0x7F
            size = int.from_bytes(data[at + 2 : start])
        parts.append(data[start : start + size])
        at = start + size
    return parts
