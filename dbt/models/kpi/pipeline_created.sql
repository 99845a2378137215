-- grain: one row per period grain, period (of the local day of acceptance), dimension and member with an accepted deal
-- M06: what was accepted, at the amount that stood 14 days later, in the period of acceptance, fixed forever: deals that were closed,
-- removed or merged since stay in (I23). Every order type. Owner and team at acceptance. A deal without an amount counts and adds nothing.
with accepted as (
    select
        sao_date, sao_owner_key as owner_key, sao_owner as owner, sao_team as team, source, pipeline, order_type, product, segment, industry, country,
        deal_size_band, created_amount_base, is_created_provisional
    from {{ ref('int_kpi__deals') }}
    where sao_date is not null
),

counted as (
    select
        period_grain, period_start, dimension, member_key, max(member) as member, count(*) as created_count, sum(created_amount_base) as created_value,
        count(*) filter (where created_amount_base is null) as missing_amount_count, count(*) filter (where is_created_provisional) as provisional_count
    from {{ cut('accepted', 'sao_date', ['created_amount_base', 'is_created_provisional']) }} as members
    group by period_grain, period_start, dimension, member_key
)

select
    {{ cut_columns() }},
    cast(created_count as bigint) as created_count,
    cast(coalesce(created_value, 0) as decimal(18, 2)) as created_value,
    cast(provisional_count > 0 as boolean) as is_provisional,
    cast(provisional_count as bigint) as provisional_count,
    cast(missing_amount_count as bigint) as missing_amount_count
from counted
