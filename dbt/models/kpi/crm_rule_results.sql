-- grain: one row per deal or lead, rule version and interval of local days [from_date, to_date) with one verdict for one reason
-- M29. A day's verdict is that of its end (of E on the as-of day). What has no row on a day is not in the rule's scope then. Layers cover the
-- scope, and of those that cover a day the strictest counts: nothing to judge (grace of a new owner, phase not reached, input not read), then
-- fail, then pass, then what the rule says by default. is_reconstructed: it rests on a value of which the source keeps no history (layer
-- basis: such a value, whatever the verdict).
{%- set defaults = [] %}
{%- for rule, default in crm_rule_defaults().items() %}{% do defaults.append([rule] + default) %}{% endfor %}
-- a number per thing and rule version: six passes over every layer carry it instead of four columns
with tracks as (
    select thing, thing_key, rule_id, version, row_number() over (order by thing_key nulls last, thing nulls last, rule_id nulls last, version nulls last) as track
    from (select distinct thing, thing_key, rule_id, version from {{ ref('int_kpi__rule_layers') }} where layer = 'scope') as scopes
),

lived as (
    select
        tracks.track, layers.from_date, layers.to_date, layers.detail, layers.is_reconstructed,
        case layers.layer when 'scope' then 1 when 'not_applicable' then 2 when 'fail' then 3 when 'pass' then 4 end as layer
    from {{ ref('int_kpi__rule_layers') }} as layers
    inner join tracks
        on layers.thing = tracks.thing and layers.thing_key = tracks.thing_key and layers.rule_id = tracks.rule_id and layers.version = tracks.version
    where layers.from_date <= {{ as_of_date() }} and (layers.to_date is null or layers.from_date < layers.to_date)
),

-- what covers a day, as running sums over the days on which a layer begins or ends: no piece is held against every layer of its deal
boundaries as (
    select
        track, boundary,
        {%- for name in ['scope', 'not_applicable', 'fail', 'pass'] %}
        sum(case when layer = {{ loop.index }} then step else 0 end) as {{ name }}_step,
        {%- endfor %}
        sum(case when is_reconstructed then step else 0 end) as reconstructed_step
    from (
        select track, layer, is_reconstructed, from_date as boundary, 1 as step from lived
        union all
        select track, layer, is_reconstructed, to_date, -1 from lived where to_date <= {{ as_of_date() }}
    ) as steps
    group by track, boundary
),

covered as (
    select
        track, boundary as from_date, lead(boundary) over (partition by track order by boundary nulls last) as to_date,
        {%- for name in ['scope', 'not_applicable', 'fail', 'pass', 'reconstructed'] %}
        sum({{ name }}_step) over running as {{ name }}_count{{ ',' if not loop.last }}
        {%- endfor %}
    from boundaries
    window running as (partition by track order by boundary nulls last rows between unbounded preceding and current row)
),

judged as (
    select
        track, from_date, to_date, reconstructed_count > 0 and not_applicable_count = 0 as is_reconstructed,
        case when not_applicable_count > 0 then 2 when fail_count > 0 then 3 when pass_count > 0 then 4 end as layer,
        case when not_applicable_count > 0 then not_applicable_count else fail_count end as reason_count
    from covered
    where scope_count > 0
),

named as (
    select judged.track, judged.from_date, judged.reason_count, lived.detail
    from judged
    inner join lived
        on judged.track = lived.track and judged.layer = lived.layer and lived.from_date <= judged.from_date
        and (lived.to_date > judged.from_date or lived.to_date is null)
    where judged.layer in (2, 3)
),

reasons as (
    select track, from_date, detail from named where reason_count = 1
    union all
    select track, from_date, {{ ordered_list('detail', 'detail') }}
    from (select distinct track, from_date, detail from named where reason_count > 1 and detail is not null) as several
    group by track, from_date
),

turns as (
    select *, sum(is_turn) over (partition by track order by from_date nulls last rows between unbounded preceding and current row) as run
    from (
        select
            judged.*, reasons.detail, case
                when judged.from_date = lag(judged.to_date) over by_rule and coalesce(judged.layer, 0) = lag(coalesce(judged.layer, 0)) over by_rule
                    and coalesce(reasons.detail, '') = lag(coalesce(reasons.detail, '')) over by_rule
                    and judged.is_reconstructed = lag(judged.is_reconstructed) over by_rule then 0
                else 1
            end as is_turn
        from judged
        left join reasons on judged.track = reasons.track and judged.from_date = reasons.from_date
        window by_rule as (partition by judged.track order by judged.from_date nulls last)
    ) as compared
),

runs as (
    select
        track, min(from_date) as from_date, case when count(to_date) = count(*) then max(to_date) end as to_date, layer, detail, is_reconstructed
    from turns
    group by track, run, layer, detail, is_reconstructed
)

select
    cast(tracks.thing_key || '>' || tracks.rule_id || '>' || cast(runs.from_date as string) as string) as result_key,
    cast(tracks.thing as string) as thing,
    cast(tracks.thing_key as string) as thing_key,
    cast(tracks.rule_id as string) as rule_id,
    cast(tracks.version as bigint) as version,
    cast(rules.severity as string) as severity,
    cast(runs.from_date as date) as from_date,
    cast(runs.to_date as date) as to_date,
    cast(case runs.layer when 2 then 'not_applicable' when 3 then 'fail' when 4 then 'pass' else coalesce(defaults.verdict, 'pass') end as string) as verdict,
    cast(case when runs.layer is null then defaults.detail else runs.detail end as string) as detail,
    cast(runs.is_reconstructed as boolean) as is_reconstructed
from runs
inner join tracks on runs.track = tracks.track
inner join {{ ref('int_kpi__rules') }} as rules on tracks.rule_id = rules.rule_id and tracks.version = rules.version
left join {{ text_rows(defaults, ['rule_id', 'verdict', 'detail']) }} as defaults on tracks.rule_id = defaults.rule_id
