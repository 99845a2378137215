{{ config(materialized=intermediate()) }}
-- grain: one row per source and field of a deal that the CRM rules can read there: the CRM has the field, a sheet has a value in it
-- What is not here is unknown, not empty: no rule may judge by it.
select source, field from {{ ref('int_crm__fields') }}
union
select source, field
from (
    select deals.source, fields.field
    from {{ ref('deals') }} as deals
    cross join {{ text_rows(as_rows(['amount', 'close_date', 'lead_source', 'contact', 'company', 'loss_reason', 'owner']), ['field']) }} as fields
    where case fields.field
        when 'amount' then deals.amount is not null
        when 'close_date' then deals.close_date is not null
        when 'lead_source' then deals.lead_source is not null
        when 'contact' then deals.contact_key is not null
        when 'company' then deals.company_key is not null
        when 'loss_reason' then deals.source = 'spreadsheets' and deals.loss_reason is not null
        else deals.owner_key is not null
    end
) as filled
union
select split_part(deal_key, ':', 1), 'decision_maker' from {{ ref('deal_contacts') }} where is_decision_maker
union
select split_part(deal_key, ':', 1), 'activities' from {{ ref('activity_links') }} where deal_key is not null
union
select split_part(deal_key, ':', 1), 'answers' from {{ ref('activity_links') }} where deal_key is not null and {{ says_answers("split_part(deal_key, ':', 1)") }}
