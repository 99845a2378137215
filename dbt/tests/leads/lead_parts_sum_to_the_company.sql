-- I11: in every period, the members of a dimension add up to the company, in counts and in value
{%- set tables = {
    'lead_response': [
        'lead_count', 'answered_count', 'unanswered_count', 'already_in_contact_count', 'excluded_count', 'met_count', 'breached_count', 'not_due_count'
    ],
    'lead_funnel': ['lead_count', 'contacted_count', 'meeting_held_count', 'meeting_sao_count', 'sao_count', 'won_count', 'open_count', 'won_value'],
} %}
{%- for name, columns in tables.items() %}
select '{{ name }}' as table_name, parts.dimension, parts.period_grain, parts.period_start
from (
    select
        {%- for column in columns %}
        sum({{ column }}) as {{ column }},
        {%- endfor %}
        dimension, period_grain, period_start
    from {{ ref(name) }}
    group by dimension, period_grain, period_start
) as parts
left join {{ ref(name) }} as company
    on parts.period_grain = company.period_grain and parts.period_start is not distinct from company.period_start and company.dimension = 'company'
where company.lead_count is null
    {%- for column in columns %}
    or parts.{{ column }} <> company.{{ column }}
    {%- endfor %}
{% if not loop.last %}union all{% endif %}
{%- endfor %}
