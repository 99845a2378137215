-- grain: one row per scope, pipeline, stage (or the whole sale), segment (or the seller's whole mix) and seller who is clearly above or below what
-- the others achieve there, and for those below with whom to learn from
-- M21: where sellers shine, and who could learn what from whom. Clearly: P(shrunk rate > expected) above 97.5 % or under 2.5 %, both tails divided by
-- how many were judged in the list (a stage over whole mixes, or over all of its segments), so that in one list of twenty chance names somebody and
-- not in every second; and the same of the plain difference from the others, who may be few themselves. At least 10 decided there. Teachers: as clearly
-- above at the same stage and segment, those of the same team first; none where nobody is. No new starter, nobody within noise; no order is meant.
{%- set place = ['scope', 'measure', 'pipeline', 'stage', 'segment'] %}
with judged as (
    select
        rates.*, owners.team,
        count(*) over (partition by rates.scope, rates.measure, rates.pipeline, rates.stage, rates.segment = 'all') as judged_count
    from {{ ref('int_kpi__seller_rates') }} as rates
    left join {{ ref('owners') }} as owners on rates.owner_key = owners.owner_key
    where rates.decided_count >= 10 and rates.expected_rate is not null
        and not coalesce(owners.started_date > cast({{ as_of_date() }} - interval 6 month as date), false)
),

tested as (
    select *, 0.025 / judged_count as chance, {{ two_sided_p('z') }} / 2 as tail from judged
),

clear as (
    select *, case when z > 0 then 'above' else 'below' end as standing
    from tested
    where tail < chance and ((z > 0 and p_above > 1 - chance) or (z < 0 and p_above < chance))
),

pairs as (
    select
        {%- for key in place %}
        learners.{{ key }},
        {%- endfor %}
        learners.owner_key, teachers.owner_key as teacher_key,
        row_number() over (
            partition by learners.owner_key
            {%- for key in place -%}
            , learners.{{ key }}
            {%- endfor %}
            order by case when teachers.team = learners.team then 0 else 1 end, teachers.decided_count desc nulls last, teachers.owner_key nulls last
        ) as place
    from clear as learners
    inner join clear as teachers
        on teachers.standing = 'above'
        {%- for key in place %}
        and learners.{{ key }} = teachers.{{ key }}
        {%- endfor %}
    where learners.standing = 'below'
)

select
    cast(clear.scope as string) as scope,
    cast(clear.measure as string) as measure,
    cast(clear.pipeline as string) as pipeline,
    cast(clear.stage as string) as stage,
    cast(clear.segment as string) as segment,
    cast(clear.owner_key as string) as owner_key,
    cast(clear.owner as string) as owner,
    cast(clear.team as string) as team,
    cast(clear.standing as string) as standing,
    cast(clear.success_count as bigint) as success_count,
    cast(clear.decided_count as bigint) as decided_count,
    cast(clear.others_decided_count as bigint) as others_decided_count,
    cast(clear.expected_rate as double) as expected_rate,
    cast(clear.shrunk_rate as double) as shrunk_rate,
    cast(clear.shrunk_low as double) as shrunk_low,
    cast(clear.shrunk_high as double) as shrunk_high,
    cast(clear.judged_count as bigint) as judged_count,
    cast(teachers.owner_key as string) as teacher_key,
    cast(teachers.owner as string) as teacher,
    cast(teachers.decided_count as bigint) as teacher_decided_count,
    cast(teachers.expected_rate as double) as teacher_expected_rate,
    cast(teachers.shrunk_rate as double) as teacher_shrunk_rate,
    cast(teachers.shrunk_low as double) as teacher_shrunk_low,
    cast(teachers.shrunk_high as double) as teacher_shrunk_high,
    cast(coalesce(teachers.team = clear.team, false) as boolean) as is_same_team
from clear
left join pairs
    on clear.owner_key = pairs.owner_key and pairs.place = 1
    {%- for key in place %}
    and clear.{{ key }} = pairs.{{ key }}
    {%- endfor %}
left join clear as teachers
    on pairs.teacher_key = teachers.owner_key
    {%- for key in place %}
    and pairs.{{ key }} = teachers.{{ key }}
    {%- endfor %}
