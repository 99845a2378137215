-- grain: one row per deal or lead, rule version and interval of local days [from_date, to_date) with one verdict for one reason
-- M29. A day's verdict is that of its end (of E on the as-of day). What has no row on a day is not in the rule's scope then. Layers cover the
-- scope, and of those that cover a day the strictest counts: nothing to judge (grace of a new owner, phase not reached, input not read), then
-- fail, then pass, then what the rule says by default. is_reconstructed: it rests on a value of which the source keeps no history (layer
-- basis: such a value, whatever the verdict).
{%- set defaults = [] %}
{%- for rule, default in crm_rule_defaults().items() %}{% do defaults.append([rule] + default) %}{% endfor %}
with spans as (
    select * from {{ ref('int_kpi__rule_spans') }}
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
    from spans where spans.from_phase_number is not null and coalesce(spans.phase_number, 0) < spans.from_phase_number
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

pieces as (
    select thing, thing_key, rule_id, version, boundary as from_date,
        lead(boundary) over (partition by thing, thing_key, rule_id, version order by boundary nulls last) as to_date
    from (
        select thing, thing_key, rule_id, version, from_date as boundary from lived
        union
        select thing, thing_key, rule_id, version, to_date from lived where to_date <= {{ as_of_date() }}
    ) as boundaries
),

covered as (
    select
        pieces.thing, pieces.thing_key, pieces.rule_id, pieces.version, pieces.from_date, pieces.to_date,
        min(case lived.layer when 'not_applicable' then 1 when 'fail' then 2 when 'pass' then 3 when 'scope' then 4 else 5 end) as strictest,
        max(case when lived.layer = 'scope' then 1 else 0 end) as is_in_scope,
        min(lived.detail) filter (where lived.layer = 'not_applicable') as not_judged_because,
        max(case when lived.is_reconstructed then 1 else 0 end) > max(case when lived.layer = 'not_applicable' then 1 else 0 end) as is_reconstructed
    from pieces
    inner join lived
        on pieces.thing = lived.thing and pieces.thing_key = lived.thing_key and pieces.rule_id = lived.rule_id and pieces.version = lived.version
        and lived.from_date <= pieces.from_date and (lived.to_date > pieces.from_date or lived.to_date is null)
    group by pieces.thing, pieces.thing_key, pieces.rule_id, pieces.version, pieces.from_date, pieces.to_date
),

reasons as (
    select thing, thing_key, rule_id, version, from_date, {{ ordered_list('detail', 'detail') }} as detail
    from (
        select distinct pieces.thing, pieces.thing_key, pieces.rule_id, pieces.version, pieces.from_date, lived.detail
        from pieces
        inner join lived
            on pieces.thing = lived.thing and pieces.thing_key = lived.thing_key and pieces.rule_id = lived.rule_id and pieces.version = lived.version
            and lived.layer = 'fail' and lived.from_date <= pieces.from_date and (lived.to_date > pieces.from_date or lived.to_date is null)
    ) as named
    group by thing, thing_key, rule_id, version, from_date
),

judged as (
    select
        covered.thing, covered.thing_key, covered.rule_id, covered.version, covered.from_date, covered.to_date, covered.is_reconstructed,
        case covered.strictest when 1 then 'not_applicable' when 2 then 'fail' when 3 then 'pass' else coalesce(defaults.verdict, 'pass') end as verdict,
        case covered.strictest when 1 then covered.not_judged_because when 2 then reasons.detail when 4 then defaults.detail end as detail
    from covered
    left join {{ text_rows(defaults, ['rule_id', 'verdict', 'detail']) }} as defaults on covered.rule_id = defaults.rule_id
    left join reasons
        on covered.thing = reasons.thing and covered.thing_key = reasons.thing_key and covered.rule_id = reasons.rule_id and covered.version = reasons.version
        and covered.from_date = reasons.from_date
    where covered.is_in_scope = 1
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
        from judged
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
