-- grain: one row per deal, field, instant and place at that instant (1 = the vendor's newest), cut by (E, K)
-- '' = was set to empty; the value is as the record's own column would be: dates and amounts in one spelling
{%- set fields = deal_history_properties() %}
{%- for field, property in rule_properties().items() %}{% do fields.update({field: property}) %}{% endfor %}
with changes as (
    {{ vendor_history(source('hubspot', 'deals_history'), 'deal_id', fields) }}
)

select
    changes.deal_id, changes.field,
    case
        when changes.field = 'amount' then coalesce(cast({{ money('changes.value') }} as string), '')
        when changes.field in ('close_date', 'next_step_date', 'legal_date', 'signed_date')
            then coalesce(cast({{ vendor_date('changes.value', 'portal.zone') }} as string), '')
        else trim(changes.value)
    end as value,
    changes.changed_at, changes.position, changes.changed_by, changes.changed_through, changes.is_automatic, changes.known_from
from changes
cross join {{ portal() }} as portal
