"""The one place that asks the published file. Whatever the page says comes out of a row of these answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import duckdb

from salesops.brief.queries import PUBLICATION, QUARTER, QUERIES

Row = dict[str, Any]


class BriefError(Exception):
    """The page cannot be made of this publication."""


@dataclass(frozen=True)
class Answer:
    """A query as it stands on the page, and what it gave."""

    sql: str
    rows: list[Row]

    @property
    def first(self) -> Row:
        """The first row; without one, a row that knows nothing."""
        return self.rows[0] if self.rows else {}


@dataclass(frozen=True)
class Facts:
    """Answers by the name of their query."""

    answers: dict[str, Answer]

    def rows(self, name: str) -> list[Row]:
        return self.answers[name].rows

    def first(self, name: str) -> Row:
        return self.answers[name].first

    @property
    def day(self) -> date:
        found: date = self.first("publication")["day"]
        return found

    @property
    def monday(self) -> date:
        """Of the week that has begun; the page is about the week before it."""
        return self.day - timedelta(days=self.day.weekday())

    @property
    def week(self) -> date:
        return self.monday - timedelta(days=7)


def ask(connection: duckdb.DuckDBPyConnection) -> Facts:
    """Everything that the page needs, from an open publication."""
    answers = {"publication": _ask(connection, "publication", PUBLICATION)}
    facts = Facts(answers)
    if not facts.rows("publication"):
        raise BriefError("the publication does not say which night it is: run `salesops nightly`")
    answers["quarter"] = _ask(connection, "quarter", QUARTER.format(day=facts.day))
    quarter = facts.first("quarter").get("fiscal_quarter_start") or facts.day.replace(month=1, day=1)
    ((zone,),) = connection.execute("select timezone from meta.publication").fetchall()
    known = {"day": facts.day, "monday": facts.monday, "week": facts.week, "quarter": quarter, "zone": zone}
    for name, sql in QUERIES.items():
        answers[name] = _ask(connection, name, sql.format(**known))
    return facts


def _ask(connection: duckdb.DuckDBPyConnection, name: str, sql: str) -> Answer:
    try:
        found = connection.execute(sql)
    except duckdb.CatalogException as error:
        text = str(error).splitlines()[0]
        raise BriefError(
            f"{name}: {text}. The publication is older than this program: run `salesops nightly`"
        ) from None
    columns = [column[0] for column in found.description or []]
    return Answer(sql, [dict(zip(columns, row, strict=True)) for row in found.fetchall()])
