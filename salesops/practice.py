"""The practice company as a child process: started for a night, asked to live on, stopped with its parent.

Talks to `python -m sandbox` only: the product never imports the sandbox.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from pathlib import Path

from salesops.config import ConfigError, Practice, without_secrets

# what the practice company's sales ops would write into salesops.toml
STAGE_PHASES = {
    "Sales": {
        "Discovery": "early",
        "Qualified": "qualified",
        "Solution fit": "qualified",
        "Proposal": "proposal",
        "Negotiation": "negotiation",
    },
    "Partner/Expansion": {"Identified": "early", "Scoped": "qualified", "Quoted": "proposal"},
}
START_SECONDS = 180  # the large company takes most of a minute to live its two years
MORNING = timedelta(hours=3, minutes=15)  # the night runs at this local time after the last day that was lived


@dataclass(frozen=True)
class RunningPractice:
    """A server that answers. `now` is where the company's own time stands."""

    url: str
    token: str
    rates_url: str
    registry_urls: tuple[str, str]  # Norway's, Finland's
    now: datetime
    accounts: dict[str, tuple[str, str]] = field(default_factory=dict)  # CRM -> (address, token); the first is `url`


@contextmanager
def running(
    state: Path,
    practice: Practice,
    today: date,
    faults: Sequence[str] = (),
    since: datetime | None = None,
    drop: Path | None = None,
) -> Iterator[RunningPractice]:
    """The practice company, caught up to `today` (local date), serving until the block ends, its sheets in `drop`.

    What `faults` do to its records happens at `since`: a night that has read further than the lived days would never
    look for it."""
    state.mkdir(parents=True, exist_ok=True)
    options = ["--size", practice.size, "--seed", str(practice.seed), "--end", today.isoformat(), "--port", "0"]
    if since is not None:
        options += ["--since", since.isoformat()]
    for crm in practice.crms:
        options += ["--crm", crm]
    for fault in faults:
        options += ["--fault", fault]
    if drop is not None:
        options += ["--drop", str(drop)]
    command = [*_sandbox("serve", state), *options, "--parent-pid", str(os.getpid())]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=_root(), env=without_secrets())
    try:
        yield _wait_until_ready(process)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()


def lived_until(state: Path, zone: tzinfo) -> datetime | None:
    """The morning after the last day that the company lived, or None when there is no company."""
    path = state / "world.json"
    if not path.exists():
        return None
    end = date.fromisoformat(json.loads(path.read_text())["end"])
    return datetime.combine(end, time(), zone).astimezone(UTC) + MORNING


def tick(state: Path, days: int = 1, since: datetime | None = None) -> None:
    """Let the company live `days` more, nothing of them before `since`. ConfigError when there is no company yet."""
    if not (state / "world.json").exists():
        raise ConfigError(f"no practice company in {state}: run `salesops nightly` first")
    _run(_sandbox("tick", state) + ["--days", str(days)] + (["--since", since.isoformat()] if since else []))


def _sandbox(command: str, state: Path) -> list[str]:
    return [sys.executable, "-m", "sandbox", command, "--state", str(state)]


def _root() -> Path:
    return Path(__file__).resolve().parent.parent


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, cwd=_root(), env=without_secrets())
    if done.returncode:
        raise ConfigError(f"the practice company refused: {done.stderr.strip()[-800:]}")


def _wait_until_ready(process: subprocess.Popen[str]) -> RunningPractice:
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], START_SECONDS)
    line = process.stdout.readline() if ready else ""
    if not line:
        raise ConfigError("the practice company did not start; its own message is above")
    answer = json.loads(line)
    now = datetime.fromisoformat(answer["now"])
    now = now if now.tzinfo else now.replace(tzinfo=UTC)
    accounts = {crm: (account["url"], account["token"]) for crm, account in answer["accounts"].items()}
    registry_urls = (answer["norway_url"], answer["finland_url"])
    return RunningPractice(answer["url"], answer["token"], answer["rates_url"], registry_urls, now, accounts)
