{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'stages'}}}) }}
-- each row of the seed stage_map speaks of a pipeline or stage that there is; a warning, since the CRM may have dropped a stage of the past
select given.source, given.pipeline_id, given.stage_id, given.valid_from
from {{ ref('stage_map') }} as given
left join {{ ref('stages') }} as stages
    on given.source = stages.source and given.pipeline_id = stages.pipeline_id
    and (trim(given.stage_id) = stages.stage_id or coalesce(trim(given.stage_id), '') = '')
where stages.stage_id is null and coalesce(given.valid_from, cast('1900-01-01' as date)) <= {{ as_of_date() }}
