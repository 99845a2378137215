{{ config(materialized=intermediate()) }}
-- grain: one row per living contact record: what M30 counts; removed records, and those merged away in their CRM, are nobody's duplicate
-- A contact's oldest living record stands for it; every other one is a duplicate, since the local day on which it was made. Owner, team and entry
-- channel are the record's; company, country and lead source are the contact's, today's, so that the records of a contact are told apart by who made them.
-- A contact's decay, fields and company count where it stands, once.
-- waiting_count: pairs that wait for a ruling and began with this record, the newer of the two.
{%- set fields = ['email', 'phone', 'title', 'company_key', 'country'] %}
with waiting as (
    select newer_record_key, count(*) as pair_count
    from {{ ref('contact_pairs') }} where band = 'review' and ruling is null
    group by newer_record_key
),

records as (
    select *, source || ':contact:' || contact_id as record_key from {{ ref('contact_identities') }} where record_state = 'alive'
)

select
    records.record_key, records.contact_key, {{ local_date('records.valid_from') }} as date, records.record_key <> records.contact_key as is_duplicate,
    coalesce(waiting.pair_count, 0) as waiting_count,
    records.record_key = records.contact_key and contacts.decay_status in ('bounced', 'left') as is_decayed,
    case when records.record_key = records.contact_key then {{ fields | length }} else 0 end as field_count,
    case
        when records.record_key = records.contact_key then
            {%- for field in fields %}
            case when contacts.{{ field }} is not null then 1 else 0 end{{ ' +' if not loop.last }}
            {%- endfor %}
        else 0
    end as filled_count,
    records.record_key = records.contact_key and contacts.company_key is not null as has_company,
    records.record_key = records.contact_key and companies.enriched_at is not null as is_matched,
    coalesce(records.entry_channel, 'unknown') as entry_channel, records.owner_key,
    coalesce(owners.name, owners.email, records.owner_key) as owner, owners.team, companies.segment, companies.industry,
    coalesce(companies.country, contacts.country) as country, contacts.lead_source as source,
    cast(null as string) as pipeline, cast(null as string) as deal_size_band, cast(null as string) as order_type, cast(null as string) as product
from records
inner join {{ ref('contacts') }} as contacts on records.contact_key = contacts.contact_key
left join {{ ref('companies') }} as companies on contacts.company_key = companies.company_key
left join {{ ref('owners') }} as owners on records.owner_key = owners.owner_key
left join waiting on records.record_key = waiting.newer_record_key
