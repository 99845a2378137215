-- grain: one row per deal, newest version as of (E, K); deleted ones stay and say so
with deals as (
    {{ newest_records(source('toy', 'deals'), json_struct('body.payload', {'title': 'VARCHAR', 'stage': 'VARCHAR', 'made': 'VARCHAR'})) }}
)

select
    record_id as deal_id, {{ filled('p.title') }} as name, cast(null as string) as url, p.stage as stage_id, cast(null as string) as order_type_text,
    cast(null as string) as lead_source, cast(null as string) as campaign, cast(null as string) as competitor, cast(null as string) as next_step,
    cast(null as string) as loss_reason, cast(null as decimal(18, 2)) as acv, cast(null as string) as owner_id, cast(null as boolean) as is_closed,
    cast(null as boolean) as is_closed_won, is_reconstructed, {{ vendor_instant('p.made') }} as created_at, deleted_at, deletion, merged_into, version_at, known_from
from deals
where coalesce({{ vendor_instant('p.made') }}, {{ as_of() }}) <= {{ as_of() }}
