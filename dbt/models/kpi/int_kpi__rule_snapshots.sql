{{ config(materialized=intermediate()) }}
-- grain: one row per period grain, period and the day that speaks for it: its last one, the as-of day while it runs
-- The last 53 ISO weeks, 24 months and 8 fiscal quarters, running ones included; all = the as-of day.
with days as (
    select date, week_start, month_start, fiscal_quarter_start
    from {{ ref('calendar') }} where country = '{{ var("company_country") }}' and date <= {{ as_of_date() }}
)

{%- for grain, column, first in [
    ('week', 'week_start', week_start(as_of_date()) ~ ' - interval 364 day'), ('month', 'month_start', month_start(as_of_date()) ~ ' - interval 23 month'),
    ('quarter', 'fiscal_quarter_start', fiscal_quarter_start(as_of_date()) ~ ' - interval 21 month')
] %}

select '{{ grain }}' as period_grain, {{ column }} as period_start, max(date) as snapshot_date
from days where {{ column }} >= cast({{ first }} as date) group by {{ column }}
union all
{%- endfor %}
select 'all', cast(null as date), {{ as_of_date() }}
