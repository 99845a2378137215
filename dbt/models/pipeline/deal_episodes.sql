-- grain: one row per deal and episode: from opening (or reopening) to its closing, the last one running where the deal is open
-- A deal that is reopened starts a new episode; one that is archived and restored, or moved between closed stages, does not. Outcome and
-- closing of an episode are those of its last closed interval. Only the last episode books (kpis.md 0.5); cycle length starts at the first.
with living as (
    select * from {{ ref('deal_versions') }} where life_state in ('open', 'won', 'lost')
),

numbered as (
    select *, sum(is_reopened) over (partition by deal_key order by valid_from nulls last rows between unbounded preceding and current row) + 1 as episode_number
    from (
        select
            *, case
                when life_state = 'open' and lag(life_state) over (partition by deal_key order by valid_from nulls last) in ('won', 'lost') then 1 else 0
            end as is_reopened,
            case when life_state = lag(life_state) over (partition by deal_key order by valid_from nulls last) then 0 else 1 end as is_turn
        from living
    ) as compared
),

episodes as (
    select
        deal_key, episode_number, min(valid_from) as opened_at,
        max(case when life_state <> 'open' and is_turn = 1 then valid_from end) as closed_at,
        max_by(life_state, valid_from) filter (where life_state is not null) as outcome,
        max(valid_from) as newest_from,
        max(case when is_reconstructed then 1 else 0 end) = 1 as is_reconstructed, max(known_from) as known_from
    from numbered
    group by deal_key, episode_number
),

newest as (
    select
        numbered.deal_key, numbered.episode_number, numbered.amount, numbered.currency, numbered.owner_key, numbered.team,
        case episodes.outcome
            when 'open' then {{ as_of_date() }}
            when 'won' then coalesce(numbered.close_date, {{ local_date('episodes.closed_at') }})
            else {{ local_date('episodes.closed_at') }}
        end as valued_date
    from numbered
    inner join episodes
        on numbered.deal_key = episodes.deal_key and numbered.episode_number = episodes.episode_number and numbered.valid_from = episodes.newest_from
),

at_closing as (
    select numbered.deal_key, numbered.episode_number, numbered.owner_key, numbered.team
    from numbered
    inner join episodes
        on numbered.deal_key = episodes.deal_key and numbered.episode_number = episodes.episode_number and numbered.valid_from = episodes.closed_at
),

qualified as (
    select visits.deal_key, episodes.episode_number, min(visits.entered_at) as sao_at
    from {{ ref('deal_stage_visits') }} as visits
    inner join {{ ref('stages') }} as stages
        on split_part(visits.deal_key, ':', 1) = stages.source and visits.pipeline_id = stages.pipeline_id and visits.stage_id = stages.stage_id
    inner join episodes
        on visits.deal_key = episodes.deal_key and visits.entered_at >= episodes.opened_at
        and (visits.entered_at < episodes.closed_at or episodes.closed_at is null)
    where visits.stage_rank >= stages.qualified_rank
    group by visits.deal_key, episodes.episode_number
)

select
    cast(episodes.deal_key as string) as deal_key,
    cast(episodes.episode_number as bigint) as episode_number,
    episodes.opened_at,
    qualified.sao_at,
    case when episodes.outcome <> 'open' then episodes.closed_at end as closed_at,
    cast(episodes.outcome as string) as outcome,
    cast({{ in_base('newest.amount', 'newest.currency', rate_for('rates', 'episodes.outcome')) }} as decimal(18, 2)) as amount_base,
    cast(coalesce(at_closing.owner_key, newest.owner_key) as string) as owner_key,
    cast(coalesce(at_closing.team, newest.team) as string) as team,
    cast(episodes.is_reconstructed as boolean) as is_reconstructed,
    episodes.known_from
from episodes
inner join newest on episodes.deal_key = newest.deal_key and episodes.episode_number = newest.episode_number
left join {{ ref('exchange_rates') }} as rates on {{ rate_of('rates', 'newest.currency', 'newest.valued_date') }}
left join at_closing on episodes.deal_key = at_closing.deal_key and episodes.episode_number = at_closing.episode_number
left join qualified on episodes.deal_key = qualified.deal_key and episodes.episode_number = qualified.episode_number
