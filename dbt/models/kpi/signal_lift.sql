-- grain: one row per technology or signal that the company of any sales-accepted deal had, known then, when the deal was made
-- M32: lift = chance to be won within 90 days of acceptance with it / chance without (S2: open deals censored, loss competes). Without: deals of
-- companies of which anything from outside was known by then, but not this: a company that nobody looked up says nothing. An interval needs ten accepted
-- deals on both sides; one that holds 1 is no lift. It says what goes together, not what causes what.
{%- set keys = ['dimension', 'member', 'side'] %}
with deals as (
    select
        deal_key, company_key, followed_days, entry_days, life_state, coalesce(created_at, first_observed_at) as moment_at
    from {{ ref('int_kpi__deals') }} where is_rate_deal
),

looked_up as (
    select company_key, min(known_at) as known_at
    from (
        select company_key, greatest(valid_from, observed_at) as known_at from {{ ref('company_attributes') }}
        union all
        select company_key, known_true_from from {{ ref('int_kpi__company_traits') }}
    ) as anything
    group by company_key
),

subjects as (
    select deals.*
    from deals
    inner join looked_up on deals.company_key = looked_up.company_key and deals.moment_at >= looked_up.known_at
),

having_it as (
    select distinct subjects.deal_key, traits.dimension, traits.member
    from subjects
    inner join {{ ref('int_kpi__company_traits') }} as traits on subjects.company_key = traits.company_key
        and subjects.moment_at >= traits.known_true_from and (subjects.moment_at < traits.true_to or traits.true_to is null)
),

traits as (
    select dimension, member from having_it group by dimension, member
),

facts as (
    select
        traits.dimension, traits.member, case when having_it.deal_key is not null then 'with' else 'without' end as side, subjects.*
    from subjects
    cross join traits
    left join having_it on subjects.deal_key = having_it.deal_key and traits.dimension = having_it.dimension and traits.member = having_it.member
),

days as (
    select
        {{ keys | join(', ') }}, day,
        {%- for state in ['won', 'lost', 'open'] %}
        sum(case when is_late = 0 and life_state = '{{ state }}' then 1 else 0 end) as {{ state }}_count,
        {%- endfor %}
        sum(is_late) as late_count
    from (
        select {{ keys | join(', ') }}, life_state, followed_days as day, 0 as is_late from facts
        union all
        select {{ keys | join(', ') }}, life_state, entry_days, 1 from facts where followed_days is not null and entry_days > 0
    ) as moments
    group by {{ keys | join(', ') }}, day
),

curves as (
    select * from {{ competing_risks('days', keys) }} as curves
),

chances as (
    select * from {{ cif_win_by('curves', keys, 90) }} as chances
),

sides as (
    select
        counted.dimension, counted.member,
        {%- for side in ['with', 'without'] %}
        max(case when counted.side = '{{ side }}' then counted.deal_count end) as {{ side }}_count,
        max(case when counted.side = '{{ side }}' then chances.cif end) as {{ side }}_cif,
        max(case when counted.side = '{{ side }}' then chances.variance / nullif(chances.cif * chances.cif, 0) end) as {{ side }}_log_variance{{ ',' if not loop.last }}
        {%- endfor %}
    from (select {{ keys | join(', ') }}, count(*) as deal_count from facts group by {{ keys | join(', ') }}) as counted
    left join chances on counted.dimension = chances.dimension and counted.member = chances.member and counted.side = chances.side
    group by counted.dimension, counted.member
),

lifts as (
    select
        *, round((with_cif / nullif(without_cif, 0)) * 1e9) / 1e9 as lift, sqrt(with_log_variance + without_log_variance) as deviation,
        with_count >= 10 and without_count >= 10 as is_enough
    from sides
)

select
    cast(dimension || '>' || member as string) as row_key,
    cast(dimension as string) as dimension,
    cast(member as string) as member,
    cast(with_count as bigint) as with_count,
    cast(with_cif as double) as with_cif_win_90,
    cast(coalesce(without_count, 0) as bigint) as without_count,
    cast(without_cif as double) as without_cif_win_90,
    cast(case when is_enough then lift end as double) as lift,
    cast(case when is_enough and lift > 0 then round(exp(ln(lift) - 1.959964 * deviation) * 1e9) / 1e9 end as double) as lift_low,
    cast(case when is_enough and lift > 0 then round(exp(ln(lift) + 1.959964 * deviation) * 1e9) / 1e9 end as double) as lift_high
from lifts
