-- grain: one row per contact or lead, field, instant and place at that instant (1 = the newest), cut by (E, K)
-- The source of a lead is that of the person's visit at its creation.
{%- set own = sf_own_fields('contacts') %}
{%- set fields = [
    ('email', 'Email', 'Email', 'text', none), ('title', 'Title', 'Title', 'text', none), ('owner_id', 'Owner', 'OwnerId', 'owner', none),
    ('email_bounce', 'EmailBouncedReason', 'EmailBouncedReason', 'bounce', none)
] %}
{%- for field in ['lifecycle_stage', 'latest_source'] if field in own %}
{%- do fields.append((field, own[field], own[field], 'lower' if field == 'lifecycle_stage' else 'text', none)) %}
{%- endfor %}
select contact_id, field, value, changed_at, position, changed_by, changed_through, is_automatic, known_from
from (
    {{ sf_history('contacts', 'contact_id', fields, always=true) }}
) as contacts
union all
select contact_id, field, value, changed_at, position, changed_by, changed_through, is_automatic, known_from
from (
    {{ sf_history('leads', 'contact_id', [
        ('email', 'Email', 'Email', 'text', none), ('title', 'Title', 'Title', 'text', none), ('owner_id', 'Owner', 'OwnerId', 'owner', none),
        ('latest_source', 'LeadSource', 'LeadSource', 'text', none)
    ], always=true) }}
) as leads
