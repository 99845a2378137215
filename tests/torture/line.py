"""The line between a reader and a vendor: time that passes without waiting, answers that never come, a log of attempts.

Each thread has a clock of its own, which its waits and its requests move; together they say what a vendor would have
seen, second by second. Only waiting is simulated: requests go over real sockets to the practice servers.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import Any
from unittest import mock

import pyrate_limiter
import urllib3
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import NewConnectionError, ReadTimeoutError

from ingestion import salesforce_client, session

LATENCY = 0.1  # seconds from a request to its answer
TIMEOUT = 60.0  # what a reader waits for an answer that does not come


@dataclass(frozen=True)
class Attempt:
    """One request as it left. `status` None: no answer came; `asked_to_wait`: when to return, as the answer says."""

    at: float
    thread: int
    key: tuple[str, str, bytes]
    status: int | None
    asked_to_wait: float | None = None


@dataclass
class Line:
    """`lost`: percent of the attempts whose answer does not come; a third of them never arrive at all."""

    lost: float = 0.0
    seed: int = 0
    attempts: list[Attempt] = field(default_factory=list)
    _begin: float = 0.0
    _main: int = field(default_factory=threading.get_ident)
    _local: threading.local = field(default_factory=threading.local)
    _lock: Any = field(default_factory=threading.Lock)
    _asked: Counter[tuple[str, str, bytes]] = field(default_factory=Counter)
    _taken: dict[int, list[float]] = field(default_factory=dict)

    @property
    def now(self) -> float:
        """This thread's clock; a new thread's is that of the one which began the night."""
        return float(getattr(self._local, "now", self._begin))

    def sleep(self, seconds: float) -> None:
        """Let time pass on this thread's clock."""
        self._local.now = self.now + max(0.0, seconds)
        if threading.get_ident() == self._main:
            self._begin = self._local.now

    @contextmanager
    def held(self) -> Iterator[Line]:
        """Everything that readers send goes over this line."""
        clock = _Clock(self)
        line, send = self, HTTPConnectionPool._make_request

        def over_the_line(pool: Any, connection: Any, method: str, url: str, body: Any = None, **more: Any) -> Any:
            return line.carry(send, pool, connection, method, url, body, **more)

        def in_turn(limiter: Any, *_: object, **__: object) -> bool:
            line.wait_for_turn(limiter)
            return True

        with ExitStack() as patches:
            for module in (session, salesforce_client, urllib3.util.retry):
                patches.enter_context(mock.patch.object(module, "time", clock))
            patches.enter_context(mock.patch.object(HTTPConnectionPool, "_make_request", over_the_line))
            patches.enter_context(mock.patch.object(pyrate_limiter.Limiter, "try_acquire", in_turn))
            yield self

    def carry(self, send: Any, pool: Any, connection: Any, method: str, url: str, body: Any, **more: Any) -> Any:
        """One attempt, noted; its answer may not come."""
        key = (method, url, body if isinstance(body, bytes) else str(body or "").encode())
        at = self.now
        with self._lock:
            self._asked[key] += 1
            draw = Random(f"{self.seed}:{key}:{self._asked[key]}")
        if draw.random() * 100 < self.lost:
            kind = draw.randrange(3)
            self._note(at, key, None)
            if kind == 0:
                self.sleep(LATENCY)
                raise NewConnectionError(connection, "refused")
            if kind == 1:  # it arrived, and its answer went astray
                send(pool, connection, method, url, body=body, **more).close()
                connection.close()
            self.sleep(TIMEOUT)
            raise ReadTimeoutError(pool, url, "Read timed out.")
        try:
            answer = send(pool, connection, method, url, body=body, **more)
        except Exception:
            self._note(at, key, None)
            raise
        finally:
            self.sleep(LATENCY)
        wait = answer.headers.get("Retry-After")
        self._note(at, key, answer.status, float(wait) if wait else None)
        return answer

    def _note(self, at: float, key: tuple[str, str, bytes], status: int | None, wait: float | None = None) -> None:
        with self._lock:
            self.attempts.append(Attempt(at, threading.get_ident(), key, status, wait))

    def wait_for_turn(self, limiter: Any) -> None:
        """A limiter in this line's time: no window as long as its interval holds more than it allows."""
        for rate in limiter.bucket_factory.rates:
            span = rate.interval / 1000
            with self._lock:
                taken, at = self._taken.setdefault(id(limiter), []), self.now
                while bisect_right(taken, at + span) - bisect_left(taken, at - span) >= rate.limit:
                    at += span / 20
                insort(taken, at)
            self.sleep(at - self.now)

    def begin(self) -> None:
        """A night: what came before is over, and its limiters with it."""
        self._taken.clear()
        last = max((attempt.at for attempt in self.attempts), default=0.0)
        self._local.now = self._begin = max(last, self.now) + 3_600

    # what the vendor saw

    def most_within(self, seconds: float, part: str = "") -> int:
        """The most attempts within so many seconds, of those whose address holds `part`."""
        instants = sorted(attempt.at for attempt in self.attempts if part in attempt.key[1])
        return max((bisect_left(instants, at + seconds) - place for place, at in enumerate(instants)), default=0)

    def most_in_a_row(self) -> int:
        """How often one thread asked for the same thing without asking for another."""
        worst, last, row = 0, {}, Counter[int]()
        for attempt in sorted(self.attempts, key=lambda attempt: attempt.at):
            row[attempt.thread] = row[attempt.thread] + 1 if last.get(attempt.thread) == attempt.key else 1
            last[attempt.thread] = attempt.key
            worst = max(worst, row[attempt.thread])
        return worst

    def impatient(self) -> list[tuple[Attempt, Attempt]]:
        """Answers that said when to return, and the attempt that came too early all the same."""
        return [
            (first, second)
            for first, second in self._neighbours()
            if first.asked_to_wait and first.key == second.key and second.at < first.at + first.asked_to_wait
        ]

    def hurried(self, least: float) -> list[tuple[Attempt, Attempt]]:
        """Attempts that followed a failed one of the same thing within less than `least` seconds of its answer."""
        failed = (None, 429, 423, 477, 500, 502, 503, 504, *range(520, 531))
        return [
            (first, second)
            for first, second in self._neighbours()
            if first.status in failed and first.key == second.key and second.at < first.at + LATENCY + least
        ]

    def _neighbours(self) -> list[tuple[Attempt, Attempt]]:
        by_thread: dict[int, list[Attempt]] = {}
        for attempt in sorted(self.attempts, key=lambda attempt: attempt.at):
            by_thread.setdefault(attempt.thread, []).append(attempt)
        return [pair for row in by_thread.values() for pair in pairwise(row)]


class _Clock:
    """The module `time`, of which waiting and reading the clock are the line's."""

    def __init__(self, line: Line) -> None:
        self.sleep = line.sleep
        self.monotonic = lambda: line.now

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)
