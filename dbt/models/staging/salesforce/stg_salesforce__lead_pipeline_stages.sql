-- grain: one row per lead status: the org has one list of them
-- The vendor says which one is a conversion; that a lead in another one is none only its name says.
with statuses as (
    {{ sf_records('lead_statuses', ['ApiName', 'MasterLabel', 'SortOrder', 'IsConverted']) }}
),

named as (
    select
        coalesce({{ filled('p.apiname') }}, {{ filled('p.masterlabel') }}) as stage_id, {{ filled('p.masterlabel') }} as label,
        try_cast(p.sortorder as bigint) as sort_order, case
            when p.isconverted = 'true' then 'won'
            when {{ matches('lower(p.masterlabel)', '(unqualified|disqualified|not converted|not interested|okvalificerad|diskvalificerad)') }} then 'lost'
            else 'open'
        end as life_state,
        row_number() over (
            partition by coalesce({{ filled('p.apiname') }}, {{ filled('p.masterlabel') }}) order by case when deletion is null then 0 else 1 end, record_id nulls last
        ) as choice
    from statuses
)

select
    'default' as pipeline_id, 'default' as pipeline, stage_id, label, life_state,
    case when life_state = 'open' then row_number() over (partition by life_state order by sort_order nulls last, stage_id nulls last) end as stage_rank
from named
where choice = 1
