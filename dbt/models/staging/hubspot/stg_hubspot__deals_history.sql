-- grain: one row per deal, property, instant and place at that instant (1 = the vendor's newest), cut by (E, K)
-- '' = was set to empty; `value_typed` is the value as the record's own column would be: dates and amounts in one spelling
with changes as (
    {{ vendor_history(source('hubspot', 'deals_history'), 'deal_id') }}
)

select
    changes.deal_id, changes.property, changes.value, changes.changed_at, changes.source_type, changes.changed_by, changes.known_from, changes.position,
    case
        when changes.property = 'amount' then coalesce(cast({{ money('changes.value') }} as string), '')
        when changes.property = 'closedate'
            then coalesce(cast({{ vendor_date('changes.value', 'portal.zone') }} as string), '')
        {%- for field, property in rule_properties().items() if field.endswith('_date') %}
        when changes.property = '{{ property }}' then {{ rule_value('changes.value', field) }}
        {%- endfor %}
        else trim(changes.value)
    end as value_typed
from changes
cross join {{ portal() }} as portal
