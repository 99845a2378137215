"""Just enough SOQL for readers: fields or COUNT() of one object, comparisons joined by AND, an order, a limit.

What a reader of the practice org could not ask of the real one is refused the same way, with MALFORMED_QUERY or
INVALID_FIELD; what the real one takes and this one does not is MALFORMED_QUERY too, and says so.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from sandbox.store import instant_of

Row = dict[str, Any]

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>'(?:[^'\\]|\\.)*')
    |(?P<instant>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[-+]\d\d:?\d\d))
    |(?P<date>\d{4}-\d\d-\d\d)|(?P<number>-?\d+(?:\.\d+)?)|(?P<word>[A-Za-z_][\w.]*(?:\(\))?)
    |(?P<sign><=|>=|!=|<>|=|<|>|\(|\)|,))""",
    re.VERBOSE,
)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne, "<>": operator.ne,
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


class SoqlError(Exception):
    """A query that the org refuses: the vendor's errorCode and message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Query:
    """A parsed query. `fields` empty: COUNT()."""

    sobject: str
    fields: tuple[str, ...]
    conditions: tuple[tuple[str, str, Any], ...]
    order: tuple[tuple[str, bool], ...]
    limit: int | None

    def select(self, rows: Iterable[Row]) -> list[Row]:
        """The rows that match, in order; whole rows, so that a later page can still be cut to its fields."""
        found = [row for row in rows if all(_holds(row.get(f), sign, asked) for f, sign, asked in self.conditions)]
        for name, descending in reversed(self.order):
            found.sort(key=lambda row: (row.get(name) is not None, row.get(name)), reverse=descending)
        return found if self.limit is None else found[: self.limit]


def _holds(held: Any, sign: str, asked: Any) -> bool:
    if sign == "in":
        return held in asked
    if held is None or asked is None:
        return (sign == "=") == (held is asked) if sign in ("=", "!=", "<>") else False
    return _COMPARE[sign](held, asked)


def parse(text: str, types_of: Callable[[str], dict[str, str] | None]) -> Query:
    """The query, checked against the fields of its object (`types_of`: None for an object that the org lacks)."""
    return _Parser(text, types_of).query()


class _Parser:
    def __init__(self, text: str, types_of: Callable[[str], dict[str, str] | None]) -> None:
        self.text, self.types_of, self.position = text.strip(), types_of, 0
        self.types: dict[str, str] = {}

    def query(self) -> Query:
        self.word("select")
        asked = [self.next("word")]
        while self.is_sign(","):
            asked.append(self.next("word"))
        self.word("from")
        sobject = self.next("word")
        types = self.types_of(sobject)
        if types is None:
            raise SoqlError("INVALID_TYPE", f"sObject type '{sobject}' is not supported.")
        self.types = types
        fields = () if [name.lower() for name in asked] == ["count()"] else tuple(self.field(n, sobject) for n in asked)
        conditions, order, limit = [], [], None
        if self.is_word("where"):
            conditions.append(self.condition(sobject))
            while self.is_word("and"):
                conditions.append(self.condition(sobject))
        if self.is_word("order"):
            self.word("by")
            order.append(self.ordering(sobject))
            while self.is_sign(","):
                order.append(self.ordering(sobject))
        if self.is_word("limit"):
            limit = int(self.next("number"))
        if self.position < len(self.text):
            raise self.malformed()
        return Query(sobject, fields, tuple(conditions), tuple(order), limit)

    def field(self, name: str, sobject: str) -> str:
        known = {held.lower(): held for held in self.types}
        if name.lower() not in known:
            raise SoqlError("INVALID_FIELD", f"No such column '{name}' on entity '{sobject}'.")
        return known[name.lower()]

    def ordering(self, sobject: str) -> tuple[str, bool]:
        name = self.field(self.next("word"), sobject)
        descending = self.is_word("desc")
        if not descending:
            self.is_word("asc")
        return name, descending

    def condition(self, sobject: str) -> tuple[str, str, Any]:
        name = self.field(self.next("word"), sobject)
        if self.is_word("in"):
            if not self.is_sign("("):
                raise self.malformed()
            values = [self.literal(name)]
            while self.is_sign(","):
                values.append(self.literal(name))
            if not self.is_sign(")"):
                raise self.malformed()
            return name, "in", tuple(values)
        sign = self.next("sign")
        if sign not in _COMPARE:
            raise self.malformed()
        return name, sign, self.literal(name)

    def literal(self, name: str) -> Any:
        kind, text = self.token()
        wanted = {"datetime": "instant", "date": "date"}.get(self.types[name])
        if kind == "word" and text.lower() in ("null", "true", "false"):
            return {"null": None, "true": True, "false": False}[text.lower()]
        if (wanted and kind != wanted) or (not wanted and kind in ("instant", "date")):
            raise SoqlError(
                "INVALID_FIELD", f"value of filter criterion for field '{name}' must be of type {self.types[name]}"
            )
        if kind == "instant":
            return instant_of(text)
        if kind == "text":
            return re.sub(r"\\(.)", r"\1", text[1:-1])
        if kind == "number":
            return float(text)
        if kind == "date":
            return text
        raise self.malformed()

    def token(self) -> tuple[str, str]:
        match = _TOKEN.match(self.text, self.position)
        if match is None or match.lastgroup is None:
            raise self.malformed()
        self.position = match.end()
        return match.lastgroup, match[match.lastgroup]

    def next(self, kind: str) -> str:
        before = self.position
        found, text = self.token()
        if found != kind:
            self.position = before
            raise self.malformed()
        return text

    def word(self, text: str) -> None:
        if not self.is_word(text):
            raise self.malformed()

    def is_word(self, text: str) -> bool:
        match = _TOKEN.match(self.text, self.position)
        if match is None or (match["word"] or "").lower() != text:
            return False
        self.position = match.end()
        return True

    def is_sign(self, text: str) -> bool:
        match = _TOKEN.match(self.text, self.position)
        if match is None or match["sign"] != text:
            return False
        self.position = match.end()
        return True

    def malformed(self) -> SoqlError:
        rest = self.text[self.position :].strip()
        return SoqlError("MALFORMED_QUERY", f"unexpected token: '{rest[:40]}' (only plain queries here)")
