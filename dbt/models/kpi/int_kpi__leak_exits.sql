{{ config(materialized=intermediate()) }}
-- grain: one row per visit of an open stage that ended in one of the nine newest blocks of 13 whole weeks, with the cut columns
-- block 0 is the newest one. Blocks of ends, not of entries: nothing in them is still to be decided, so that a young block is like an old one.
-- worth: what a deal that got further became, NULL until that is decided.
select
    *, floor({{ days_between('exit_date', week_start(as_of_date())) }} / 91.0 - 1e-9) as block,
    case when exit_kind in ('lost', 'disqualified') then 0 else 1 end as is_advanced,
    case when exit_kind in ('lost', 'disqualified') then 1 else 0 end as is_lost,
    case when exit_kind not in ('lost', 'disqualified') and life_state in ('won', 'lost') then case life_state when 'won' then amount_base else 0 end end as worth
from {{ ref('int_kpi__stage_visits') }}
where exit_kind in ('advanced', 'skipped_ahead', 'won', 'lost', 'disqualified') and stage is not null
    and exit_date < {{ week_start(as_of_date()) }} and exit_date >= cast({{ week_start(as_of_date()) }} - interval 819 day as date)
