{{ config(meta={'dagster': {'ref': {'name': 'contact_quality'}}}) }}
-- I17: contacts with a living record = living records less those that were joined to an older one, whatever table is asked
with sides as (
    select
        (select count(*) from {{ ref('contact_identities') }} where record_state = 'alive') as record_count,
        (select count(*) from {{ ref('contacts') }} where not is_removed) as contact_count,
        (select coalesce(sum(contact_count), 0) from {{ ref('contact_quality') }} where period_grain = 'all' and dimension = 'company') as counted_record_count,
        (select coalesce(sum(cluster_count), 0) from {{ ref('contact_quality') }} where period_grain = 'all' and dimension = 'company') as counted_contact_count,
        (select coalesce(sum(contact_count - duplicate_count), 0) from {{ ref('new_duplicates') }}) as daily_contact_count
)

select *
from sides
where record_count <> counted_record_count or contact_count <> counted_contact_count or contact_count <> daily_contact_count
