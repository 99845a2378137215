-- grain: one row per period grain, period, dimension and member with a lead created or a lead first contacted
-- Two cohorts, each by its card. By the lead's local creation day (M17): lead, sao, won and open counts, their rates and the value.
-- By the local day of the first contact (M18): contacted, meeting_held and meeting_sao counts and their rates; a first touch before
-- the lead's creation has its own day. Over all periods both hold the same leads.
with cohorts as (
    select
        *, created_date as cohort_date, 1 as is_created, 0 as is_contacted
    from {{ ref('int_kpi__lead_facts') }}
    union all
    select
        *, {{ local_date('contacted_at') }} as cohort_date, 0 as is_created, 1 as is_contacted
    from {{ ref('int_kpi__lead_facts') }}
    where contacted_at is not null
),

counted as (
    select
        period_grain, period_start, dimension, member_key, max(member) as member,
        sum(is_created) as lead_count,
        sum(is_contacted) as contacted_count,
        count(*) filter (where is_contacted = 1 and is_met) as meeting_held_count,
        count(*) filter (where is_contacted = 1 and is_met and is_accepted) as meeting_sao_count,
        count(*) filter (where is_created = 1 and is_accepted) as sao_count,
        count(*) filter (where is_created = 1 and is_won) as won_count,
        count(*) filter (where is_created = 1 and is_undecided) as open_count,
        sum(won_value) filter (where is_created = 1) as won_value
    from {{ cut('cohorts', 'cohort_date', ['is_created', 'is_contacted', 'is_met', 'is_accepted', 'is_won', 'is_undecided', 'won_value']) }} as facts
    where dimension not in ('order_type', 'product', 'deal_size_band')
    group by period_grain, period_start, dimension, member_key
)

select
    {{ cut_columns() }},
    cast(lead_count as bigint) as lead_count,
    cast(contacted_count as bigint) as contacted_count,
    cast(meeting_held_count as bigint) as meeting_held_count,
    cast(meeting_sao_count as bigint) as meeting_sao_count,
    cast(meeting_held_count / nullif(cast(contacted_count as double), 0) as double) as contact_to_meeting_rate,
    cast(meeting_sao_count / nullif(cast(meeting_held_count as double), 0) as double) as meeting_to_sao_rate,
    cast(sao_count as bigint) as sao_count,
    cast(won_count as bigint) as won_count,
    cast(open_count as bigint) as open_count,
    cast(sao_count / nullif(cast(lead_count as double), 0) as double) as lead_to_sao_rate,
    cast((sao_count + open_count) / nullif(cast(lead_count as double), 0) as double) as lead_to_sao_upper_rate,
    cast(won_count / nullif(cast(sao_count as double), 0) as double) as sao_to_win_rate,
    cast(coalesce(won_value, 0) as decimal(18, 2)) as won_value,
    {{ to_money('coalesce(won_value, 0) / nullif(lead_count, 0)') }} as value_per_lead
from counted
