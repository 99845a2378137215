{{ config(materialized=intermediate()) }}
-- grain: one row per deal that must not count, with the first reason that applies; the digit orders the reasons
with present as (
    select records.deal_key, records.source, records.name, records.company_key, records.contact_key, versions.pipeline_id
    from {{ ref('int_pipeline__deal_records') }} as records
    inner join {{ ref('deal_versions') }} as versions on records.deal_key = versions.deal_key and versions.valid_to is null
),

-- a merge that makes a third record gives it the first one's creation and history: counting both would double every day before the
-- merge. The relation holds on any day, also before the merge: it is knowledge, cut by K alone.
continued as (
    select mergers.source, mergers.merged_into, min(mergers.deal_id) as deal_id
    from (select distinct source, deal_id, merged_into from {{ ref('int_crm__deals_landed') }} where is_tombstone and merged_into <> deal_id) as mergers
    inner join {{ ref('int_crm__deals') }} as members on mergers.source = members.source and mergers.deal_id = members.deal_id
    inner join {{ ref('int_crm__deals') }} as survivors
        on mergers.source = survivors.source and mergers.merged_into = survivors.deal_id and members.created_at = survivors.created_at
    group by mergers.source, mergers.merged_into
)

select deal_key, substring(min(reason), 3, 200) as reason
from (
    select present.deal_key, '1 pipeline is not a sales pipeline' as reason
    from present
    inner join (select distinct source, pipeline_id from {{ ref('stages') }} where not is_sales) as others
        on present.source = others.source and present.pipeline_id = others.pipeline_id
    union all
    select present.deal_key, '2 pipeline is excluded by configuration'
    from present
    inner join {{ ref('int_pipeline__excluded_pipelines') }} as excluded
        on present.source = excluded.source and present.pipeline_id = excluded.pipeline_id
    union all
    select present.deal_key, '3 company or contact is internal'
    from present
    left join {{ ref('companies') }} as companies on present.company_key = companies.company_key
    left join {{ ref('int_pipeline__people') }} as contacts on present.contact_key = contacts.contact_key
    inner join {{ text_rows(as_rows(var('internal_domains')), ['domain']) }} as internal
        on companies.domain = lower(internal.domain) or contacts.email like '%@' || lower(internal.domain)
    {%- if var('exclude_deal_name_pattern') %}
    union all
    select deal_key, '4 name marks a test deal' from present where {{ matches('name', var('exclude_deal_name_pattern') | replace("'", "''")) }}
    {%- endif %}
    union all
    select source || ':deal:' || deal_id, '5 its history continues in the deal that it was merged into' from continued
) as found
group by deal_key
