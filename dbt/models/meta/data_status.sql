-- grain: one row per source object: how fresh what the marts are made of is, on the clock of extraction and on that of events
with rows_held as (
    {%- for source_name, tables in landed_objects().items() %}
    {%- set outer_loop = loop %}
    {%- for table in tables %}
    select '{{ source_name }}' as source, '{{ table }}' as object, count(distinct record_id) as row_count,
        max(case when version_at <= {{ as_of() }} then version_at end) as newest_event_at, max(version_at) as latest_stamp_at
    from {{ source(source_name, table) }} where {{ known('landed_at') }}
    {{ 'union all' if not (outer_loop.last and loop.last) }}
    {%- endfor %}
    {%- endfor %}
),

-- rates age in hours of bank days, each of which begins at 16:00 the day before: when the rates before it were published
working_days as (
    select 'company' as clock, opens_at, closes_at from {{ ref('calendar') }}
    where country = '{{ var("company_country") }}' and is_working_day and opens_at is not null and opens_at <= {{ as_of() }}
    union all
    select 'bank', {{ rates_published_at('bank_days.day_before') }}, {{ rates_published_at('bank_days.date') }}
    from (
        select calendar.date, cast(calendar.date - interval 1 day as date) as day_before
        from {{ ref('calendar') }} as calendar
        left join {{ ref('public_holidays') }} as closed on calendar.date = closed.date and closed.country = 'XECB'
        where calendar.country = '{{ var("company_country") }}' and closed.date is null and {{ iso_weekday('calendar.date') }} <= 5
            and calendar.date <= cast({{ as_of_date() }} + interval 3 day as date)
    ) as bank_days
),

event_ages as (
    select rows_held.source, rows_held.object, sum({{ elapsed_seconds(
        'greatest(working_days.opens_at, rows_held.newest_event_at)', 'least(working_days.closes_at, ' ~ as_of() ~ ')'
    ) }}) / 3600 as event_age_business_hours
    from rows_held
    inner join working_days on working_days.closes_at > rows_held.newest_event_at and working_days.opens_at <= {{ as_of() }}
        and working_days.clock = case when rows_held.source = 'exchange_rates' then 'bank' else 'company' end
    group by rows_held.source, rows_held.object
),

aged as (
    select
        settings.source, settings.object, settings.is_enabled, settings.error_hours, settings.event_error_business_hours, sync.state, sync.state_reason,
        sync.last_success_at, rows_held.row_count, rows_held.newest_event_at, rows_held.latest_stamp_at,
        {{ elapsed_seconds('sync.last_success_at', night_clock()) }} / 3600 as extract_age_hours,
        case when rows_held.newest_event_at is not null then greatest(coalesce(event_ages.event_age_business_hours, 0), 0) end as event_age_business_hours
    from {{ source('landing', 'settings_objects') }} as settings
    left join {{ source('landing', 'sync_state') }} as sync on settings.source = sync.source and settings.object = sync.object
    left join rows_held on settings.source = rows_held.source and settings.object = rows_held.object
    left join event_ages on settings.source = event_ages.source and settings.object = event_ages.object
),

judged as (
    select *, case
        when not coalesce(is_enabled, false) then 'not_enabled'
        when state = 'not_permitted' then 'not_permitted'
        when state = 'skipped' then 'not_needed'
        when state is null or state not in ('ok', 'empty') then 'failed'
        when extract_age_hours > error_hours or event_age_business_hours > event_error_business_hours then 'stale'
        when coalesce(row_count, 0) = 0 then 'empty'
        else 'fresh'
    end as status
    from aged
),

lead_records as (
    select source, count(*) as lead_count from {{ ref('int_crm__leads') }} group by source
)

select
    cast(judged.source as string) as source,
    cast(judged.object as string) as object,
    {{ as_of() }} as as_of,
    cast(judged.status as string) as state,
    cast(case judged.status
        when 'not_enabled' then 'not enabled in the configuration: not asked'
        when 'stale' then case
            when judged.extract_age_hours > judged.error_hours then 'last successful extraction is older than allowed'
            else 'newest event is older than allowed'
        end
        else judged.state_reason
    end as string) as state_reason,
    judged.newest_event_at,
    judged.last_success_at as last_extract_at,
    cast(coalesce(judged.row_count, 0) as bigint) as row_count,
    case
        when judged.status = 'stale' and judged.extract_age_hours > judged.error_hours then judged.last_success_at
        when judged.status = 'stale' then judged.newest_event_at
        when judged.status in ('failed', 'not_permitted') then judged.last_success_at
    end as stale_since,
    cast(judged.extract_age_hours as double) as extract_age_hours,
    cast(judged.event_age_business_hours as double) as event_age_business_hours,
    judged.latest_stamp_at,
    cast(case when judged.object = 'leads' then case
        when lead_records.lead_count > 0 then 'lead records of the CRM' else 'first entry of a contact into a lead lifecycle stage'
    end end as string) as lead_rule,
    cast({{ crm_lacks('judged.source', 'judged.object') }} as string) as lacks
from judged
left join lead_records on judged.source = lead_records.source
