-- grain: one row per ledger line: what a win, its reversal or a later edit of it adds to the bookings of a day
-- The lines of a deal sum to what it books as of E: its amount while won, nothing while open, lost, removed or merged. `booked_on` is the
-- day the line belongs to (close date of the win, else the day it was won), `recorded_on` the local day on which it happened in the CRM.
-- A reversal or a moved close date keeps the original booked_on. Contractions are negative whatever sign was typed. Owner and team are
-- those of the move into the won stage. Excluded deals have no lines. A win without an amount has a line of 0. Every line is at the booking rate of its booked_on.
with states as (
    select
        versions.deal_key, versions.valid_from, versions.known_from, versions.is_reconstructed, versions.life_state = 'won' as is_won, versions.close_date,
        versions.owner_key, versions.team, versions.currency, versions.pipeline_id, versions.stage_id, deals.order_type,
        case when deals.order_type = 'contraction' then -abs(versions.amount) else versions.amount end as amount
    from {{ ref('deal_versions') }} as versions
    inner join {{ ref('deals') }} as deals on versions.deal_key = deals.deal_key
    where not deals.is_excluded
),

-- a won deal that is moved on to another won stage is closed by that move
wins as (
    select *, sum(is_start) over (partition by deal_key order by valid_from nulls last rows between unbounded preceding and current row) as win_number
    from (
        select
            *, case when is_won and not coalesce(
                lag(is_won) over moves and lag(pipeline_id) over moves = pipeline_id and lag(stage_id) over moves = stage_id, false
            ) then 1 else 0 end as is_start
        from states
        window moves as (partition by deal_key order by valid_from nulls last)
    ) as compared
),

starts as (
    select deal_key, win_number, valid_from as won_at, owner_key, team from wins where is_start = 1
),

booked as (
    select
        dated.deal_key, dated.valid_from, dated.known_from, dated.is_reconstructed, dated.is_won, dated.order_type, dated.owner_key, dated.team, dated.booked_on,
        coalesce({{ in_base('dated.amount', 'dated.currency', 'rates.booking_rate_to_base') }}, 0) as amount_base
    from (
        select
            wins.deal_key, wins.valid_from, wins.known_from, wins.is_reconstructed, wins.is_won, wins.order_type, wins.amount, wins.currency,
            starts.owner_key, starts.team, coalesce(wins.close_date, {{ local_date('starts.won_at') }}) as booked_on
        from wins
        inner join starts on wins.deal_key = starts.deal_key and wins.win_number = starts.win_number
    ) as dated
    left join {{ ref('exchange_rates') }} as rates on {{ rate_of('rates', 'dated.currency', 'dated.booked_on') }}
),

steps as (
    select
        *,
        {%- for column in ['is_won', 'booked_on', 'amount_base', 'owner_key', 'team'] %}
        lag({{ column }}) over (partition by deal_key order by valid_from nulls last) as {{ column }}_before{{ ',' if not loop.last }}
        {%- endfor %}
    from booked
),

moved as (
    select *, booked_on <> booked_on_before or coalesce(owner_key, '') <> coalesce(owner_key_before, '') or coalesce(team, '') <> coalesce(team_before, '') as is_moved
    from steps
),

lines as (
    select deal_key, case when order_type = 'contraction' then 'contraction' else 'won' end as kind, 1 as place, booked_on, amount_base, valid_from, known_from,
        owner_key, team, order_type, is_reconstructed
    from moved where is_won and not coalesce(is_won_before, false)
    union all
    select deal_key, 'reversal', 1, booked_on_before, -amount_base_before, valid_from, known_from, owner_key_before, team_before, order_type, is_reconstructed
    from moved where not is_won and is_won_before
    union all
    select deal_key, 'edit', 1, booked_on, amount_base - amount_base_before, valid_from, known_from, owner_key, team, order_type, is_reconstructed
    from moved where is_won and is_won_before and not is_moved and amount_base <> amount_base_before
    union all
    select deal_key, 'edit', 1, booked_on_before, -amount_base_before, valid_from, known_from, owner_key_before, team_before, order_type, is_reconstructed
    from moved where is_won and is_won_before and is_moved
    union all
    select deal_key, 'edit', 2, booked_on, amount_base, valid_from, known_from, owner_key, team, order_type, is_reconstructed
    from moved where is_won and is_won_before and is_moved
)

select
    cast(deal_key as string) as deal_key,
    cast(row_number() over (partition by deal_key order by valid_from nulls last, place nulls last) as bigint) as line_number,
    cast(kind as string) as kind,
    cast(booked_on as date) as booked_on,
    cast({{ local_date('valid_from') }} as date) as recorded_on,
    valid_from as recorded_at,
    known_from,
    cast(amount_base as decimal(18, 2)) as amount_base,
    cast(owner_key as string) as owner_key,
    cast(team as string) as team,
    cast(order_type as string) as order_type,
    cast(is_reconstructed as boolean) as is_reconstructed
from lines
