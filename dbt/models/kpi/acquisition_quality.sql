-- grain: one row per dimension and member that acquired a customer
-- M27: what became of customers twelve months after their first contract began, by what won them: the common dimensions, size, discount, quartile of
-- the length of the sales cycle (q1 the shortest), whether the deal skipped a stage. Customers younger than twelve months are in customer_count and
-- in the Kaplan-Meier figures alone, which are those of churn_curve after a year, NULL where nobody was followed that long. A member is
-- associated with its churn, not the cause of it; small ones are shrunk towards the rate of the dimension (S5), and never ranked below 10 (is_rankable).
with summed as (
    select
        dimension, member_key, max(member) as member, count(*) as customer_count,
        sum(case when is_matured then 1 else 0 end) as matured_count,
        sum(case when is_matured and closing = 0 then 1 else 0 end) as churned_count,
        sum(case when is_matured then opening else 0 end) as opening_arr,
        sum(case when is_matured then closing else 0 end) as closing_arr,
        sum(case when is_matured then least(opening, closing) else 0 end) as kept_arr
    from {{ ref('int_kpi__acquired_members') }}
    group by dimension, member_key
),

a_year as (
    select
        dimension, member_key, max(day) >= 365 or min(survival) = 0 as is_followed,
        min(case when day <= 365 then survival end) as survival,
        max_by(survival_low, day) filter (where day <= 365 and survival_low is not null) as survival_low,
        max_by(survival_high, day) filter (where day <= 365 and survival_high is not null) as survival_high
    from {{ ref('churn_curve') }}
    group by dimension, member_key
),

posteriors as (
    select
        summed.dimension, summed.member_key, strengths.rate, summed.churned_count + strengths.rate * strengths.strength as a,
        summed.matured_count - summed.churned_count + (1 - strengths.rate) * strengths.strength as b
    from summed
    inner join {{ prior_strength('summed', ['dimension'], 'churned_count', 'matured_count') }} as strengths on summed.dimension = strengths.dimension
    where summed.matured_count > 0
),

-- a dimension without churn, or with nothing else, leaves no curve to take quantiles of
curved as (
    select * from posteriors where a >= 0.5 and b >= 0.5
),

intervals as (
    select * from {{ beta_summary('curved', ['dimension', 'member_key'], 'a', 'b', 'rate') }} as betas
)

select
    cast(summed.dimension as string) as dimension,
    cast(summed.member_key as string) as member_key,
    cast(summed.member as string) as member,
    cast(summed.customer_count as bigint) as customer_count,
    cast(summed.matured_count as bigint) as matured_count,
    cast(summed.opening_arr as decimal(18, 2)) as opening_arr,
    cast(summed.kept_arr as decimal(18, 2)) as kept_arr,
    cast(summed.closing_arr as decimal(18, 2)) as closing_arr,
    cast(cast(summed.kept_arr as double) / nullif(cast(summed.opening_arr as double), 0) as double) as grr,
    cast(cast(summed.closing_arr as double) / nullif(cast(summed.opening_arr as double), 0) as double) as nrr,
    cast(summed.churned_count as bigint) as churned_count,
    cast(summed.churned_count / nullif(cast(summed.matured_count as double), 0) as double) as churn_rate,
    cast({{ wilson('summed.churned_count', 'summed.matured_count', -1) }} as double) as churn_rate_low,
    cast({{ wilson('summed.churned_count', 'summed.matured_count', 1) }} as double) as churn_rate_high,
    cast(round((posteriors.a / nullif(posteriors.a + posteriors.b, 0)) * 1e12) / 1e12 as double) as shrunk_churn_rate,
    cast(intervals.low as double) as shrunk_churn_low,
    cast(intervals.high as double) as shrunk_churn_high,
    cast(case when a_year.is_followed then round((1 - coalesce(a_year.survival, 1)) * 1e12) / 1e12 end as double) as lapse_rate_km,
    cast(case when a_year.is_followed and a_year.survival > 0 then round((1 - a_year.survival_high) * 1e12) / 1e12 end as double) as lapse_rate_low,
    cast(case when a_year.is_followed and a_year.survival > 0 then round((1 - a_year.survival_low) * 1e12) / 1e12 end as double) as lapse_rate_high,
    cast(summed.matured_count >= 10 as boolean) as is_rankable
from summed
inner join a_year on summed.dimension = a_year.dimension and summed.member_key = a_year.member_key
left join posteriors on summed.dimension = posteriors.dimension and summed.member_key = posteriors.member_key
left join intervals on summed.dimension = intervals.dimension and summed.member_key = intervals.member_key
