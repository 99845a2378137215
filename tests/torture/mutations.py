"""Bytes, JSON and TOML made wrong: the same for the same generator."""

from __future__ import annotations

import re
from random import Random
from typing import Any

ODD: tuple[Any, ...] = (
    None, True, 0, -1, 10**30, 1.5, -0.0, 1e308, "", " ", "x" * 40_000, "'; drop table raw.batches; --", "\u0000",
    "=cmd|' /C calc'!A0", "\u202e", "2026-13-45", "9" * 40, "NaN", [], [[]], [None], {}, {"a": {"b": [1, {}]}}, ["id"],
)  # fmt: skip
ODD_TOML = (
    "1e400", "nan", "-inf", "99999999999999999999999", "-1", "0", "true", '""', "[]", "{}",
    '"\\u0000"', '"%"', '"%Q%%%"',
    '["%"]', "1979-05-27", '"["', '"("', '"' + "x" * 5_000 + '"', "[[[[[[]]]]]]", '{ a = "b" }', "'''",
    '"http://["', "0x",
    '"https://a:b@c"', '"*"', '"../../etc/passwd"', "07:32:00", '["a", 1, {}]', '" "', "3.0", "'\\'",
)  # fmt: skip


def of_bytes(body: bytes, draw: Random) -> bytes:
    """Some places flipped, cut out, repeated or put elsewhere."""
    made = bytearray(body)
    for _ in range(draw.randint(1, 6)):
        at, size = draw.randrange(len(made) or 1), draw.choice((1, 2, 8, 64, 1_000))
        match draw.randrange(6):
            case 0:
                made[at : at + 1] = bytes([draw.randrange(256)])
            case 1:
                del made[at : at + size]
            case 2:
                made[at:at] = made[at : at + size] * draw.randint(1, 9)
            case 3:
                made[at:at] = draw.choice((b"\0", b'"', b",", b"\n", b"\xff\xfe", b"\xed\xa0\x80", b"=1+1", b"\x1a"))
            case 4:
                made = made[:at] or bytearray(b"x")
            case 5:
                made[at : at + size] = draw.randbytes(size)
    return bytes(made)


def of_json(value: Any, draw: Random) -> Any:
    """One value somewhere inside, of another type or none; a key gone, or one that nobody knows."""
    if isinstance(value, dict) and value and draw.random() < 0.92:
        key = draw.choice(sorted(value))
        fate = draw.random()
        if fate < 0.06:
            return {name: held for name, held in value.items() if name != key}
        if fate < 0.1:
            return value | {draw.choice(("", "a'b", 'q"uote', "\u0000", "é" * 300)): draw.choice(ODD)}
        return value | {key: of_json(value[key], draw)}
    if isinstance(value, list) and value and draw.random() < 0.92:
        at = draw.randrange(len(value))
        return [of_json(held, draw) if place == at else held for place, held in enumerate(value)]
    return draw.choice(ODD)


def of_toml(text: str, draw: Random) -> str:
    """Lines gone, doubled or moved; values and keys that mean something else; now and then bytes."""
    lines = text.splitlines()
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(lines))
        line = lines[at]
        match draw.randrange(7):
            case 0:
                del lines[at]
            case 1:
                lines.insert(draw.randrange(len(lines)), line)
            case 2 | 3 | 4:
                lines[at] = re.sub(r"=.*", lambda _: f"= {draw.choice(ODD_TOML)}", line, count=1)
            case 5:
                lines[at] = re.sub(r"\w+", draw.choice(("x", "enabled", "a.b", '"å"', "")), line, count=1)
            case 6:
                lines[at] = line.lstrip("# ")
        lines = lines or [""]
    made = "\n".join(lines)
    if draw.random() < 0.1:
        return of_bytes(made.encode(), draw).decode("utf-8", "surrogateescape")
    return made
