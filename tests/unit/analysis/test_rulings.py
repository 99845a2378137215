"""Rulings that cannot all be true are found, named and set aside; everything else stands."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from analysis.matching.rulings import Ruling, set_contradictions_aside

KEYS = st.sampled_from("abcdef")
RULINGS = st.lists(
    st.builds(Ruling, KEYS, KEYS, st.sampled_from(["same", "different", "keep_apart"])).filter(
        lambda ruling: ruling.left_key < ruling.right_key
    ),
    max_size=12,
)


def test_a_chain_of_sames_against_a_different_names_all_three():
    rulings = [Ruling("a", "b", "same"), Ruling("b", "c", "same"), Ruling("a", "c", "different")]
    standing, found = set_contradictions_aside([*rulings, Ruling("d", "e", "same")])
    assert standing == [Ruling("d", "e", "same")]
    assert [known.explanation for known in found] == ["a = b, b = c, but a and c are ruled different"]


def _groups(rulings):
    groups = {key: {key} for key in "abcdef"}
    for left, right, ruling in rulings:
        if ruling == "same":
            joined = groups[left] | groups[right]
            for key in joined:
                groups[key] = joined
    return groups


@given(RULINGS)
def test_what_stands_can_all_be_true_and_nothing_else_is_set_aside(rulings):
    standing, found = set_contradictions_aside(rulings)
    groups = _groups(standing)
    assert all(ruling == "same" or right not in groups[left] for left, right, ruling in standing)
    named = {frozenset(pair) for known in found for pair in pairwise(known.chain)}
    named |= {frozenset(known.apart[:2]) for known in found}
    assert all(frozenset(ruling[:2]) in named for ruling in set(rulings) - set(standing))
    assert all(known.chain[0] == known.apart.left_key and known.chain[-1] == known.apart.right_key for known in found)


@given(RULINGS, st.randoms())
def test_the_order_of_the_lines_does_not_matter(rulings, random):
    shuffled = random.sample(rulings, len(rulings))
    assert set_contradictions_aside(shuffled) == set_contradictions_aside(rulings)
