"""Who is who: the copies that the practice company planted are found, and nobody is taken for somebody else."""

from __future__ import annotations

from collections import defaultdict

import pytest

pytestmark = [pytest.mark.night, pytest.mark.timeout(600)]
THINGS = {"contacts": "contact", "companies": "company"}


@pytest.fixture(scope="module", params=sorted(THINGS))
def records(request, lived):
    """Of one kind: living record -> the record that the world calls it a copy of, and -> the key that it was given."""
    thing = THINGS[request.param]
    rows = lived.marts.execute(
        f"""select {thing}_id, {thing}_key from pipeline.{thing}_identities
        where source = 'hubspot' and record_state = 'alive'"""
    ).fetchall()
    parent: dict[str, str] = {}

    def original(record: str) -> str:
        while record in parent:
            record = parent[record]
        return record

    for known in lived.truth["duplicates"]:
        if known["object"] == request.param:
            first, *others = (original(known[name]) for name in ("original", "copy", "merged_into") if name in known)
            parent.update({other: first for other in others if other != first})
    return {record: original(record) for record, _ in rows}, dict(rows)


def test_nobody_is_joined_with_somebody_else(records):
    truth, keys = records
    people = defaultdict(set)
    for record, key in keys.items():
        people[key].add(truth[record])
    assert len(people) < len(keys)
    assert not [found for found in people.values() if len(found) > 1]


def test_every_planted_copy_is_found(records):
    truth, keys = records
    found = defaultdict(set)
    for record, original in truth.items():
        found[original].add(keys[record])
    assert not [keys for keys in found.values() if len(keys) > 1]
