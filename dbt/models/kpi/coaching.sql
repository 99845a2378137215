-- grain: one row per scope, pipeline, stage (or the whole sale) and seller who is clearly below what is expected there, with whom to learn from
-- M21: who could learn what from whom. Below: P(shrunk rate > expected) under 2.5 % by the number of sellers judged at the stage, so that one in forty
-- lists is wrong and not every second; on at least 10 decided of the seller's own mix of segments. Teachers: sellers as clearly above at the same
-- stage, those of the same team first; none where nobody is. Who is within noise is not here at all, nor is a new starter; no order is meant.
with judged as (
    select
        seller_index.*, owners.team,
        0.025 / count(*) over (partition by seller_index.scope, seller_index.measure, seller_index.pipeline, seller_index.stage) as chance
    from {{ ref('seller_index') }} as seller_index
    left join {{ ref('owners') }} as owners on seller_index.owner_key = owners.owner_key
    where seller_index.is_rankable and not seller_index.is_new_starter
),

pairs as (
    select
        learners.scope, learners.measure, learners.pipeline, learners.stage, learners.owner_key, teachers.owner_key as teacher_key,
        row_number() over (
            partition by learners.scope, learners.measure, learners.pipeline, learners.stage, learners.owner_key
            order by case when teachers.team = learners.team then 0 else 1 end, teachers.decided_count desc nulls last, teachers.owner_key nulls last
        ) as place
    from judged as learners
    inner join judged as teachers
        on learners.scope = teachers.scope and learners.measure = teachers.measure and learners.pipeline = teachers.pipeline
        and learners.stage = teachers.stage and teachers.p_above_team > 1 - teachers.chance
    where learners.p_above_team < learners.chance
)

select
    cast(learners.scope as string) as scope,
    cast(learners.measure as string) as measure,
    cast(learners.pipeline as string) as pipeline,
    cast(learners.stage as string) as stage,
    cast(learners.owner_key as string) as owner_key,
    cast(learners.owner as string) as owner,
    cast(learners.team as string) as team,
    cast(learners.success_count as bigint) as success_count,
    cast(learners.decided_count as bigint) as decided_count,
    cast(learners.expected_rate as double) as expected_rate,
    cast(learners.shrunk_rate as double) as shrunk_rate,
    cast(learners.shrunk_low as double) as shrunk_low,
    cast(learners.shrunk_high as double) as shrunk_high,
    cast(teachers.owner_key as string) as teacher_key,
    cast(teachers.owner as string) as teacher,
    cast(teachers.decided_count as bigint) as teacher_decided_count,
    cast(teachers.expected_rate as double) as teacher_expected_rate,
    cast(teachers.shrunk_rate as double) as teacher_shrunk_rate,
    cast(teachers.shrunk_low as double) as teacher_shrunk_low,
    cast(teachers.shrunk_high as double) as teacher_shrunk_high,
    cast(coalesce(teachers.team = learners.team, false) as boolean) as is_same_team
from judged as learners
left join pairs
    on learners.scope = pairs.scope and learners.measure = pairs.measure and learners.pipeline = pairs.pipeline and learners.stage = pairs.stage
    and learners.owner_key = pairs.owner_key and pairs.place = 1
left join judged as teachers
    on pairs.scope = teachers.scope and pairs.measure = teachers.measure and pairs.pipeline = teachers.pipeline and pairs.stage = teachers.stage
    and pairs.teacher_key = teachers.owner_key
where learners.p_above_team < learners.chance
