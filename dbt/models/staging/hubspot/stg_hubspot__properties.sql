-- grain: one row per object and property that the portal has at K; archived ones are out
select split_part(record_id, '.', 1) as object, {{ json_text('payload', 'name') }} as property
from (
    select *, row_number() over (
        partition by record_id order by landed_at desc, version_at desc, is_deleted desc, payload_hash desc
    ) as choice
    from {{ source('hubspot', 'properties') }} where {{ known('landed_at') }}
) as landed
where choice = 1 and not is_deleted and coalesce({{ json_text('payload', 'archived') }}, 'false') <> 'true'
