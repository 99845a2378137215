"""Deals of the practice company: opened, moved on, skipped, sent back, won, lost, reopened, edited, removed."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING

from sandbox import activities, contracts, habits, line_items
from sandbox.catalogue import DEAL_PIPELINES, EXPANSION, SALES, Pipeline
from sandbox.names import COMPETITORS, LOSS_REASONS, NEXT_STEPS, PRODUCTS
from sandbox.store import Record, Value, iso

if TYPE_CHECKING:
    from sandbox.world import Owner, World


MIX, LARGE_MIX = (28, 26, 20, 20, 6), (18, 22, 24, 12, 24)  # of the products, in their order


def deal_opened(world: World, rng: Random, at: int) -> None:
    """A seller opens a deal without a lead: prospecting, a partner, or more for a customer."""
    contact = _somebody(world, rng)
    if contact is not None:
        owner = rng.choice(world.sellers())
        open_deal(world, rng, at, owner, contact, contact.properties["hs_analytics_source"] or "OFFLINE")


def _somebody(world: World, rng: Random) -> Record | None:
    """Somebody at some company, where there is anybody."""
    people = world.employees.get(rng.choice(world.company_keys)) or []
    return world.alive("contacts", rng.choice(people)) if people else None


def running_deal_entered(world: World, rng: Random, at: int) -> None:
    """A seller types in a deal that was under way before the CRM: at its stage, with what is known."""
    contact = _somebody(world, rng)
    if contact is not None:
        source = contact.properties["hs_analytics_source"] or "OFFLINE"
        open_deal(world, rng, at, rng.choice(world.sellers()), contact, source, rng.choice((0, 1, 1, 2, 3)))


def open_deal(
    world: World, rng: Random, at: int, owner: Owner, contact: Record, source: str, rank: int | None = None
) -> Record | None:
    """Create the deal, its links and its line items, and plan its next step. `rank`: of a deal that was under way."""
    company_ids = world.store.linked("contacts", contact.id, "companies")
    company = world.alive("companies", company_ids[0]) if company_ids else None
    if company is None:
        return None
    pipeline = EXPANSION if rng.random() < (0.6 if owner.team == "Partner and Expansion" else 0.06) else SALES
    product, price = rng.choices(PRODUCTS, LARGE_MIX if owner.team == "Enterprise" else MIX)[0]
    amount = round(price * rng.choice((1, 1, 1.5, 2, 3)) * rng.uniform(0.7, 1.4), -2)
    if owner.id == world.causes.overselling_owner_id:
        amount = round(amount * 1.3, -2)
    if rank is None:
        rank = 0 if rng.random() < 0.93 else 1
    stage = pipeline.open_stages[min(rank, len(pipeline.open_stages) - 1)]
    is_customer = contracts.is_customer(world, company.id, world.calendar.local_date(at))
    order_type = "existingbusiness" if pipeline is EXPANSION or is_customer else "newbusiness"
    values: dict[str, Value] = {
        "dealname": f"{company.properties['name']} - {product}",
        "pipeline": pipeline.id,
        "dealstage": stage.id,
        "amount": None if rng.random() < 0.05 else f"{amount:.2f}" if rng.random() < 0.3 else f"{amount:.0f}",
        "deal_currency_code": None if rng.random() < 0.1 else "SEK",
        "closedate": _date_typed(world, rng, at, rng.randint(20, 120)),
        "hubspot_owner_id": owner.id,
        "hs_manual_forecast_category": "PIPELINE",
        "hs_next_step": rng.choice(NEXT_STEPS),
        "closed_lost_reason": None,
        "dealtype": None if rng.random() < 0.06 else order_type,
        "hs_analytics_source": source,
        "hs_acv": None,
        "hs_tcv": None,
        "hs_mrr": None,
        "hs_priority": rng.choice((None, "low", "medium", "high")),
        "description": None,
        "campaign": contact.properties["campaign"],
        "competitor": rng.choice(COMPETITORS) or None,
        "contract_term_months": rng.choice(("12", "12", "24", "36", "6", None)),
    }
    deal = world.store.create("deals", at, values, "CRM_UI", owner.user_id)
    world.store.link(deal, contact, at, label=rng.choice((None, 37, 39)))
    world.store.link(deal, company, at, primary=True)
    _more_people(world, rng, at, deal, company)
    _keep(world, at, deal, owner)
    if values["amount"] and rng.random() < 0.7:
        line_items.add(world, rng, at + 90_000, deal, product)
    world.schedule(world.later(rng, at, 2, 12), step, deal.id)
    return deal


def _keep(world: World, at: int, deal: Record, owner: Owner) -> None:
    """What careful and careless sellers do with a deal that they have just opened."""
    category = habits.typed_category(deal, at)
    typed: dict[str, Value] = {"hs_manual_forecast_category": category} | habits.mistyped_date(world, deal, at)
    world.store.change(deal, at + 20_000, typed, user=owner.user_id)
    habits.next_step(world, at + 40_000, deal, owner)
    if habits.was_agreed_on_the_phone(deal, at):
        world.schedule(at + 3_600_000, signed_already, deal.id)


def signed_already(world: World, rng: Random, at: int, deal_id: str) -> None:
    """Won on the day it was typed in. Draws of its own: the day's other events stay what they were."""
    deal = world.alive("deals", deal_id)
    owner = world.owner(deal.properties["hubspot_owner_id"]) if deal is not None else None
    if deal is not None and owner is not None and deal.properties["hs_is_closed"] == "false":
        pipeline = DEAL_PIPELINES[deal.properties["pipeline"] or "default"]
        close_won(world, Random(f"habits:{deal_id}"), at, deal, owner, pipeline)


