"""HubSpot's search: filters, sorts, offsets over a result computed anew for every page, the 10,000 wall, index lag."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from sandbox.catalogue import MODIFIED
from sandbox.properties import definitions, names
from sandbox.servers.answers import Answer, bad_request
from sandbox.servers.hubspot_read import Reader
from sandbox.store import Record, instant_of

CEILING = 10_000
PAGE = 200
GROUPS, FILTERS = 5, 6


@cache
def _kinds(object_type: str) -> dict[str, str]:
    return {str(entry["name"]): str(entry["type"]) for entry in definitions(object_type)} | {"hs_object_id": "number"}


def comparable(kind: str, text: str | None) -> Any:
    """A value in its own order: numbers and instants as numbers, text in lower case; None when it has no value."""
    if text is None or text == "":
        return None
    if kind == "number":
        try:
            return int(text) if text.lstrip("-").isdigit() else float(text)
        except ValueError:
            return None
    if kind == "datetime":
        return instant_of(text)
    return text.lower()


def _value_of(record: Record, name: str, kind: str) -> Any:
    if name == MODIFIED[record.object_type]:
        return record.updated_at
    return comparable(kind, record.properties.get(name))


def _test(operator: str, kind: str, entry: dict[str, Any]) -> Callable[[Any], bool]:
    """The predicate of one filter over a comparable value."""
    low, high = comparable(kind, _text(entry.get("value"))), comparable(kind, _text(entry.get("highValue")))
    held = {comparable(kind, _text(value)) for value in entry.get("values") or []}
    tests: dict[str, Callable[[Any], bool]] = {
        "EQ": lambda value: value is not None and value == low,
        "NEQ": lambda value: value != low,
        "LT": lambda value: value is not None and value < low,
        "LTE": lambda value: value is not None and value <= low,
        "GT": lambda value: value is not None and value > low,
        "GTE": lambda value: value is not None and value >= low,
        "BETWEEN": lambda value: value is not None and low <= value <= high,
        "IN": lambda value: value in held,
        "NOT_IN": lambda value: value not in held,
        "HAS_PROPERTY": lambda value: value is not None,
        "NOT_HAS_PROPERTY": lambda value: value is None,
        "CONTAINS_TOKEN": lambda value: value is not None and str(low).strip("*") in str(value),
        "NOT_CONTAINS_TOKEN": lambda value: value is None or str(low).strip("*") not in str(value),
    }
    if operator not in tests:
        raise bad_request(f"Invalid operator {operator!r}")
    if (operator in ("LT", "LTE", "GT", "GTE", "BETWEEN") and low is None) or (operator == "BETWEEN" and high is None):
        raise bad_request(f"operator {operator} needs a value that the property can hold")
    return tests[operator]


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _matcher(object_type: str, body: dict[str, Any]) -> Callable[[Record], bool]:
    """Groups are OR, filters within one are AND; an unknown property is a 400."""
    groups = body.get("filterGroups") or []
    if len(groups) > GROUPS or any(len(group.get("filters") or []) > FILTERS for group in groups):
        raise bad_request(f"At most {GROUPS} filter groups of {FILTERS} filters are allowed.")
    compiled = []
    for group in groups:
        tests = []
        for entry in group.get("filters") or []:
            name = str(entry.get("propertyName"))
            if name not in names(object_type):
                raise bad_request(f"There was a problem with the request: property {name!r} does not exist.")
            kind = _kinds(object_type)[name]
            tests.append((name, kind, _test(str(entry.get("operator")), kind, entry)))
        compiled.append(tests)

    def matches(record: Record) -> bool:
        return not compiled or any(
            all(test(_value_of(record, name, kind)) for name, kind, test in tests) for tests in compiled
        )

    return matches


def _sorted(object_type: str, records: list[Record], sorts: list[Any]) -> list[Record]:
    """By create time unless asked otherwise; values that are missing come last."""
    if not sorts:
        return sorted(records, key=lambda record: (record.created_at, int(record.id)))
    entry = sorts[0]
    name = entry["propertyName"] if isinstance(entry, dict) else str(entry).lstrip("-")
    down = entry.get("direction") == "DESCENDING" if isinstance(entry, dict) else str(entry).startswith("-")
    if name not in names(object_type):
        raise bad_request(f"There was a problem with the request: cannot sort by {name!r}.")
    kind = _kinds(object_type)[name]
    known = [(value, record) for record in records if (value := _value_of(record, name, kind)) is not None]
    known.sort(key=lambda pair: pair[0], reverse=down)
    have = {record.id for _, record in known}
    return [record for _, record in known] + [record for record in records if record.id not in have]


def search(reader: Reader, object_type: str, body: dict[str, Any], lag: int) -> Answer:
    """POST /crm/v3/objects/{type}/search. `lag` is how many milliseconds the index is behind the store."""
    limit, after = body.get("limit") or 10, str(body.get("after") or "0")
    if not isinstance(limit, int) or not 1 <= limit <= PAGE:
        raise bad_request(f"Invalid limit: it must be between 1 and {PAGE}.")
    if not after.isdigit() or int(after) + limit > CEILING:
        raise bad_request(f"The requested page goes past the limit of {CEILING} results.")
    matches, records = _matcher(object_type, body), reader.world.store.records[object_type]
    horizon = max(reader.world.now, reader.world.outside_clock) - lag
    found = [
        record
        for number in reader.ids(object_type, archived=False)
        if (record := records[str(number)]).updated_at <= horizon and matches(record)
    ]
    text = str(body.get("query") or "").lower()
    if text:
        found = [
            record for record in found if any(text in (value or "").lower() for value in record.properties.values())
        ]
    start = int(after)
    chosen = _sorted(object_type, found, body.get("sorts") or [])[start : start + limit]
    wanted = reader.wanted(object_type, list(body.get("properties") or []))
    answer: dict[str, Any] = {"total": len(found), "results": [reader.render(record, wanted) for record in chosen]}
    if start + limit < len(found):
        answer["paging"] = {"next": {"after": str(start + limit)}}
    return Answer(200, answer)
