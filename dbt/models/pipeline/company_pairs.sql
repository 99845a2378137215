-- grain: one row per pair of source companies that were compared and are worth showing: joined, waiting for a ruling, or refused
-- The edges behind company_identities: what joined can be looked up and undone here. The points of the fields sum to the score.
select
    cast(pairs.left_key || '>' || pairs.right_key as string) as pair_key,
    {%- for side in ['left', 'right'] %}
    cast({{ side }}s.source as string) as {{ side }}_source,
    cast({{ side }}s.company_id as string) as {{ side }}_id,
    cast({{ side }}s.company_key as string) as {{ side }}_company_key,
    cast({{ side }}s.name as string) as {{ side }}_name,
    cast({{ side }}s.domain as string) as {{ side }}_domain,
    cast({{ record_url(side ~ 's', 'company') }} as string) as {{ side }}_url,
    {%- endfor %}
    cast(pairs.band as string) as band,
    cast(pairs.is_joined as boolean) as is_joined,
    cast(pairs.explanation as string) as explanation,
    cast(pairs.refusal as string) as refusal,
    cast(pairs.ruling as string) as ruling,
    cast(pairs.score as double) as score,
    {%- for field in ['name', 'domain', 'legal_id', 'phone', 'place'] %}
    cast(pairs.points_{{ field }} as double) as points_{{ field }}{{ ',' if not loop.last }}
    {%- endfor %}
from {{ ref('int_matching__company_pairs') }} as pairs
inner join {{ ref('int_pipeline__company_records') }} as lefts on pairs.left_key = lefts.record_key
inner join {{ ref('int_pipeline__company_records') }} as rights on pairs.right_key = rights.record_key
