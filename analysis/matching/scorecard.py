"""How the points of a pair are added, in SQL, and what no sum of points joins without a person."""

from __future__ import annotations

import numpy as np

from analysis.matching.weights import Card

CONTACT_TOGETHER = [
    ("email", "company"),
    ("email", "first_name"),
    ("email", "phone"),
    ("phone", "first_name"),
    ("phone", "company"),
    ("namesakes", "company"),
    ("first_name", "last_name"),
    ("email", "cross_evidence"),
]
COMPANY_TOGETHER = [
    ("name", "domain"),
    ("name", "place"),
    ("name", "phone"),
    ("domain", "phone"),
    ("namesakes", "domain"),
    ("namesakes", "place"),
]

HOLDS = """case
    when first_name = 'one is not a person' then 'a person and a role'
    when email = 'same mailbox' and first_name in ('different', 'different, same initial') and last_name <> 'different'
        then 'a mailbox that changed hands?'
    when namesakes = 'namesake at the company' and email not in ('same mailbox', 'one letter apart')
        and phone not in ('same', 'same, a few people') then 'a namesake at the company?'
    when email = 'same but for a number' and company in ('same record', 'same name', 'same domain')
        then 'a namesake at the company?'
    when email not in (
            'same mailbox', 'same shared mailbox', 'one letter apart', 'domain a letter apart', 'same before the @'
        )
        and phone not in ('same', 'same, a few people', 'same switchboard', 'one digit apart')
        and company in ('missing', 'different', 'same first word')
        then 'only the names agree'
    end"""


def scorecard(
    features: list[str], together: list[tuple[str, str]], cards: dict[str, tuple[Card, float]]
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The table of points, and what `scores.sql` says of every combination of levels: it joins them and adds them up.

    A score is the sum of its points; where it starts is counted with the last field. The first card's points are shown.
    """
    terms = [*features, *(" & ".join(pair) for pair in together)]
    rows = [
        (name, term, level, points)
        for name, (card, _) in cards.items()
        for term in terms
        for level, points in card.get(term, {"": 0.0}).items()
    ]
    columns = dict(zip(("card", "term", "level", "points"), map(np.array, zip(*rows, strict=True)), strict=True))
    main = next(iter(cards))
    joins: list[str] = []
    parts: dict[str, list[str]] = {name: [] for name in cards}
    for number, term in enumerate(terms):
        level = " || ' & ' || ".join(f"held.{field}::varchar" for field in term.split(" & "))
        for name in cards:
            alias = f"{name}_{number}"
            joins.append(
                f"left join match_points as {alias} on {alias}.card = '{name}' and {alias}.term = '{term}'"
                f" and {alias}.level = {level}"
            )
            parts[name].append(f"coalesce({alias}.points, 0)")
    last = f"{cards[main][1]!r} + " + " + ".join(parts[main][len(features) - 1 :])
    shown = [f"{part} as points_{field}" for field, part in zip(features[:-1], parts[main], strict=False)]
    shown.append(f"{last} as points_{features[-1].removesuffix('_evidence')}")
    scores = [f"{cards[name][1]!r} + {' + '.join(parts[name])} as {name}" for name in cards]
    separator = ",\n    "
    return columns, {"points": separator.join(shown), "scores": separator.join(scores), "joins": "\n".join(joins)}
