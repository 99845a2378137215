-- grain: one row per deal pipeline and stage ever seen, newest version: a stage that was taken away still explains old deals
-- a probability above 1 is a percentage and is divided once, here; rank orders the open stages of one pipeline
with stages as (
    select record_id as pipeline_id, {{ json_text('payload', 'label') }} as pipeline, is_deleted, version_at, landed_at, item, position
    from {{ json_rows(source('hubspot', 'pipelines'), 'record_id, payload, is_deleted, version_at, landed_at', 'payload', 'stages') }} as listed
    where {{ known('landed_at') }}
),

typed as (
    select
        pipeline_id, pipeline, version_at, landed_at, position, {{ json_text('item', 'id') }} as stage_id, {{ json_text('item', 'label') }} as label,
        try_cast({{ json_text('item', 'displayOrder') }} as bigint) as display_order,
        try_cast({{ json_text('item', 'metadata.probability') }} as decimal(18, 4)) as probability,
        lower({{ json_text('item', 'metadata.isClosed') }}) = 'true' as is_closed,
        max(landed_at) over (partition by pipeline_id) as pipeline_landed_at
    from stages
),

newest as (
    select * from (
        select *, row_number() over (
            partition by pipeline_id, stage_id order by version_at desc, landed_at desc, position nulls last
        ) as choice
        from typed
    ) as chosen where choice = 1
)

select
    pipeline_id, max(pipeline) over (partition by pipeline_id) as pipeline, stage_id, label,
    case when probability > 1 then probability / cast(100 as decimal(18, 4)) else probability end as probability,
    coalesce(is_closed, false) as is_closed, landed_at < max(pipeline_landed_at) over (partition by pipeline_id) as is_vanished,
    case
        when not coalesce(is_closed, false) then 'open'
        when probability >= 1 then 'won' else 'lost'
    end as life_state,
    case when not coalesce(is_closed, false) then row_number() over (
        partition by pipeline_id, coalesce(is_closed, false) order by display_order nulls last, position nulls last, stage_id nulls last
    ) end as stage_rank
from newest
