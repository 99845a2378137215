{{ config(materialized=intermediate()) }}
-- grain: one row per deal, rule version and stretch of local days on which a field of the deal breaks the rule, or leaves it nothing to judge
-- R01, R03, R04, R08, R09, R10, R16, R17, R19. Days without a row are passed. A field that its source does not have is not asked for.
-- What has no history (links to people and companies) is judged as it is now, on every day.
with spans as (
    select * from {{ ref('int_kpi__rule_spans') }}
    where (kind = 'span' and rule_id in ('R01', 'R03', 'R04', 'R08', 'R09', 'R19')) or (kind = 'stay' and rule_id in ('R10', 'R16', 'R17'))
),

landed as (
    select rule_id, version, source, field from {{ ref('int_kpi__rule_inputs') }} where is_landed
),

accounts as (
    select deal_key, count(*) as account_count, sum(case when is_marked_primary then 1 else 0 end) as marked_count
    from {{ ref('deal_companies') }} group by deal_key
),

-- R01: every field that the stage wants; R08: what a signed deal has
required as (
    select spans.*, fields.field
    from spans
    inner join {{ ref('crm_rule_fields') }} as fields
        on spans.rule_id = fields.rule_id and spans.version = fields.version and spans.phase_number >= {{ phase_number('fields.phase') }}
    inner join landed on spans.rule_id = landed.rule_id and spans.version = landed.version and spans.crm = landed.source and fields.field = landed.field
    union all
    select spans.*, landed.field
    from spans
    inner join landed on spans.rule_id = landed.rule_id and spans.version = landed.version and spans.crm = landed.source
    where spans.rule_id = 'R08' and landed.field <> 'close_date'
),

lost_reasons as (
    select
        reasons.*, coalesce(lower(trim(reasons.value)), '') as reason,
        max(case when patterns.loss_reason_group = 'competitor' then 1 else 0 end) as names_competitor
    from {{ ref('int_kpi__rule_fields') }} as reasons
    left join {{ ref('loss_reason_groups') }} as patterns on lower(reasons.value) like '%' || patterns.pattern || '%'
    where reasons.field = 'loss_reason'
    group by all
)

select {{ rule_layer('fail', "replace(required.field, '_', ' ') || ' missing'", 'required') }}
from required
left join (select distinct deal_key from {{ ref('deal_contacts') }} where is_decision_maker) as deciders on required.deal_key = deciders.deal_key
where case required.field
    when 'amount' then required.amount is null
    when 'close_date' then required.close_date is null
    when 'lead_source' then required.source is null
    when 'contact' then required.contact_key is null
    when 'company' then required.company_key is null
    when 'decision_maker' then deciders.deal_key is null
    else false
end
union all
select {{ rule_layer('fail', "replace(required.field, '_', ' ') || ' missing'", 'required', ['missing.from_date'], ['missing.to_date'], 'missing.is_reconstructed') }}
from required
inner join {{ ref('int_kpi__rule_fields') }} as missing
    on required.deal_key = missing.deal_key and required.field = missing.field and missing.value is null and {{ meets_span('missing', 'required') }}
union all
select {{ rule_layer('basis', 'cast(null as string)', 'required', ['kept.from_date'], ['kept.to_date'], 'true') }}
from required
inner join {{ ref('int_kpi__rule_fields') }} as kept
    on required.deal_key = kept.deal_key and required.field = kept.field and kept.is_reconstructed and {{ meets_span('kept', 'required') }}
union all
select {{ rule_layer('basis', 'cast(null as string)', starts=['reasons.from_date'], ends=['reasons.to_date'], is_reconstructed='true') }}
from spans
inner join lost_reasons as reasons on spans.deal_key = reasons.deal_key and reasons.is_reconstructed and {{ meets_span('reasons') }}
where spans.rule_id = 'R10'
union all
select {{ rule_layer('fail', "'close date ' || cast(spans.close_date as string) || ' has passed'", starts=['cast(spans.close_date + 1 as date)']) }}
from spans where spans.rule_id = 'R03' and spans.close_date is not null
union all
select {{ rule_layer('not_applicable', "'no close date'") }}
from spans where spans.rule_id = 'R03' and spans.close_date is null
union all
select {{ rule_layer('fail', "case when spans.amount is null then 'no amount' else 'amount is not above zero' end") }}
from spans where spans.rule_id = 'R04' and coalesce(spans.amount, 0) <= 0
union all
select {{ rule_layer('fail', "'close date lies after the day it was closed'") }}
from spans where spans.rule_id = 'R08' and spans.close_date > spans.closed_on
union all
select {{ rule_layer('fail', "case when spans.close_date < spans.created_date then 'close date lies before the creation' else 'closed before it was created' end") }}
from spans where spans.rule_id = 'R09' and (spans.close_date < spans.created_date or (spans.life_state <> 'open' and spans.closed_on < spans.created_date))
union all
select {{ rule_layer('not_applicable', "'no creation date'") }}
from spans where spans.rule_id = 'R09' and spans.created_date is null
union all
select {{ rule_layer(
    'fail', "case when reasons.reason = '' then 'no loss reason' else 'other, without a word on it' end", starts=['reasons.from_date'], ends=['reasons.to_date'],
    is_reconstructed='reasons.is_reconstructed'
) }}
from spans
inner join lost_reasons as reasons on spans.deal_key = reasons.deal_key and {{ meets_span('reasons') }}
where spans.rule_id = 'R10' and (reasons.reason = '' or spans.words like '%|' || reasons.reason || '|%')
union all
select {{ rule_layer(
    'fail', "'lost to a competitor without a name'", starts=['reasons.from_date', 'rivals.from_date'], ends=['reasons.to_date', 'rivals.to_date'],
    is_reconstructed='reasons.is_reconstructed or rivals.is_reconstructed'
) }}
from spans
inner join lost_reasons as reasons on spans.deal_key = reasons.deal_key and reasons.names_competitor = 1 and {{ meets_span('reasons') }}
inner join {{ ref('int_kpi__rule_fields') }} as rivals
    on spans.deal_key = rivals.deal_key and rivals.field = 'competitor' and rivals.value is null and {{ meets_span('rivals') }}
where spans.rule_id = 'R10'
union all
select {{ rule_layer(
    'fail', "case when spans.owner_key is null then 'no owner' when owners.left_date is not null then 'the owner has left' else 'the owner is not active' end",
    starts=['owners.left_date']
) }}
from spans
left join {{ ref('owners') }} as owners on spans.owner_key = owners.owner_key
where spans.rule_id = 'R16' and not coalesce(owners.is_active, false)
union all
select {{ rule_layer('fail', "case when accounts.deal_key is null then 'no account' else 'several primary accounts' end") }}
from spans
left join accounts on spans.deal_key = accounts.deal_key
where spans.rule_id = 'R17' and (accounts.deal_key is null or accounts.marked_count > 1)
union all
select {{ rule_layer('fail', "spans.forecast_category || ' in stage ' || cast(spans.stage_rank as string)") }}
from spans where spans.rule_id = 'R19' and spans.words like '%|' || lower(replace(spans.forecast_category, ' ', '')) || '|%' and spans.stage_rank <= spans.limit_count
union all
select {{ rule_layer('not_applicable', "'no forecast category'") }}
from spans where spans.rule_id = 'R19' and spans.forecast_category is null
