"""What the practice company's deals sell: a licence for a term, often a one-off fee; prices, discounts and costs."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING

from sandbox.names import PRODUCTS
from sandbox.store import Record, Value, instant_of

if TYPE_CHECKING:
    from sandbox.world import World

_COSTS = dict(zip([name for name, _ in PRODUCTS], (0.22, 0.3, 0.42, 0.18, 0.35), strict=True))  # of the list price


def add(world: World, rng: Random, at: int, deal: Record, product: str) -> None:
    """A recurring licence for the term, often a one-off fee; the deal's contract values follow from them."""
    total = float(deal.properties["amount"] or 0)
    term = int(deal.properties["contract_term_months"] or 0)
    years = max(1.0, term / 12)
    fee = round(total * 0.1, -2) if rng.random() < 0.5 else 0.0
    yearly = round((total - fee) / years, 2)
    licence: dict[str, Value] = {
        "name": product,
        "quantity": "1",
        **_priced(Random(int(deal.id)), yearly, _COSTS[product]),
        "recurringbillingfrequency": "annually",
        "hs_recurring_billing_start_date": _starts(world, deal),
        "hs_recurring_billing_period": f"P{term}M" if term else None,
        "hs_term_in_months": str(term) if term else None,
        "hs_product_id": str(5_000 + [name for name, _ in PRODUCTS].index(product)),
        "hs_acv": f"{yearly:.2f}",
        "hs_tcv": f"{yearly * years:.2f}",
        "hs_mrr": f"{yearly / 12:.2f}",
    }
    items = [licence]
    if fee:
        one_off = {"name": "Onboarding", "quantity": "1", "price": f"{fee:.2f}", "amount": f"{fee:.2f}"}
        cost = None if licence["hs_cost_of_goods_sold"] is None else f"{fee * 0.8:.2f}"
        more = {"hs_cost_of_goods_sold": cost, "hs_product_id": "5099", "hs_tcv": f"{fee:.2f}"}
        items.append({**dict.fromkeys(licence), **one_off, **more})
    for values in items:
        world.store.link(deal, world.store.create("line_items", at, values, "CRM_UI", deal.user), at)
    summary = {"hs_acv": licence["hs_acv"], "hs_tcv": f"{yearly * years + fee:.2f}", "hs_mrr": licence["hs_mrr"]}
    world.store.change(deal, at, summary, "CALCULATED")


def _priced(rng: Random, net: float, cost_share: float) -> dict[str, Value]:
    """List price, discount (as a percentage or per unit, the vendor takes either) and unit cost of a net price."""
    percent = rng.choice((0, 0, 0, 0, 5, 8, 10, 12, 15, 20, 25, 35))
    price = round(net / (1 - percent / 100), 2)
    is_by_unit = rng.random() < 0.3
    return {
        "price": f"{price:.2f}",
        "discount": f"{price - net:.2f}" if percent and is_by_unit else None,
        "hs_discount_percentage": str(percent) if percent and not is_by_unit else None,
        "amount": f"{net:.2f}",
        "hs_cost_of_goods_sold": None if rng.random() < 0.15 else f"{price * cost_share:.2f}",
    }


def _starts(world: World, deal: Record) -> Value:
    """First day of the month after the close date that was typed; as often as not nobody fills it in."""
    typed = instant_of(deal.properties["closedate"])
    if typed is None or int(deal.id) % 2:
        return None
    closes = world.calendar.local_date(typed)
    return (closes.replace(day=1) + timedelta(days=32)).replace(day=1).isoformat()