def _date_typed(world: World, rng: Random, at: int, days: int) -> str:
    """A close date as the vendor keeps it: an instant whose local date counts."""
    day = world.calendar.local_date(at) + timedelta(days=days)
    return iso(world.calendar.instant(day, rng.choice((30, 9 * 60 + 15, 14 * 60, 23 * 60 + 59))))


def _more_people(world: World, rng: Random, at: int, deal: Record, company: Record) -> None:
    for contact_id in world.employees.get(company.id, [])[:3]:
        contact = world.alive("contacts", contact_id)
        if contact is not None and rng.random() < 0.4:
            world.store.link(deal, contact, at, label=rng.choice((None, 37, 41)))


def step(world: World, rng: Random, at: int, deal_id: str) -> None:
    """One working session on an open deal: something is logged, and the deal may move."""
    deal = world.alive("deals", deal_id)
    if deal is None or deal.properties["hs_is_closed"] == "true":
        return
    pipeline = DEAL_PIPELINES[deal.properties["pipeline"] or "default"]
    stages = [stage.id for stage in pipeline.open_stages]
    if deal.properties["dealstage"] not in stages:  # a fault wrote nonsense there: nobody finds it any more
        return
    owner = world.owner(deal.properties["hubspot_owner_id"]) or world.owners[0]
    if owner.archived_at is not None and rng.random() < 0.85:  # forgotten by everybody
        world.schedule(world.later(rng, at, 20, 60), step, deal.id)
        return
    if owner.archived_at is not None:
        owner = rng.choice(world.sellers())
        world.store.change(deal, at, {"hubspot_owner_id": owner.id}, user=owner.user_id)
    for shift in range(rng.randint(1, 3)):
        activities.around_deal(world, rng, at + shift * 300_000, owner, deal)
    habits.next_step(world, at + 800_000, deal, owner)
    rank = stages.index(deal.properties["dealstage"] or "")
    lose, move = _odds(world, deal, owner, at, rank, pipeline)
    roll = rng.random()
    if roll < lose:
        close_lost(world, rng, at + 900_000, deal, owner, pipeline)
        return
    if roll < lose + move:
        _advance(world, rng, at + 900_000, deal, owner, pipeline, rank)
    elif roll < lose + move + 0.04 and rank > 0:
        _set_stage(world, at + 900_000, deal, owner, pipeline.open_stages[rank - 1].id)
    else:
        _edit(world, rng, at + 900_000, deal, owner)
    if deal.properties["hs_is_closed"] == "false":
        world.schedule(world.later(rng, at, 5, 34), step, deal.id)


