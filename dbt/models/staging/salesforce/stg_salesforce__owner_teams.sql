-- grain: one row per user and interval [valid_from, valid_to) of landed versions: the role that stood for the seller's team
-- the vendor keeps no history of roles: the first version known reaches back to the beginning
with versions as (
    select
        record_id as owner_id, {{ json_text('payload', 'UserRoleId') }} as role_id, version_at,
        row_number() over (partition by record_id order by version_at nulls last, landed_at nulls last, batch_id nulls last) as version_number
    from {{ source('salesforce', 'users') }}
    where {{ known('landed_at') }} and {{ json_text('payload', 'tombstone') }} is null
),

roles as (
    {{ sf_records('user_roles', ['Name']) }}
),

dated as (
    select
        versions.owner_id, {{ filled('roles.p.name') }} as team, versions.version_number,
        case when versions.version_number = 1 then {{ timestamp_literal('1900-01-01T00:00:00+00:00') }} else versions.version_at end as valid_from
    from versions
    left join roles on versions.role_id = roles.record_id
)

select owner_id, team, valid_from, lead(valid_from) over (partition by owner_id order by version_number nulls last) as valid_to
from dated
