"""What a rig found, and the one table of all of them."""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """One kind of fault. `survived`: tries that ended in the contents of an unbroken run; `lost`: the others."""

    fault: str
    tries: int
    survived: int
    lost: int
    note: str = ""


def table(rows: list[Row]) -> str:
    """As Markdown, so that it can be kept as it was printed."""
    lines = ["| fault | tries | survived | lost | |", "|---|---:|---:|---:|---|"]
    lines += [f"| {r.fault} | {r.tries} | {r.survived} | {r.lost} | {r.note} |" for r in rows]
    total = [sum(row[place] for row in rows) for place in (1, 2, 3)]
    return "\n".join([*lines, f"| **all** | {total[0]} | {total[1]} | {total[2]} | |"])


def counted(fault: str, faults: list[str], note: str = "") -> Row:
    """A row of tries: each is empty when it survived, else it says what was lost."""
    lost = [fault for fault in faults if fault]
    said = lost[0][:300].replace("\n", " ") if lost else note
    return Row(fault, len(faults), len(faults) - len(lost), len(lost), said)
