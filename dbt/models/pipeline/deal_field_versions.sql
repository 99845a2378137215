-- grain: one row per deal, field that the CRM rules read, and interval [valid_from, valid_to) in which it holds one value; a field's intervals
-- tile the deal's life. Only fields that the source has (int_crm__fields, a sheet's column): what is not read has no row.
-- kpis.md 0.2: a property with vendor history has its value at the time; one without takes our landed versions, of which the first reaches back
-- to the creation, is_reconstructed. Before the first entry of a history the field was empty, as far as the vendor still remembers.
{%- set fields = rule_fields() %}
with lives as (
    select deal_key, min(valid_from) as born_at from {{ ref('deal_versions') }} group by deal_key
),

points as (
    select deal_key, field, value, changed_at, place, known_from, is_reconstructed
    from {{ ref('int_pipeline__deal_points') }}
    where field in ('{{ fields | join("', '") }}')
    union all
    select lives.deal_key, 'loss_reason', coalesce(deals.loss_reason, ''), lives.born_at, 1, deals.landed_at, true
    from {{ ref('stg_spreadsheets__deals') }} as deals
    inner join lives on 'spreadsheets:deal:' || deals.deal_id = lives.deal_key
),

instants as (
    select
        points.deal_key, points.field, greatest(points.changed_at, lives.born_at) as valid_from,
        max_by(points.value, lpad(cast({{ epoch_micros('points.changed_at') }} as string), 20, '0') || lpad(cast(999 - points.place as string), 3, '0'))
            filter (where points.value is not null) as value,
        max(points.known_from) as known_from, max(case when points.is_reconstructed then 1 else 0 end) = 1 as is_reconstructed
    from points
    inner join lives on points.deal_key = lives.deal_key
    inner join {{ ref('int_pipeline__landed_fields') }} as landed
        on split_part(points.deal_key, ':', 1) = landed.source and points.field = landed.field
    group by points.deal_key, points.field, greatest(points.changed_at, lives.born_at)
),

completed as (
    select * from instants
    union all
    select firsts.deal_key, firsts.field, lives.born_at, '', firsts.known_from, true
    from (select deal_key, field, min(valid_from) as valid_from, min(known_from) as known_from from instants group by deal_key, field) as firsts
    inner join lives on firsts.deal_key = lives.deal_key
    where firsts.valid_from > lives.born_at
),

marked as (
    select
        *, lag(value || case when is_reconstructed then '|r' else '|' end) over (partition by deal_key, field order by valid_from nulls last) as state_before
    from completed
)

select
    cast(deal_key || '>' || field || '>' || cast(row_number() over (partition by deal_key, field order by valid_from nulls last) as string) as string)
        as deal_field_version_key,
    cast(deal_key as string) as deal_key,
    cast(field as string) as field,
    cast(nullif(value, '') as string) as value,
    valid_from,
    lead(valid_from) over (partition by deal_key, field order by valid_from nulls last) as valid_to,
    cast({{ local_date('valid_from') }} as date) as first_date,
    cast({{ local_date('lead(valid_from) over (partition by deal_key, field order by valid_from nulls last)') }} as date) as end_date,
    known_from,
    cast(is_reconstructed as boolean) as is_reconstructed
from marked
where state_before is null or state_before <> value || case when is_reconstructed then '|r' else '|' end
