"""Work in forked children: what is imported already costs nothing there, and what dies there is only a try."""

from __future__ import annotations

import os
import pickle
import signal
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WORKERS = 2


@dataclass(frozen=True)
class Ended:
    """How a child ended: its value, the error that it raised, or the signal that took it."""

    value: Any = None
    error: str = ""
    signal: int = 0

    def or_raise(self) -> Any:
        if self.error or self.signal:
            raise RuntimeError(self.error or f"a child died by {signal.Signals(self.signal).name}")
        return self.value


class Child:
    """A child that is at work; `kill` may come at any moment."""

    def __init__(self, act: Callable[[], Any]):
        self.reader, writer = os.pipe()
        self.pid = os.fork()
        if self.pid:
            os.close(writer)
            return
        os.close(self.reader)
        try:
            ended = Ended(act())
        except BaseException as error:  # noqa: BLE001 told to the parent
            ended = Ended(error="".join(traceback.format_exception(error))[-3000:])
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(pickle.dumps(ended))
        os._exit(0)

    def processor_seconds(self) -> float | None:
        """Of all its threads; None when it has ended."""
        state, *fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return None if state == "Z" else (int(fields[10]) + int(fields[11])) / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> Ended:
        with os.fdopen(self.reader, "rb") as pipe:
            told = pipe.read()
        _, status = os.waitpid(self.pid, 0)
        if os.WIFSIGNALED(status):
            return Ended(signal=os.WTERMSIG(status))
        return pickle.loads(told) if told else Ended(error="a child ended without a word")


def in_child(act: Callable[[], Any], kill_after: float | None = None) -> Ended:
    """`kill_after`: seconds of processor time, which a busy machine does not stretch."""
    child = Child(act)
    if kill_after is not None:
        while (used := child.processor_seconds()) is not None and used < kill_after:
            time.sleep(0.003)
        child.kill()
    return child.wait()


def in_parallel(act: Callable[[int, Any], Any], tasks: Iterable[Any]) -> list[Any]:
    """`act(worker, task)` for every task, shared among a few children; results in the order of the tasks."""
    listed = list(tasks)

    def work(worker: int) -> list[Any]:
        return [act(worker, task) for task in listed[worker::WORKERS]]

    children = [Child(lambda worker=worker: work(worker)) for worker in range(WORKERS)]
    done: Sequence[list[Any]] = [child.wait().or_raise() for child in children]
    return [done[place % WORKERS][place // WORKERS] for place in range(len(listed))]
