-- grain: one row per dimension (company, country, source, segment) and member: how fast contacts go wrong, over everything known up to E
-- M31: hazard = failures / contact-months at risk (a month = 30.4375 days); a year of it = 1 - (1 - monthly)^12. Interval: Byar's approximation to the
-- exact Poisson one (Breslow and Day 1987), also with no failure at all. Time at risk runs from each proof to the next, a failure, or E.
{%- set z = 'cast(1.959964 as double)' %}
with present as (
    select
        dimension, member_key, count(*) as contact_count,
        {%- for status in ['verified', 'moved', 'silent', 'bounced', 'wrong_number', 'left'] %}
        count(*) filter (where decay_status = '{{ status }}') as {{ status }}_count{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ ref('int_kpi__contact_members') }} where not is_removed group by dimension, member_key
),

followed as (
    select
        members.dimension, members.member_key, count(*) filter (where spells.is_failure) as failure_count,
        round(sum(spells.days) / 30.4375 * 1e6) / 1e6 as months
    from {{ ref('int_kpi__contact_members') }} as members
    inner join {{ ref('int_kpi__contact_spells') }} as spells on members.contact_key = spells.contact_key
    group by members.dimension, members.member_key
),

rated as (
    select
        coalesce(present.dimension, followed.dimension) as dimension, coalesce(present.member_key, followed.member_key) as member_key,
        present.contact_count, present.verified_count, present.moved_count, present.silent_count, present.bounced_count, present.wrong_number_count,
        present.left_count, coalesce(followed.failure_count, 0) as failures, nullif(followed.months, 0) as months
    from present
    full outer join followed on present.dimension = followed.dimension and present.member_key = followed.member_key
),

bounded as (
    select
        *, failures / months as monthly,
        case
            when failures = 0 then cast(0 as double)
            else failures * power(1 - 1 / (9 * cast(failures as double)) - {{ z }} / (3 * sqrt(cast(failures as double))), 3)
        end / months as monthly_low,
        (failures + 1) * power(1 - 1 / (9 * cast(failures + 1 as double)) + {{ z }} / (3 * sqrt(cast(failures + 1 as double))), 3) / months as monthly_high
    from rated
)

select
    cast(dimension as string) as dimension,
    cast(member_key as string) as member_key,
    cast(member_key as string) as member,
    cast(coalesce(contact_count, 0) as bigint) as contact_count,
    {%- for status in ['verified', 'moved', 'silent', 'bounced', 'wrong_number', 'left'] %}
    cast(coalesce({{ status }}_count, 0) as bigint) as {{ status }}_count,
    {%- endfor %}
    cast(coalesce(bounced_count + wrong_number_count + left_count, 0) as bigint) as decayed_count,
    cast(failures as bigint) as failure_count,
    cast(months as double) as at_risk_contact_months,
    cast(round(least(monthly, 1) * 1e9) / 1e9 as double) as monthly_decay_rate,
    cast(round(least(monthly_low, 1) * 1e9) / 1e9 as double) as monthly_decay_rate_low,
    cast(round(least(monthly_high, 1) * 1e9) / 1e9 as double) as monthly_decay_rate_high,
    cast(round((1 - power(1 - least(monthly, 1), 12)) * 1e9) / 1e9 as double) as yearly_decay_rate
from bounded
