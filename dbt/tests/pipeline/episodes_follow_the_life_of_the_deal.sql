{{ config(meta={'dagster': {'ref': {'name': 'deal_episodes'}}}) }}
-- I05: the last episode ends as the deal does; episodes are numbered without a gap, follow one another and only the last may run
with numbered as (
    select
        episodes.*, lead(episodes.opened_at) over (partition by episodes.deal_key order by episodes.episode_number nulls last) as next_opened_at,
        row_number() over (partition by episodes.deal_key order by episodes.opened_at nulls last) as place,
        deals.life_state, deals.closed_at as deal_closed_at, deals.source
    from {{ ref('deal_episodes') }} as episodes
    inner join {{ ref('deals') }} as deals on episodes.deal_key = deals.deal_key
)

select deal_key, episode_number, opened_at, closed_at, outcome, next_opened_at, life_state, deal_closed_at
from numbered
where place <> episode_number or closed_at > next_opened_at or (next_opened_at is not null and (outcome = 'open' or closed_at is null))
    or closed_at < opened_at or (next_opened_at is null and life_state in ('open', 'won', 'lost') and outcome <> life_state)
