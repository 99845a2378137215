"""The practice company as Pipedrive, as the vendor's clients ask for it: strict v2, old v1, tokens, limits."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from sandbox.servers.pipedrive import Portal, serve
from tests.unit.ingestion.practice import tiny_world


@pytest.fixture(scope="module")
def portal():
    with serve(tiny_world(5)) as portal:
        yield portal


def get(portal: Portal, path: str, status: int = 200, **headers: str) -> Any:
    answer = requests.get(portal.url + path, headers={"x-api-token": portal.token} | headers, timeout=10)
    assert answer.status_code == status, answer.text
    return answer


def data(portal: Portal, path: str) -> Any:
    return get(portal, path).json()["data"]


def test_what_dlt_asks_of_v2_pages_to_the_end(portal) -> None:
    """Newest first, the token in the address, every page by its cursor until there is none."""
    path = f"/api/v2/deals?limit=7&sort_by=update_time&sort_direction=desc&api_token={portal.token}"
    ids, stamps, cursor = [], [], ""
    while True:
        body = requests.get(portal.url + path + (f"&cursor={cursor}" if cursor else ""), timeout=10).json()
        ids += [row["id"] for row in body["data"]]
        stamps += [row["update_time"] for row in body["data"]]
        cursor = (body.get("additional_data") or {}).get("next_cursor")
        if not cursor:
            break
    assert len(ids) == len(set(ids)) > 7 and stamps == sorted(stamps, reverse=True)
    for name in ("pipelines", "stages"):
        assert data(portal, f"/api/v2/{name}?limit=500&sort_by=update_time&sort_direction=desc")


@pytest.mark.parametrize(
    "path",
    ["deals?status=all_not_deleted", "deals?start=0", "deals?limit=501", "deals?updated_since=soon",
     "pipelines?updated_since=2026-01-01T00:00:00Z", "deals?cursor=nonsense", "persons?status=open",
     "deals/products"],
)  # fmt: skip
def test_v2_refuses_what_it_does_not_know(portal, path) -> None:
    body = get(portal, f"/api/v2/{path}", 400).json()
    assert (body["success"], body["data"], body["errorCode"]) == (False, None, 400)


def test_what_the_singer_tap_and_dlt_ask_of_v1(portal) -> None:
    deal = data(portal, "/v1/deals?limit=1")[0]
    assert "T" not in deal["add_time"] and deal["user_id"]["value"] and deal["active_flag"] is True
    flow = data(portal, f"/v1/deals/{deal['id']}/flow?all_changes=1&limit=500")
    assert {row["object"] for row in flow} == {"dealChange"}
    assert {"add_time"} <= {row["data"]["field_key"] for row in flow}
    recents = data(portal, "/v1/recents?since_timestamp=1970-01-01+00%3A00%3A00&items=deal,user&start=0&limit=500")
    assert {row["item"] for row in recents} == {"deal", "user"}
    fields = data(portal, "/v1/dealFields?start=0&limit=500")
    assert {len(field["key"]) == 40 for field in fields} == {True, False}
    page = get(portal, "/v1/notes?start=0&limit=2").json()["additional_data"]["pagination"]
    assert page == {"start": 0, "limit": 2, "more_items_in_collection": True, "next_start": 2}
    assert get(portal, "/v1/notes?start=100000").json()["data"] is None


def test_won_and_lost_are_a_status_beside_the_last_open_stage(portal) -> None:
    stages = {stage["id"]: stage for stage in data(portal, "/api/v2/stages?limit=500")}
    deals = data(portal, "/api/v2/deals?limit=500&status=won,lost")
    assert deals and {deal["status"] for deal in deals} == {"won", "lost"}
    for deal in deals:
        assert stages[deal["stage_id"]]["pipeline_id"] == deal["pipeline_id"]
        assert bool(deal["won_time"]) is (deal["status"] == "won")


def test_an_access_token_of_the_refresh_token_opens_the_same_doors(portal) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": portal.token}
    answer = requests.post(f"{portal.url}/oauth/token", data=form, auth=("id", "secret"), timeout=10).json()
    bearer = {"Authorization": f"Bearer {answer['access_token']}"}
    assert requests.get(f"{portal.url}/v1/users/me", headers=bearer, timeout=10).status_code == 200
    assert requests.get(f"{portal.url}/v1/users/me", timeout=10).status_code == 401
    refused = requests.post(f"{portal.url}/oauth/token", data=form | {"refresh_token": "x"}, timeout=10)
    assert refused.json()["error"] == "invalid_grant"


def test_every_answer_tells_what_is_left_and_a_full_window_or_an_empty_day_is_refused(portal) -> None:
    before = int(get(portal, "/api/v2/stages").headers["x-daily-ratelimit-token-remaining"])
    assert int(get(portal, "/v1/users").headers["x-daily-ratelimit-token-remaining"]) == before - 20
    portal.limits = True
    answers = [
        requests.get(f"{portal.url}/v1/users/me", headers={"x-api-token": portal.token}, timeout=10) for _ in range(22)
    ]
    portal.limits = False
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused and refused[0].headers["x-ratelimit-remaining"] == "0"
    assert refused[0].headers["x-ratelimit-reset"] == "2"
    portal.tokens_left = 10
    assert get(portal, "/v1/users", 429).headers["x-daily-ratelimit-token-remaining"] == "0"
    portal.tokens_left = portal.daily_tokens


def test_the_changelog_leads_to_what_the_deal_is(portal) -> None:
    """Played from the oldest entry on, old values are the values before, and the last ones are the record's."""
    for deal in data(portal, "/api/v2/deals?limit=30"):
        state: dict[str, Any] = {}
        for row in reversed(data(portal, f"/v1/deals/{deal['id']}/changelog?limit=500")):
            key = row["field_key"]
            assert key == "add_time" or state.get(key, row["old_value"]) == row["old_value"], (deal["id"], row)
            state[key] = row["new_value"]
        for key in ("status", "stage_id", "pipeline_id", "expected_close_date", "lost_reason"):
            assert key not in state or (state[key] or "") == str(deal[key] or ""), (deal["id"], key)
        for key, value in deal["custom_fields"].items():
            assert key not in state or (state[key] or "") == str(value or ""), (deal["id"], key)
