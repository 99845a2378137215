"""Which columns of the marts are about a person, and whose they are: for erasure, and for the publication without them.

Sellers are named all over the marts, since figures are theirs: here are the people of customers, and addresses.
"""

from __future__ import annotations

from dataclasses import dataclass

ADDRESS, NUMBER, NAME, TEXT = "address", "number", "name", "text"


@dataclass(frozen=True)
class Personal:
    """Personal columns of one table, each with its kind. `keys`: SQL over a row, the contacts that it is about, as
    records (`hubspot:contact:1`); `only`: which rows are about contacts at all. `whole`: of somebody merged, only the
    row of whom every record is erased."""

    table: str
    columns: dict[str, str]
    keys: tuple[str, ...]
    only: str = "true"
    golden: bool = False


PERSONAL = (
    Personal(
        "pipeline.contacts",
        {"full_name": NAME, "email": ADDRESS, "phone": NUMBER, "title": TEXT},
        ("contact_key",),
        golden=True,
    ),
    Personal("pipeline.contact_field_sources", {"value": TEXT}, ("record_key", "contact_key")),
    Personal(
        "pipeline.contact_pairs",
        {"left_name": NAME, "left_email": ADDRESS, "explanation": TEXT, "refusal": TEXT},
        ("left_source || ':contact:' || left_id",),
    ),
    Personal(
        "pipeline.contact_pairs",
        {"right_name": NAME, "right_email": ADDRESS, "explanation": TEXT, "refusal": TEXT},
        ("right_source || ':contact:' || right_id",),
    ),
    Personal(
        "kpi.duplicate_worklist",
        {"name": NAME, "detail": ADDRESS, "explanation": TEXT},
        ("record_key",),
        "thing = 'contact'",
    ),
    Personal(
        "kpi.duplicate_worklist",
        {"into_name": NAME, "into_detail": ADDRESS, "explanation": TEXT},
        ("into_record_key",),
        "thing = 'contact'",
    ),
    Personal("kpi.hygiene_worklist", {"name": NAME, "detail": TEXT}, ("thing_key",), "thing = 'contact'"),
    Personal("kpi.crm_rule_results", {"detail": TEXT}, ("thing_key",), "thing = 'contact'"),
    Personal("kpi.data_quality_issues", {"value": TEXT}, ("source || ':contact:' || record_id",)),
    Personal("pipeline.activities", {"subject": TEXT}, ()),
)
