-- every day of the calendar, for every country, and business time that only grows by the hours that were open
select country, min(date) as first_date, max(date) as last_date, count(*) as day_count
from {{ ref('calendar') }}
group by country
having min(date) <> cast('{{ var("calendar_start") }}' as date) or max(date) <> cast('{{ var("calendar_end") }}' as date)
    or count(*) <> {{ days_between("cast('" ~ var('calendar_start') ~ "' as date)", "cast('" ~ var('calendar_end') ~ "' as date)") }} + 1
    or sum(case when is_working_day then 1 else 0 end) <> max(working_day_number)
    or sum(case when (opens_at is not null) <> is_working_day then 1 else 0 end) > 0
