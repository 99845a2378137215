-- grain: one row per record type of opportunities and stage of its sales process; a stage that was taken out of it still explains old deals
-- The record type is the pipeline, named default where there is none. A process that could not be read has every stage. Rank: the order of the
-- org's list, among the open stages of the pipeline.
with stages as (
    {{ sf_records('stages', ['ApiName', 'MasterLabel', 'SortOrder', 'IsClosed', 'IsWon']) }}
),

record_types as (
    {{ sf_records('record_types', ['Name', 'SobjectType']) }}
),

processes as (
    select * from {{ source('salesforce', 'sales_processes') }} where {{ known('landed_at') }} and not is_deleted
),

steps as (
    select distinct {{ sf_pipeline('record_id') }} as pipeline_id, {{ json_text('item', 'value') }} as stage_id
    from {{ json_rows('processes', 'record_id', 'payload', 'stages') }} as listed
),

read_processes as (select distinct pipeline_id from steps),

untyped as (
    select count(*) as deals from {{ source('salesforce', 'opportunities') }}
    where {{ known('landed_at') }} and coalesce({{ json_text('payload', 'RecordTypeId') }}, '012000000000000AAA') = '012000000000000AAA'
        and {{ json_text('payload', 'tombstone') }} is null
),

pipelines as (
    select record_id as pipeline_id, coalesce({{ filled('p.name') }}, record_id) as pipeline from record_types where p.sobjecttype = 'Opportunity'
    union all
    select 'default', 'default' from untyped
    where deals > 0 or not exists (select 1 from record_types where p.sobjecttype = 'Opportunity')
),

present as (
    select kind, record_id, max_by(label, place) filter (where label is not null) as label
    from (
        select
            'stage' as kind, record_id, {{ json_text('payload', 'MasterLabel') }} as label,
            row_number() over (partition by record_id order by version_at nulls last, landed_at nulls last, payload_hash nulls last) as place
        from {{ source('salesforce', 'stages') }} where {{ known('landed_at') }}
        union all
        select
            'pipeline', record_id, {{ json_text('payload', 'Name') }},
            row_number() over (partition by record_id order by version_at nulls last, landed_at nulls last, payload_hash nulls last)
        from {{ source('salesforce', 'record_types') }} where {{ known('landed_at') }}
    ) as named group by kind, record_id
),

-- a stage may be listed twice, under one name: the first of them counts
named as (
    select
        record_id, coalesce({{ filled('p.apiname') }}, {{ filled('p.masterlabel') }}) as stage_id, {{ filled('p.masterlabel') }} as label,
        try_cast(p.sortorder as bigint) as sort_order,
        case when p.iswon = 'true' then 'won' when p.isclosed = 'true' then 'lost' else 'open' end as life_state,
        row_number() over (
            partition by coalesce({{ filled('p.apiname') }}, {{ filled('p.masterlabel') }}) order by case when deletion is null then 0 else 1 end, record_id nulls last
        ) as choice
    from stages
)

select
    pipelines.pipeline_id, pipelines.pipeline, coalesce(present_types.label, pipelines.pipeline) as present_pipeline, named.stage_id, named.label,
    coalesce(present_stages.label, named.label) as present_label, named.life_state,
    case when named.life_state = 'open' then row_number() over (
        partition by pipelines.pipeline_id, named.life_state order by named.sort_order nulls last, named.stage_id nulls last
    ) end as stage_rank
from pipelines
cross join named
left join steps on pipelines.pipeline_id = steps.pipeline_id and named.stage_id = steps.stage_id
left join read_processes on pipelines.pipeline_id = read_processes.pipeline_id
left join present as present_types on present_types.kind = 'pipeline' and pipelines.pipeline_id = present_types.record_id
left join present as present_stages on present_stages.kind = 'stage' and named.record_id = present_stages.record_id
where named.choice = 1 and (steps.stage_id is not null or read_processes.pipeline_id is null)
