"""Answers that no vendor should give: the object fails with a reason or a record is quarantined, the others land.

After them come two quiet nights, and raw is the vendor's truth: nothing that was landed of a lie lasts.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock
from urllib.parse import unquote_plus

import orjson

from sandbox.servers import wire
from tests.torture.bounds import Harm, need, tried
from tests.torture.mutations import of_json
from tests.torture.report import Row
from tests.torture.rigs.vendors import VENDORS, WEEK, practice_world

PLACES = {  # vendor -> (part of the address, rows of an answer, object)
    "hubspot": ("/objects/deals?", "results", "deals"),
    "pipedrive": ("/api/v2/deals?", "data", "deals"),
    "salesforce": ("FROM Opportunity ", "records", "opportunities"),
}
RAW: dict[str, Callable[[bytes, str, Random], bytes]] = {
    "nested a million deep": lambda body, rows, _: _first_value(body, b"[" * 1_000_000 + b"]" * 1_000_000),
    "nested 500 deep": lambda body, rows, _: _first_value(body, b"[" * 500 + b"]" * 500),
    "a number of 5,000 digits": lambda body, rows, _: _first_value(body, b"9" * 5_000),
    "1e999": lambda body, rows, _: _first_value(body, b"1e999"),
    "NaN": lambda body, rows, _: _first_value(body, b"NaN"),
    "a lone surrogate": lambda body, rows, _: _first_value(body, b'"\\ud800"'),
    "not UTF-8": lambda body, rows, _: _first_value(body, b'"\xff\xfe"'),
    "NUL in a text": lambda body, rows, _: _first_value(body, b'"\\u0000"'),
    "a text of 60 MB": lambda body, rows, _: _first_value(body, b'"' + b"a" * (60 << 20) + b'"'),
    "a text of 100 MB": lambda body, rows, _: _first_value(body, b'"' + b"a" * (100 << 20) + b'"'),
    "keys twice": lambda body, rows, _: body.replace(b'"id":', b'"id":"1","id":').replace(b'"Id":', b'"Id":"1","Id":'),
    "wrong types in records": lambda body, rows, draw: _mutated(body, rows, draw),
    "wrong types anywhere": lambda body, rows, draw: orjson.dumps(of_json(json.loads(body), draw)),
}


def _first_value(body: bytes, value: bytes) -> bytes:
    """The name of the first deal is this."""
    for key in (b'"dealname":', b'"title":', b'"Name":'):
        before, found, after = body.partition(key)
        if found:
            end = after.index(b'"', 1) + 1 if after.startswith(b'"') else min(after.index(c) for c in (b",", b"}"))
            return before + found + value + after[end:]
    return body


def _mutated(body: bytes, rows: str, draw: Random) -> bytes:
    answer = json.loads(body)
    held = answer[rows]
    for place in draw.sample(range(len(held)), min(3, len(held))) if isinstance(held, list) else ():
        held[place] = of_json(held[place], draw)
    return orjson.dumps(answer)


def answered(vendor_name: str, kind: str, seed: int) -> str:
    """A night in which the answers about deals are spoiled, then quiet ones."""
    vendor, (part, rows, name) = VENDORS[vendor_name], PLACES[vendor_name]
    draw, spoil, send = Random(f"{kind}:{seed}"), RAW[kind], wire.Handler.send_bytes
    spoiled: list[str] = []

    def send_spoiled(handler: Any, answer: Any, payload: bytes, *more: Any) -> None:
        address = unquote_plus(handler.path)
        if is_on and part in address and answer.status == 200 and payload[:1] == b"{":
            payload = spoil(payload, rows, draw)
            spoiled.append(address)
        send(handler, answer, payload, *more)

    is_on = True
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        server = stack.enter_context(vendor.serve(practice_world()))
        server.handle_error = lambda *_: None
        bad, good = (vendor.warehouse(Path(folder) / which) for which in ("bad", "good"))
        stack.callback(bad.close), stack.callback(good.close)

        def night(warehouse: Any) -> dict[str, Any]:
            return getattr(warehouse, vendor.night)(server, attempts=2, backoff_seconds=0.001)  # type: ignore[no-any-return]

        night(good)
        stack.enter_context(mock.patch.object(wire.Handler, "send_bytes", send_spoiled))
        results = night(bad)
        need(spoiled, "nothing was spoiled")
        failed = {key: r for key, r in results.items() if r.state != "ok"}
        need(
            set(failed) <= {name, "deal_products"},
            f"others failed too: {sorted(failed)}",
        )
        for one in failed.values():
            need(one.reason and len(one.reason) < 900, f"a reason that says nothing, or all: {str(one.reason)[:300]}")
        _same_but(bad, good, name)
        is_on = False
        server.world.touches += WEEK
        for deal in server.world.store.records["deals"].values():  # what was well formed and wrong is read again when
            if deal.archived_at is None:  # its record is stamped: no reader can tell such a lie
                server.world.store.change(deal, server.world.stamp(), {})
        for _ in range(2):
            quiet = night(bad)
            server.world.touches += 60
        need({key: r.reason for key, r in quiet.items() if r.state != "ok"} == {}, f"a quiet night failed: {quiet}")
        try:
            vendor.assert_same(bad, server)
        except AssertionError as error:
            raise Harm(f"raw is not the vendor's truth: {str(error)[:300]}") from None
        unbalanced = bad.query(
            """select object, rows_read, rows_appended, rows_unchanged, rows_quarantined from raw.batches
               where rows_read <> rows_appended + rows_unchanged + rows_quarantined or rows_unchanged < 0"""
        )
        need(not unbalanced, f"counts do not balance: {unbalanced}")
    return ""


def _same_but(bad: Any, good: Any, name: str) -> None:
    """Every other object landed as in a night without bad answers."""
    one, other = bad.contents(), good.contents()
    apart = {table for table in other if one[table] != other[table]}
    touched = {table for table in apart if f"__{name}" not in table and "deal_products" not in table}
    need(not touched, f"other objects landed otherwise: {sorted(touched)}")


def run(scratch: Path, tries: int = 6) -> Iterator[Row]:
    """Each kind in the answers about one object of each CRM."""
    for kind in RAW:
        seeds = range(tries) if "types" in kind else range(1)
        acts = [lambda v=vendor, k=kind, s=s: answered(v, k, s) for vendor in VENDORS for s in seeds]
        yield tried(f"JSON, {kind}", acts)
