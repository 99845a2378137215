-- grain: one row per deal, newest version as of (E, K); deleted records are kept and say so in `deletion`, archived ones are alive
with versions as (
    {{ pd_typed('deals', [
        'title', 'owner_id', 'person_id', 'org_id', 'pipeline_id', 'stage_id', 'status', 'won_time', 'lost_time', 'currency', 'expected_close_date', 'lost_reason',
        'add_time'
    ], ['value', 'acv']) }}
),

own as (
    {{ pd_own('deals', 'versions', 'record_id') }}
),

staged as (select *, {{ pd_stage('r') }} as stage_id from versions)

select
    staged.record_id as deal_id, {{ filled('staged.r.title') }} as name, staged.stage_id, staged.r.pipeline_id as pipeline_id,
    'https://' || accounts.domain || '.pipedrive.com/deal/' || staged.record_id as url,
    own.order_type as order_type_text, own.lead_source, own.campaign, own.competitor, own.next_step, {{ filled('staged.r.lost_reason') }} as loss_reason,
    {{ pd_amount('cast(staged.r.acv as string)') }} as acv, {{ filled('staged.r.owner_id') }} as owner_id,
    staged.stage_id like '%-won' or staged.stage_id like '%-lost' as is_closed, staged.stage_id like '%-won' as is_closed_won,
    {{ pd_amount('cast(staged.r.value as string)') }} as amount, cast(staged.r.value as string) as amount_text,
    {{ vendor_date('staged.r.expected_close_date', "'UTC'") }} as close_date,
    {{ filled('staged.r.person_id') }} as contact_id, {{ filled('staged.r.org_id') }} as company_id, {{ vendor_instant('staged.r.add_time') }} as created_at,
    staged.deletion, staged.deleted_at, staged.merged_into, staged.version_at, staged.is_reconstructed, staged.known_from
from staged
left join own on staged.record_id = own.record_id
cross join {{ ref('stg_pipedrive__accounts') }} as accounts
where coalesce({{ vendor_instant('staged.r.add_time') }}, {{ as_of() }}) <= {{ as_of() }}
