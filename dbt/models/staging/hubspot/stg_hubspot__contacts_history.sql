-- grain: one row per contact, field, instant and place at that instant (1 = the vendor's newest), cut by (E, K)
-- '' = was set to empty
{%- set fields = {
    'email': 'email', 'title': 'jobtitle', 'email_bounce': 'hs_email_hard_bounce_reason_enum', 'lifecycle_stage': 'lifecyclestage',
    'owner_id': 'hubspot_owner_id', 'latest_source': 'hs_latest_source'
} %}
with changes as (
    {{ vendor_history(source('hubspot', 'contacts_history'), 'contact_id', fields) }}
)

select
    contact_id, field,
    case field
        when 'email_bounce' then coalesce({{ bounce_kind('value') }}, '') when 'lifecycle_stage' then lower(trim(value)) when 'owner_id' then trim(value)
        else value
    end as value,
    changed_at, position, changed_by, changed_through, is_automatic, known_from
from changes
