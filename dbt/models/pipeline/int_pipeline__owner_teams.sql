{{ config(materialized='ephemeral') }}
-- grain: one row per seller and interval [valid_from, valid_to): the team at that time; a sheet knows the present team only
select 'hubspot:owner:' || owner_id as owner_key, team, valid_from, valid_to
from {{ ref('stg_hubspot__owner_teams') }} where valid_to is null or valid_to > valid_from
union all
select owner_key, team, {{ timestamp_literal('1900-01-01T00:00:00+00:00') }}, cast(null as {{ instant_type() }})
from {{ ref('owners') }} where source <> 'hubspot'
