-- grain: one row per source company (and per company name that only deals know): the golden company that it is
-- joined are: records merged in the CRM, over any number of merges, and living records that the matching engine joins (matching.md, band
-- automatic); a company known by name alone, and a removed record, keep their key and lend it to nobody
with joins as (
    select pairs.record_key, pairs.explanation, row_number() over (
        partition by pairs.record_key order by case when pairs.other_key = clusters.cluster_key then 0 else 1 end, pairs.score desc, pairs.other_key nulls last
    ) as place
    from (
        select left_key as record_key, right_key as other_key, score, explanation from {{ ref('int_matching__company_pairs') }} where is_joined
        union all
        select right_key, left_key, score, explanation from {{ ref('int_matching__company_pairs') }} where is_joined
    ) as pairs
    inner join {{ ref('int_matching__company_clusters') }} as clusters on pairs.record_key = clusters.record_key
)

select
    cast(records.source as string) as source,
    cast(records.company_id as string) as company_id,
    cast(coalesce(clusters.cluster_key, records.root_key) as string) as company_key,
    coalesce(records.created_at, records.known_from) as valid_from,
    cast(null as {{ instant_type() }}) as valid_to,
    cast(case
        when records.root_key <> records.record_key then 'merged in ' || {{ crm_name('records.source') }}
        when coalesce(clusters.cluster_key, records.root_key) <> records.record_key then coalesce(joins.explanation, 'through another record')
        when records.record_state = 'named only' then 'named by deals or activities, in no company list'
        else 'own record'
    end as string) as reason,
    cast(records.record_state as string) as record_state
from {{ ref('int_matching__company_records') }} as records
left join {{ ref('int_matching__company_clusters') }} as clusters on records.root_key = clusters.record_key
left join joins on records.record_key = joins.record_key and joins.place = 1