def _odds(world: World, deal: Record, owner: Owner, at: int, rank: int, pipeline: Pipeline) -> tuple[float, float]:
    """(probability to be lost, to move on) at this step: skill, source, and the planted causes."""
    lose, move = 0.13 / owner.skill, 0.58 * owner.skill
    causes, day = world.causes, world.calendar.local_date(at)
    source = deal.properties["hs_analytics_source"]
    leaks = (pipeline.id, pipeline.open_stages[rank].id) == (causes.leak_pipeline_id, causes.leak_stage_id)
    if leaks and source == causes.leak_source and day >= causes.leak_since:
        lose += 0.5
    if source == causes.decaying_source and day > causes.decay_since:
        lose += min(0.3, (day - causes.decay_since).days / 1_200)
    if owner.id == causes.overselling_owner_id:
        lose, move = lose * 0.8, move * 1.15
    return lose, min(move, 0.96 - lose)


def _set_stage(world: World, at: int, deal: Record, owner: Owner, stage_id: str, **more: Value) -> None:
    world.store.change(deal, at, {"dealstage": stage_id, **more}, user=owner.user_id)


def _advance(world: World, rng: Random, at: int, deal: Record, owner: Owner, pipeline: Pipeline, rank: int) -> None:
    """To the next stage, sometimes past one; after the last stage it is won."""
    target = rank + (2 if rng.random() < 0.09 else 1)
    if target >= len(pipeline.open_stages):
        close_won(world, rng, at, deal, owner, pipeline)
        return
    category = "COMMIT" if target == len(pipeline.open_stages) - 1 else "BEST_CASE" if target > 1 else "PIPELINE"
    more: dict[str, Value] = {"hs_manual_forecast_category": category, "hs_next_step": rng.choice(NEXT_STEPS)}
    more |= habits.at_stage(world, at, deal, target, len(pipeline.open_stages))
    _set_stage(world, at, deal, owner, pipeline.open_stages[target].id, **more)


def _edit(world: World, rng: Random, at: int, deal: Record, owner: Owner) -> None:
    """No move: the close date is pushed, the amount changes, the deal changes hands or pipeline."""
    roll = rng.random()
    if roll < 0.55:
        values: dict[str, Value] = {"closedate": _date_typed(world, rng, at, rng.randint(10, 75))}
    elif roll < 0.85:
        amount = float(deal.properties["amount"] or 60_000) * rng.choice((0.8, 0.9, 1.1, 1.25))
        values = {"amount": f"{amount:.2f}"}
    elif roll < 0.97 or deal.properties["pipeline"] == EXPANSION.id:
        values = {"hubspot_owner_id": rng.choice(world.sellers()).id}
    else:
        values = {"pipeline": EXPANSION.id, "dealstage": EXPANSION.open_stages[0].id, "dealtype": "existingbusiness"}
    world.store.change(deal, at, values, user=owner.user_id)


def close_won(world: World, rng: Random, at: int, deal: Record, owner: Owner, pipeline: Pipeline) -> None:
    """Signed. The date is today's, or the real one when the seller enters it late."""
    more: dict[str, Value] = {"closedate": iso(at), "hs_manual_forecast_category": "CLOSED", "hs_next_step": ""}
    if rng.random() < 0.09:
        more["closedate"] = _date_typed(world, rng, at, -rng.randint(2, 25))
    if deal.properties["amount"] is None:
        more["amount"] = "84000" if rng.random() < 0.8 else None
    _set_stage(world, at, deal, owner, pipeline.won.id, **(more | habits.at_signing(world, at, deal)))
    for contact_id in world.store.linked("deals", deal.id, "contacts"):
        contact = world.alive("contacts", contact_id)
        if contact is not None:
            world.store.change(contact, at + 5_000, {"lifecyclestage": "customer"}, "AUTOMATION_PLATFORM")
    world.schedule(world.later(rng, at, 1, 12), contracts.sign, deal.id)
    if rng.random() < 0.025:
        world.schedule(world.later(rng, at, 5, 40), reopen, deal.id)


def close_lost(world: World, rng: Random, at: int, deal: Record, owner: Owner, pipeline: Pipeline) -> None:
    """Lost, mostly with a reason; the old close date often stays."""
    more: dict[str, Value] = {"closed_lost_reason": rng.choice(LOSS_REASONS) if rng.random() < 0.9 else None}
    if rng.random() < 0.5:
        more["closedate"] = iso(at)
    _set_stage(world, at, deal, owner, pipeline.lost.id, **more)
    if rng.random() < 0.06:
        world.schedule(world.later(rng, at, 10, 60), reopen, deal.id)


