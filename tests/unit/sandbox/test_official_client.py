"""The vendor's own Python client reads and writes the practice portal unmodified: only the address is replaced."""

from __future__ import annotations

from datetime import date
from importlib import import_module

import pytest
from hubspot import HubSpot

from sandbox.catalogue import OBJECT_TYPE_IDS
from sandbox.properties import names
from sandbox.servers.hubspot import Portal, serve
from sandbox.world import live


@pytest.fixture(scope="module")
def portal():
    with serve(live(7, "tiny", date(2026, 11, 2))) as portal:
        yield portal


@pytest.fixture(scope="module")
def client(portal: Portal) -> HubSpot:
    return HubSpot(access_token=portal.token, host=portal.url)


def live_ids(portal: Portal, name: str) -> set[str]:
    return {row.id for row in portal.world.store.records[name].values() if row.archived_at is None}


@pytest.mark.parametrize("name", sorted(OBJECT_TYPE_IDS))
def test_every_object_is_listed_whole(client, portal, name) -> None:
    rows = client.crm.objects.get_all(name, properties=sorted(names(name)))
    assert {row.id for row in rows} == live_ids(portal, name)
    for row in rows[:5]:
        record = portal.world.store.records[name][row.id]
        assert {key: value for key, value in row.properties.items() if value is not None} == {
            key: value for key, value in record.properties.items() if value is not None
        }


@pytest.mark.parametrize("name", ["contacts", "companies", "deals"])
def test_typed_clients_page_search_and_batch(client, portal, name) -> None:
    package = import_module(f"hubspot.crm.{name}")
    api = getattr(client.crm, name)
    page = api.basic_api.get_page(limit=10, properties=["hs_object_id"], archived=False)
    assert len(page.results) == 10 and page.paging.next.after
    found = api.search_api.do_search(
        public_object_search_request=package.PublicObjectSearchRequest(
            filter_groups=[{"filters": [{"propertyName": "hs_object_id", "operator": "GT", "value": "0"}]}],
            sorts=[{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
            properties=["hs_object_id"], limit=200,
        )
    )  # fmt: skip
    assert found.total == len(live_ids(portal, name))
    assert [row.id for row in found.results] == sorted(live_ids(portal, name), key=int)[:200]
    asked = [row.id for row in page.results] + ["404404"]
    history = {"contacts": "lifecyclestage", "companies": "hubspot_owner_id", "deals": "dealstage"}[name]
    batch = api.batch_api.read(
        batch_read_input_simple_public_object_id=package.BatchReadInputSimplePublicObjectId(
            inputs=[{"id": key} for key in asked], properties=["hs_object_id"], properties_with_history=[history]
        )
    )
    assert [row.id for row in batch.results] == asked[:-1]
    assert batch.num_errors == 1
    entries = batch.results[0].properties_with_history[history]
    record = portal.world.store.records[name][asked[0]]
    assert [entry.value for entry in entries] == [c.value or "" for c in reversed(record.revisions(history))]


def test_owners_pipelines_and_properties(client, portal) -> None:
    archived = client.crm.owners.owners_api.get_page(archived=True)
    current = client.crm.owners.get_all()
    assert {o.id for o in current} == {o.id for o in portal.world.sellers()}
    assert {o.id for o in archived.results} | {o.id for o in current} == {o.id for o in portal.world.owners}
    pipelines = client.crm.pipelines.pipelines_api.get_all("deals").results
    assert [stage.label for stage in pipelines[0].stages][-2:] == ["Closed won", "Closed lost"]
    defined = client.crm.properties.core_api.get_all("deals").results
    assert {entry.name for entry in defined} == names("deals")


def test_associations_with_labels(client, portal) -> None:
    from hubspot.crm.associations.v4 import BatchInputPublicFetchAssociationsBatchRequest

    linked = portal.world.store.links[("deals", "contacts")]
    deal = next(key for key in sorted(live_ids(portal, "deals")) if linked.get(key))
    asked = BatchInputPublicFetchAssociationsBatchRequest(inputs=[{"id": deal}])
    answer = client.crm.associations.v4.batch_api.get_page(
        from_object_type="deals", to_object_type="contacts",
        batch_input_public_fetch_associations_batch_request=asked,
    )  # fmt: skip
    assert {str(row.to_object_id) for row in answer.results[0].to} == set(linked[deal])
    assert answer.results[0].to[0].association_types[0].type_id == 3


def test_create_change_archive_and_merge(client, portal) -> None:
    from hubspot.crm.contacts import (
        PublicMergeInput,
        SimplePublicObjectInput,
        SimplePublicObjectInputForCreate,
    )

    api = client.crm.contacts
    first, second, third = (
        api.basic_api.create(
            simple_public_object_input_for_create=SimplePublicObjectInputForCreate(
                properties={"email": f"new{number}@example.test"}, associations=[]
            )
        ).id
        for number in range(3)
    )
    change = SimplePublicObjectInput(properties={"jobtitle": "Head of Practice"})
    assert api.basic_api.update(first, simple_public_object_input=change).properties["jobtitle"] == "Head of Practice"
    api.basic_api.archive(third)
    assert third in {row.id for row in api.basic_api.get_page(archived=True, limit=100).results}
    merged = api.basic_api if not hasattr(api, "public_object_api") else api.public_object_api
    survivor = merged.merge(public_merge_input=PublicMergeInput(primary_object_id=first, object_id_to_merge=second))
    assert survivor.id not in (first, second)
    assert api.basic_api.get_by_id(first).id == survivor.id


def test_a_refusal_is_the_clients_own_exception(portal) -> None:
    from hubspot.crm.deals.exceptions import ApiException

    wrong = HubSpot(access_token="wrong", host=portal.url)
    with pytest.raises(ApiException) as caught:
        wrong.crm.deals.basic_api.get_page()
    assert caught.value.status == 401
