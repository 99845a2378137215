"""`python -m sandbox serve|tick|truth --state DIR`: the practice company on the command line.

`serve` prints one JSON line when it is ready and ends with its parent or on SIGTERM.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sandbox import sheets, truth
from sandbox.faults import DATA_FAULTS, parse
from sandbox.registers import Registers
from sandbox.servers import exchange_rates, hubspot, pipedrive, registries, salesforce
from sandbox.store import iso
from sandbox.world import LIVED_DAYS, SIZES, World, load

ZONE = "Europe/Stockholm"
CRMS: dict[str, Any] = {"hubspot": hubspot, "pipedrive": pipedrive, "salesforce": salesforce}
SILENT_DAYS = 9  # more than a working week without an event, wherever it begins


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("serve", "tick", "truth"):
        command = commands.add_parser(name)
        command.add_argument("--state", type=Path, required=True)
        command.add_argument("--seed", type=int)
        command.add_argument("--size", choices=sorted(SIZES))
        command.add_argument("--end", type=date.fromisoformat)
        if name != "truth":
            command.add_argument("--since", type=datetime.fromisoformat, help="nothing new before: it was read")
        if name == "tick":
            command.add_argument("--days", type=int, default=1)
        if name == "serve":
            command.add_argument("--port", type=int, default=0)
            command.add_argument("--drop", type=Path, help="folder for the sheets of contracts and targets")
            command.add_argument("--token", help="of the first CRM")
            command.add_argument(
                "--crm", action="append", choices=sorted(CRMS), help="how it is served (default: hubspot)"
            )
            command.add_argument("--fault", action="append", default=[], metavar="NAME")
            command.add_argument("--limits", action="store_true", help="hold the vendor's rate limits")
            command.add_argument("--parent-pid", type=int, default=os.getppid())
    return parser.parse_args()


def company(arguments: argparse.Namespace) -> World:
    """The company kept in the state directory, or a new one. `--end` later than the kept end lives on to it."""
    if (arguments.state / "world.json").exists():
        world = load(arguments.state)
        if getattr(arguments, "since", None) is not None:
            world.was_read(arguments.since)
        if arguments.end is not None and arguments.end > world.end:
            world.tick((arguments.end - world.end).days)
    else:
        end = arguments.end or datetime.now(ZoneInfo(ZONE)).date()
        seed = 7 if arguments.seed is None else arguments.seed
        world = World(seed, arguments.size or "default", end - timedelta(days=LIVED_DAYS), end, ZONE).live()
    world.save(arguments.state)
    return world


def _end_with(parent: int) -> None:
    """End this process when its parent is gone: also one that nobody has waited for yet and so still has its id."""
    is_own_parent = os.getppid() == parent
    while True:
        time.sleep(0.5)
        if is_own_parent and os.getppid() != parent:
            os._exit(0)
        try:
            os.kill(parent, 0)
        except ProcessLookupError:
            os._exit(0)
        except PermissionError:
            continue


def _keep(world: World, arguments: argparse.Namespace) -> None:
    world.save(arguments.state)
    if arguments.drop is not None:
        sheets.write(world, arguments.drop)


def run_server(arguments: argparse.Namespace) -> None:
    """Serve until told to stop."""
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    threading.Thread(target=_end_with, args=(arguments.parent_pid,), daemon=True).start()
    faults = [parse(spec) for spec in arguments.fault]
    world = company(arguments)
    if arguments.since is not None:
        world.outside_clock = round(arguments.since.timestamp() * 1000)
    if silent_days := sum(int(fault.argument or SILENT_DAYS) for fault in faults if fault.name == "stale"):
        world.be_silent(silent_days).save(arguments.state)
    crms = arguments.crm or ["hubspot"]
    ready = {"now": iso(world.now), "end": world.end.isoformat(), "pid": os.getpid()}
    with ExitStack() as stack:
        log = stack.enter_context((arguments.state / "requests.jsonl").open("w", buffering=1))
        accounts = {}
        for place, crm in enumerate(crms):
            token = arguments.token if arguments.token and not place else CRMS[crm].DEFAULT_TOKEN
            server = CRMS[crm].serve(world, [], arguments.port if not place else 0, token, arguments.limits)
            portal = stack.enter_context(server)
            # what faults do to the records happens once, whatever serves them
            portal.set_faults([spec for spec in arguments.fault if not place or parse(spec).name not in DATA_FAULTS])
            portal.log_file = log
            portal.on_tick = lambda: _keep(world, arguments)
            accounts[crm] = {"url": portal.url, "token": portal.token}
        bank = stack.enter_context(
            exchange_rates.serve(
                world.rates,
                lambda: datetime.fromtimestamp(world.now / 1000, UTC),
                [spec for spec in arguments.fault if exchange_rates.concerns(spec)],
            )
        )
        office = stack.enter_context(
            registries.serve(
                lambda: Registers(world.registered.values()),
                lambda: datetime.fromtimestamp(world.now / 1000, UTC),
                [spec for spec in arguments.fault if registries.concerns(spec)],
            )
        )
        _keep(world, arguments)
        urls = {"rates_url": bank.url, "norway_url": office.norway_url, "finland_url": office.finland_url}
        print(json.dumps(accounts[crms[0]] | urls | {"accounts": accounts} | ready), flush=True)
        stopped.wait()


def main() -> int:
    """Exit code 2 for a wrong fault name or a state directory that holds no company."""
    arguments = _arguments()
    try:
        if arguments.command == "serve":
            run_server(arguments)
        elif arguments.command == "tick":
            world = company(arguments).tick(arguments.days)
            world.save(arguments.state)
            print(json.dumps({"end": world.end.isoformat(), "now": iso(world.now)}))
        else:
            print(truth.write(company(arguments), arguments.state))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
