{{ config(meta={'dagster': {'ref': {'name': 'stages'}}}) }}
-- each entry of [company.qualified_stage] names exactly one open stage, in each CRM that has one of that name; a label that two stages of a CRM share is an error
select chosen.pipeline, chosen.stage, stages.source, count(stages.stage_id) as stage_count
from {{ text_rows(var('qualified_stage').items() | list, ['pipeline', 'stage']) }} as chosen
left join {{ ref('stages') }} as stages
    on (stages.pipeline_id = chosen.pipeline or stages.present_pipeline = chosen.pipeline) and (stages.stage_id = chosen.stage or stages.present_stage = chosen.stage)
    and stages.life_state = 'open'
group by chosen.pipeline, chosen.stage, stages.source
having count(stages.stage_id) <> 1
