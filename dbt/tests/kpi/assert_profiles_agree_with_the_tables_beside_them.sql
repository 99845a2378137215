-- I11: the members of a dimension of one part (not technology and signal: a company has several) sum to the company
-- decided deals are those of win_rate, yearly values those of retention, of the same periods
{%- set quarter = fiscal_quarter_start(as_of_date()) %}
with profiles as (
    select * from {{ ref('customer_profile') }} where dimension not like '% x %' and dimension not in ('technology', 'signal')
),

decided as (
    select dimension, member_key, sum(decided_count) as decided_count, sum(won_count) as won_count
    from {{ ref('win_rate') }}
    where period_grain = 'quarter' and period_start >= cast({{ quarter }} - interval 24 month as date) and period_start < {{ quarter }}
    group by dimension, member_key
),

kept as (
    select dimension, member_key, sum(opening_arr) as opening_arr, sum(customer_count) as customer_count
    from {{ ref('retention') }}
    where month in (cast({{ quarter }} - interval 1 month as date), cast({{ quarter }} - interval 13 month as date))
    group by dimension, member_key
)

select profiles.dimension, profiles.member_key, 'differs from win_rate or retention' as problem
from profiles
left join decided on profiles.dimension = decided.dimension and profiles.member_key = decided.member_key
left join kept on profiles.dimension = kept.dimension and profiles.member_key = kept.member_key
where
    profiles.customer_year_count <> coalesce(kept.customer_count, 0) or coalesce(profiles.opening_arr, 0) <> coalesce(kept.opening_arr, 0)
    or (profiles.dimension <> 'employees_band' and (
        profiles.decided_count <> coalesce(decided.decided_count, 0)
        or abs(coalesce(profiles.win_rate, 0) - coalesce(decided.won_count / nullif(cast(decided.decided_count as double), 0), 0)) > 0.000000001
    ))
union all
select parts.dimension, cast(null as string), 'does not sum to the company'
from (
    select dimension, sum(accepted_count) as accepted_count, sum(acv_count) as acv_count, sum(margin_count) as margin_count, sum(decided_count) as decided_count
    from profiles
    group by dimension
) as parts
left join profiles as company on company.dimension = 'company'
where
    parts.accepted_count <> company.accepted_count or parts.acv_count <> company.acv_count or parts.margin_count <> company.margin_count
    or parts.decided_count <> company.decided_count