def reopen(world: World, rng: Random, at: int, deal_id: str) -> None:
    """A closed deal comes back to life at a middle stage."""
    deal = world.alive("deals", deal_id)
    if deal is None or deal.properties["hs_is_closed"] == "false":
        return
    owner = world.owner(deal.properties["hubspot_owner_id"])
    if owner is None or owner.archived_at is not None:
        owner = rng.choice(world.sellers())
    pipeline = DEAL_PIPELINES[deal.properties["pipeline"] or "default"]
    closes = _date_typed(world, rng, at, rng.randint(15, 60))
    more: dict[str, Value] = {"closedate": closes, "hubspot_owner_id": owner.id, "closed_lost_reason": ""}
    contracts.strike(world, deal)
    _set_stage(world, at, deal, owner, pipeline.open_stages[1].id, **more)
    world.schedule(world.later(rng, at, 5, 34), step, deal.id)


def clean_up(world: World, rng: Random, at: int) -> None:
    """One manager closes the open deals that nobody has touched for longest, a second apart: planted."""
    opened = [deal for deal in world.store.records["deals"].values() if deal.properties["hs_is_closed"] == "false"]
    opened = [deal for deal in opened if deal.archived_at is None]
    manager = world.sellers()[0]
    for place, deal in enumerate(sorted(opened, key=lambda deal: (deal.updated_at, deal.id))[: _cleaned(world)]):
        lost = DEAL_PIPELINES[deal.properties["pipeline"] or "default"].lost
        _set_stage(world, at + place * 1_000, deal, manager, lost.id, closed_lost_reason="No decision")


def _cleaned(world: World) -> int:
    return max(3, round(world.size.deals * 0.024))


def tidy(world: World, rng: Random, at: int) -> None:
    """Cleaning up: a deal is archived (some come back), or entered twice and merged, or closed in one go."""
    living = [deal for deal in world.store.records["deals"].values() if deal.archived_at is None]
    if len(living) < 10:
        return
    deal = rng.choice(living[-200:])
    user = rng.choice(world.sellers()).user_id
    roll = rng.random()
    if roll < 0.5:
        world.store.archive(deal, at)
        if rng.random() < 0.3:
            world.schedule(world.later(rng, at, 1, 20), untidy, deal.id)
    elif roll < 0.8:
        typed = ("dealname", "pipeline", "dealstage", "amount", "closedate", "hubspot_owner_id", "dealtype")
        values = {name: deal.properties.get(name) for name in (*typed, "hs_analytics_source", "deal_currency_code")}
        copy = world.store.create("deals", at, values, "IMPORT")
        world.duplicates.append({"object": "deals", "original": deal.id, "copy": copy.id, "kind": "same_deal"})
        world.schedule(world.later(rng, at, 1, 30), merge_deals, deal.id, copy.id)
    elif deal.properties["hs_is_closed"] == "false":
        owner_id = rng.choice(world.sellers()).id
        world.store.change(deal, at, {"hubspot_owner_id": owner_id}, user=user)


def untidy(world: World, rng: Random, at: int, deal_id: str) -> None:
    """Archived by mistake: back again."""
    deal = world.store.records["deals"].get(deal_id)
    if deal is not None and deal.archived_at is not None:
        world.store.restore(deal, at)
        world.schedule(world.later(rng, at, 2, 9), step, deal_id)


def merge_deals(world: World, rng: Random, at: int, deal_id: str, copy_id: str) -> None:
    """The deal entered twice becomes one, with a third id."""
    deal, copy = world.alive("deals", deal_id), world.alive("deals", copy_id)
    if deal is None or copy is None or deal.id == copy.id:
        return
    merged = world.store.merge(deal, copy, at)
    contracts.follow_merge(world, deal, copy, merged)
    for known in world.duplicates:
        if known["copy"] == copy_id:
            known |= {"merged_at": str(at), "merged_into": merged.id}
    if merged.properties["hs_is_closed"] == "false":
        world.schedule(world.later(rng, at, 2, 9), step, merged.id)
