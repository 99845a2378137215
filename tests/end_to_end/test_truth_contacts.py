"""Whether contacts are still right (M31), against what the simulation did to each record and its mailbox."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

import pytest

pytestmark = [pytest.mark.night, pytest.mark.timeout(600)]


def test_every_contact_with_one_record_has_its_status_and_its_instants(lived):
    rows = lived.marts.execute(
        """select source_ids, decay_status, verified_at, failed_at from pipeline.contacts
           where not is_removed and source_ids not like '%,%'"""
    ).fetchall()
    found = {source_ids.split(":")[1]: rest for source_ids, *rest in rows}
    known = [contact for contact in lived.truth["contacts"] if contact["contact_id"] in found]
    assert len(known) > 0.95 * len(lived.truth["contacts"])
    for contact in known:
        instants = [contact[name] and datetime.fromisoformat(contact[name]) for name in ("verified_at", "failed_at")]
        assert found[contact["contact_id"]] == [contact["status"], *instants], contact
    statuses = Counter(contact["status"] for contact in known)
    assert min(statuses[status] for status in ("verified", "moved", "silent", "bounced")) > 0


def test_what_is_to_refresh_are_the_wrong_and_the_unproved_on_open_deals(lived):
    listed = lived.marts.execute(
        "select thing_key, value_at_stake from kpi.hygiene_worklist where rule_id = 'M31'"
    ).fetchall()
    wanted = lived.marts.execute(
        """select contact_key, sum(amount_base)
           from pipeline.contacts inner join pipeline.deal_contacts using (contact_key)
           inner join pipeline.deals using (deal_key)
           where decay_status not in ('verified', 'moved') and not contacts.is_removed
               and life_state = 'open' and not is_excluded
           group by contact_key"""
    ).fetchall()
    assert listed and sorted(listed, key=str) == sorted(wanted, key=str)
