-- grain: one row per deal or lead, rule version and interval of local days [from_date, to_date) with one verdict for one reason
-- M29. A day's verdict is that of its end (of E on the as-of day). What has no row on a day is not in the rule's scope then. Layers cover the
-- scope, and of those that cover a day the strictest counts: nothing to judge (grace of a new owner, phase not reached, input not read), then
-- fail, then pass, then what the rule says by default. is_reconstructed: it rests on a value of which the source keeps no history (layer
-- basis: such a value, whatever the verdict).
{%- set defaults = [] %}
{%- for rule, default in crm_rule_defaults().items() %}{% do defaults.append([rule] + default) %}{% endfor %}
with spans as (
    select * from {{ ref('int_kpi__rule_spans') }} where kind = 'stay'
),

unread as (
    select source, rule_id, version
    from {{ ref('int_kpi__rule_inputs') }} group by source, rule_id, version having sum(case when is_landed then 1 else 0 end) = 0
),

layers as (
    select 'deal' as thing, {{ rule_layer('scope', 'cast(null as string)') }} from spans
    union all
    select 'deal', {{ rule_layer('not_applicable', "'new owner'", starts=['spans.assigned_date'], ends=['spans.judged_from']) }}
    from spans where spans.judged_from > spans.from_date
    union all
    select 'deal', {{ rule_layer('not_applicable', "'phase not reached'") }}
    from {{ ref('int_kpi__rule_spans') }} as spans
    where spans.kind = 'span' and spans.from_phase_number is not null and coalesce(spans.phase_number, 0) < spans.from_phase_number
    union all
    select 'deal', {{ rule_layer('not_applicable', "'input not read'") }}
    from spans
    inner join unread on spans.crm = unread.source and spans.rule_id = unread.rule_id and spans.version = unread.version
    {%- for family in ['fields', 'activity', 'history'] %}
    union all
    select 'deal', thing_key, rule_id, version, layer, from_date, to_date, detail, is_reconstructed from {{ ref('int_kpi__rules_of_' ~ family) }}
    {%- endfor %}
    union all
    select 'lead', thing_key, rule_id, version, layer, from_date, to_date, detail, is_reconstructed from {{ ref('int_kpi__rules_of_leads') }}
),

lived as (
    select * from layers where from_date <= {{ as_of_date() }} and (to_date is null or from_date < to_date)
),

-- what covers a day, as running sums over the days on which a layer begins or ends: no piece is held against every layer of its deal
boundaries as (
    select
        thing, thing_key, rule_id, version, boundary,
        {%- for name in ['scope', 'not_applicable', 'fail', 'pass'] %}
        sum(case when layer = '{{ name }}' then step else 0 end) as {{ name }}_step,
        {%- endfor %}
        sum(case when is_reconstructed then step else 0 end) as reconstructed_step
    from (
        select thing, thing_key, rule_id, version, layer, is_reconstructed, from_date as boundary, 1 as step from lived
        union all
        select thing, thing_key, rule_id, version, layer, is_reconstructed, to_date, -1 from lived where to_date <= {{ as_of_date() }}
    ) as steps
    group by thing, thing_key, rule_id, version, boundary
),

covered as (
    select
        thing, thing_key, rule_id, version, boundary as from_date, lead(boundary) over (
            partition by thing, thing_key, rule_id, version order by boundary nulls last
        ) as to_date,
        {%- for name in ['scope', 'not_applicable', 'fail', 'pass', 'reconstructed'] %}
        sum({{ name }}_step) over running as {{ name }}_count{{ ',' if not loop.last }}
        {%- endfor %}
    from boundaries
    window running as (partition by thing, thing_key, rule_id, version order by boundary nulls last rows between unbounded preceding and current row)
),

judged as (
    select
        covered.thing, covered.thing_key, covered.rule_id, covered.version, covered.from_date, covered.to_date,
        covered.reconstructed_count > 0 and covered.not_applicable_count = 0 as is_reconstructed,
        case
            when covered.not_applicable_count > 0 then 'not_applicable' when covered.fail_count > 0 then 'fail' when covered.pass_count > 0 then 'pass'
            else coalesce(defaults.verdict, 'pass')
        end as verdict,
        case when covered.not_applicable_count + covered.fail_count + covered.pass_count = 0 then defaults.detail end as default_detail
    from covered
    left join {{ text_rows(defaults, ['rule_id', 'verdict', 'detail']) }} as defaults on covered.rule_id = defaults.rule_id
    where covered.scope_count > 0
),

reasons as (
    select thing, thing_key, rule_id, version, from_date, {{ ordered_list('detail', 'detail') }} as detail
    from (
        select distinct judged.thing, judged.thing_key, judged.rule_id, judged.version, judged.from_date, lived.detail
        from judged
        inner join lived
            on judged.thing = lived.thing and judged.thing_key = lived.thing_key and judged.rule_id = lived.rule_id and judged.version = lived.version
            and judged.verdict = lived.layer and lived.from_date <= judged.from_date and (lived.to_date > judged.from_date or lived.to_date is null)
        where judged.verdict <> 'pass' and lived.detail is not null
    ) as named
    group by thing, thing_key, rule_id, version, from_date
),

explained as (
    select judged.*, coalesce(judged.default_detail, reasons.detail) as detail
    from judged
    left join reasons
        on judged.thing = reasons.thing and judged.thing_key = reasons.thing_key and judged.rule_id = reasons.rule_id and judged.version = reasons.version
        and judged.from_date = reasons.from_date
),

turns as (
    select *, sum(is_turn) over (
        partition by thing, thing_key, rule_id, version order by from_date nulls last rows between unbounded preceding and current row
    ) as run
    from (
        select *, case
            when from_date = lag(to_date) over by_rule and verdict = lag(verdict) over by_rule and coalesce(detail, '') = coalesce(lag(detail) over by_rule, '')
                and is_reconstructed = lag(is_reconstructed) over by_rule then 0
            else 1
        end as is_turn
        from explained
        window by_rule as (partition by thing, thing_key, rule_id, version order by from_date nulls last)
    ) as compared
)

select
    cast(turns.thing_key || '>' || turns.rule_id || '>' || cast(min(turns.from_date) as string) as string) as result_key,
    cast(turns.thing as string) as thing,
    cast(turns.thing_key as string) as thing_key,
    cast(turns.rule_id as string) as rule_id,
    cast(turns.version as bigint) as version,
    cast(max(rules.severity) as string) as severity,
    cast(min(turns.from_date) as date) as from_date,
    cast(case when count(turns.to_date) = count(*) then max(turns.to_date) end as date) as to_date,
    cast(turns.verdict as string) as verdict,
    cast(turns.detail as string) as detail,
    cast(turns.is_reconstructed as boolean) as is_reconstructed
from turns
inner join {{ ref('int_kpi__rules') }} as rules on turns.rule_id = rules.rule_id and turns.version = rules.version
group by turns.thing, turns.thing_key, turns.rule_id, turns.version, turns.run, turns.verdict, turns.detail, turns.is_reconstructed
