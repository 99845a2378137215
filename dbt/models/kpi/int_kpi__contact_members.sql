{{ config(materialized=intermediate()) }}
-- grain: one row per person at one employer and dimension that contacts are cut by: company, country, source, segment
with people as (
    select
        contacts.contact_key, contacts.decay_status, contacts.is_removed, coalesce(contacts.country, 'unknown') as country,
        coalesce(contacts.lead_source, 'unknown') as source, coalesce(companies.segment, 'unknown') as segment
    from {{ ref('contacts') }} as contacts
    left join {{ ref('companies') }} as companies on contacts.company_key = companies.company_key
)

select contact_key, decay_status, is_removed, 'company' as dimension, 'all' as member_key from people
{%- for dimension in ['country', 'source', 'segment'] %}
union all
select contact_key, decay_status, is_removed, '{{ dimension }}', {{ dimension }} from people
{%- endfor %}
