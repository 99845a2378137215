{{ config(meta={'dagster': {'ref': {'name': 'stages'}}}) }}
-- each entry of [company.stage_phases] names exactly one open stage, in each CRM that has one of that name; a label that two stages of a CRM share is an error
{%- set phases = [] %}
{%- for pipeline, stages in var('stage_phases').items() %}{% for stage in stages %}{% do phases.append([pipeline, stage]) %}{% endfor %}{% endfor %}
select chosen.pipeline, chosen.stage, stages.source, count(stages.stage_id) as stage_count
from {{ text_rows(phases, ['pipeline', 'stage']) }} as chosen
left join {{ ref('stages') }} as stages
    on (stages.pipeline_id = chosen.pipeline or stages.present_pipeline = chosen.pipeline) and (stages.stage_id = chosen.stage or stages.present_stage = chosen.stage)
    and stages.life_state = 'open'
group by chosen.pipeline, chosen.stage, stages.source
having count(stages.stage_id) <> 1
