{{ config(materialized=intermediate()) }}
-- grain: one row per person at one employer, or one role mailbox; each value from the record that its rule prefers (macro contact_survivors)
{%- set fields = contact_survivors() %}
select
    contact_key, min(person_key) as person_key,
    {%- for field in fields %}
    {{ survivor(field, fields) }} as {{ field }},
    {%- endfor %}
    {{ ordered_list("source || ':' || contact_id", 'age_place, contact_id') }} as source_ids, count(*) filter (where record_state = 'alive') as record_count,
    count(*) filter (where record_state = 'alive') = 0 as is_removed, min(created_at) as created_at, min(known_from) as known_from
from {{ ref('int_pipeline__contact_records') }}
group by contact_key
