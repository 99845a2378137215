{{ config(materialized=intermediate()) }}
-- grain: one row per deal that KPI tables may count: not excluded; removed and merged ones are here for the cohorts that show them
-- is_conversion_deal: neither renewal nor contraction; is_cohort_deal: and accepted (sao_at); is_rate_deal: and not removed or merged away (M08, M13, M20)
-- close_days: whole local days from acceptance to the booking date (closed date where backdated), open deals to the as-of day;
-- null where a date is missing or the end lies before the start; created_close_days: the same from the creation
-- entry_days and followed_days are for curves (S2): a deal whose history starts after its acceptance is at risk from that day on (entry_days; 0:
-- from the acceptance) until close_days (followed_days; NULL: never seen open, as one whose history starts with its closing)
-- closed_amount_plan is for rates: a credit (negative) is in none, so it is null here
-- Owner and team are those at the close (present ones while open), frozen by pipeline.deals; sao_* those at acceptance.
with dated as (
    select
        deals.*,
        case
            when deals.life_state = 'open' then {{ as_of_date() }}
            when deals.is_backdated then deals.closed_date
            else deals.booking_date
        end as end_date,
        greatest(deals.sao_date, {{ local_date('deals.first_observed_at') }}) as observed_date
    from {{ ref('deals') }} as deals
    where not deals.is_excluded
)

select
    dated.deal_key,
    dated.life_state,
    coalesce(dated.order_type, 'unknown') as order_type,
    dated.lead_source as source,
    dated.pipeline,
    dated.product,
    dated.segment,
    dated.industry,
    dated.country,
    dated.employees_band,
    dated.deal_size_band,
    dated.created_amount_base,
    dated.is_created_provisional,
    dated.company_key,
    dated.owner_key,
    coalesce(owners.name, owners.email, dated.owner_key) as owner,
    dated.team,
    dated.sao_owner_key,
    coalesce(sao_owners.name, sao_owners.email, dated.sao_owner_key) as sao_owner,
    dated.sao_team,
    dated.amount_base,
    dated.closed_amount_base,
    case when dated.closed_amount_plan >= 0 then dated.closed_amount_plan end as closed_amount_plan,
    dated.acv,
    dated.margin_share,
    dated.booking_date,
    dated.sao_date,
    dated.created_at,
    dated.closed_at,
    dated.first_observed_at,
    dated.lost_from_stage,
    dated.furthest_stage_rank,
    dated.loss_reason_group,
    case when dated.end_date >= dated.sao_date then {{ days_between('dated.sao_date', 'dated.end_date') }} end as close_days,
    {{ days_between('dated.sao_date', 'dated.observed_date') }} as entry_days,
    case
        when dated.end_date >= dated.observed_date and (
            dated.observed_date = dated.sao_date
            or (coalesce(dated.closed_date, dated.observed_date) >= dated.observed_date and coalesce(dated.closed_at <> dated.first_observed_at, true))
        ) then {{ days_between('dated.sao_date', 'dated.end_date') }}
    end as followed_days,
    case when dated.end_date >= dated.created_date then {{ days_between('dated.created_date', 'dated.end_date') }} end as created_close_days,
    case when dated.booking_date >= dated.sao_date then {{ days_between('dated.sao_date', 'dated.booking_date') }} end as booking_age_days,
    dated.sao_at is not null and coalesce(dated.order_type, 'unknown') not in ('renewal', 'contraction')
    and dated.life_state in ('open', 'won', 'lost') as is_rate_deal,
    dated.sao_at is not null and coalesce(dated.order_type, 'unknown') not in ('renewal', 'contraction') as is_cohort_deal,
    coalesce(dated.order_type, 'unknown') not in ('renewal', 'contraction') as is_conversion_deal
from dated
left join {{ ref('owners') }} as owners on dated.owner_key = owners.owner_key
left join {{ ref('owners') }} as sao_owners on dated.sao_owner_key = sao_owners.owner_key
