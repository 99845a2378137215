{{ config(materialized=intermediate()) }}
-- grain: one row per deal, field, instant and place at that instant: the field's value from that instant on ('' = empty)
-- place 0 = the record's own present value, the last word; 1 = the vendor's newest entry; higher = overtaken at the same instant
{%- set fields = ['stage_id', 'pipeline_id', 'amount', 'currency', 'close_date', 'owner_id', 'forecast_category'] + rule_fields() %}
with history as (
    select source || ':deal:' || deal_id as deal_key, field, value, changed_at, known_from, position as place from {{ ref('int_crm__deals_history') }}
),

newest_history as (
    select
        deal_key, field, max(changed_at) as changed_at, min(changed_at) as first_at,
        max_by(value, changed_at) filter (where place = 1 and value is not null) as value,
        min_by(value, changed_at) filter (where place = 1 and value is not null) as first_value, min(known_from) as known_from
    from history group by deal_key, field
),

landed as (
    select *, source || ':deal:' || deal_id as deal_key from {{ ref('int_crm__deals_landed') }}
),

versions as (
    select *,
        row_number() over (partition by deal_key order by is_later nulls last, version_at nulls last, landed_at nulls last, payload_hash nulls last) as version_number,
        case when not is_later then row_number() over (partition by deal_key, is_later order by version_at desc, landed_at desc, payload_hash desc) end as newest_number
    from landed where not is_tombstone
),

deals as (
    select source || ':deal:' || deal_id as deal_key, created_at, known_from from {{ ref('int_crm__deals') }}
),

version_values as (
    {%- for field in fields %}
    select deal_key, '{{ field }}' as field, {{ field }} as value, version_at, landed_at, is_later, version_number, newest_number from versions
    {{ 'where ' ~ field ~ ' is not null' if field in rule_fields() }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

-- a field that the vendor keeps no history of has the history of our landed versions; the first one reaches back to the creation
landed_only as (
    select
        version_values.deal_key, version_values.field, version_values.value,
        case when version_values.version_number = 1 then deals.created_at else greatest(version_values.version_at, deals.created_at) end as changed_at,
        version_values.landed_at as known_from, row_number() over (
            partition by version_values.deal_key, version_values.field,
                case when version_values.version_number = 1 then deals.created_at else greatest(version_values.version_at, deals.created_at) end
            order by version_values.version_number desc
        ) as place, version_values.version_number = 1 as is_reconstructed
    from version_values
    inner join deals on version_values.deal_key = deals.deal_key
    left join newest_history on version_values.deal_key = newest_history.deal_key and version_values.field = newest_history.field
    where newest_history.deal_key is null and (version_values.version_number = 1 or not version_values.is_later)
),

corrections as (
    select version_values.deal_key, version_values.field, version_values.value, newest_history.changed_at, version_values.landed_at as known_from
    from version_values
    inner join newest_history on version_values.deal_key = newest_history.deal_key and version_values.field = newest_history.field
    where version_values.newest_number = 1 and version_values.value <> newest_history.value and version_values.version_at >= newest_history.changed_at
),

-- a deal has a stage from its first day: the earliest one known reaches back to the creation
first_stages as (
    select newest_history.deal_key, newest_history.field, newest_history.first_value as value, deals.created_at as changed_at, newest_history.known_from
    from newest_history
    inner join deals on newest_history.deal_key = deals.deal_key
    where newest_history.field in ('stage_id', 'pipeline_id') and deals.created_at < newest_history.first_at
),

deletions as (
    select landed.deal_key, landed.deletion as value, greatest(landed.version_at, deals.created_at) as changed_at, landed.landed_at as known_from,
        row_number() over (
            partition by landed.deal_key, greatest(landed.version_at, deals.created_at) order by landed.version_at desc, landed.landed_at desc, landed.deletion desc
        ) as place
    from landed
    inner join deals on landed.deal_key = deals.deal_key
    where not landed.is_later
),

sheets as (
    select
        'spreadsheets:deal:' || deal_id as deal_key, deal_id, stage, coalesce(lower(pipeline), 'default') as pipeline_id, amount, currency, close_date,
        life_state, is_deleted, version_at, landed_at,
        {{ local_midnight('coalesce(created_date, sao_date, closed_date, close_date, ' ~ local_date('least(version_at, ' ~ as_of() ~ ')') ~ ')') }} as opened_at,
        {{ sheet_closed_at() }} as ended_at
    from {{ ref('stg_spreadsheets__deals') }}
),

sheet_points as (
    select
        deal_key, 'stage_id' as field, case when life_state = 'open' or coalesce(ended_at, opened_at) <= opened_at then coalesce(lower(stage), '') else '' end as value,
        opened_at as changed_at, landed_at
    from sheets
    union all
    select deal_key, 'stage_id', coalesce(lower(stage), ''), greatest(ended_at, opened_at), landed_at
    from sheets where life_state <> 'open' and ended_at <= {{ as_of() }} and ended_at > opened_at
    union all
    select deal_key, 'life_state', case when coalesce(ended_at, opened_at) <= opened_at then life_state else 'open' end, opened_at, landed_at from sheets
    union all
    select deal_key, 'life_state', life_state, ended_at, landed_at from sheets where ended_at > opened_at and ended_at <= {{ as_of() }}
    {%- for field in ['pipeline_id', 'amount', 'currency', 'close_date'] %}
    union all
    select deal_key, '{{ field }}', coalesce(cast({{ field }} as string), ''), opened_at, landed_at from sheets
    {%- endfor %}
    union all
    select deal_key, 'deletion', 'removed', greatest(version_at, opened_at), landed_at from sheets where is_deleted
)

select history.deal_key, history.field, history.value, history.changed_at, history.place, history.known_from, false as is_reconstructed
from history inner join deals on history.deal_key = deals.deal_key
union all
select deal_key, field, value, changed_at, place, known_from, is_reconstructed from landed_only
union all
select deal_key, field, value, changed_at, 0, known_from, true from corrections
union all
select deal_key, field, value, changed_at, 1, known_from, true from first_stages
union all
select deal_key, 'deletion', value, changed_at, place, known_from, false from deletions
union all
select deal_key, field, value, changed_at, 1, landed_at, true from sheet_points
