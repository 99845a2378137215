-- grain: one row per deal, instant and field that changed: what people would read in the record's history, one line per change
-- Old and new value as text, names instead of ids. The creation is a line of field `deal`; archived, merged and restored deals are lines of
-- field `life_state`, as are won, lost and reopened. A team's change without a new seller is the seller's. Several fields that changed at one
-- instant are several lines. changed_by is the vendor's user, by name where one of ours; NULL where the source does not say.
{%- set fields = {
    'life_state': 'life_state', 'pipeline': 'pipeline', 'stage': 'stage', 'amount': 'cast(amount as string)', 'currency': 'currency',
    'close_date': 'cast(close_date as string)', 'owner': 'owner', 'team': 'team', 'forecast_category': 'forecast_category'
} %}
with described as (
    select
        versions.deal_key, versions.valid_from, versions.first_date, versions.known_from, versions.is_reconstructed, versions.amount_base, versions.life_state,
        versions.pipeline, versions.stage,
        versions.amount, versions.currency, versions.close_date, coalesce(owners.name, owners.email, versions.owner_key) as owner, versions.team,
        versions.forecast_category
    from {{ ref('deal_versions') }} as versions
    left join {{ ref('owners') }} as owners on versions.owner_key = owners.owner_key
),

compared as (
    select
        deal_key, valid_from, first_date, known_from, is_reconstructed, amount_base,
        row_number() over (partition by deal_key order by valid_from nulls last) as place,
        lag(amount) over (partition by deal_key order by valid_from nulls last) as amount_before,
        {%- for field, text in fields.items() %}
        {{ text }} as {{ field }}_new, lag({{ text }}) over (partition by deal_key order by valid_from nulls last) as {{ field }}_old{{ ',' if not loop.last }}
        {%- endfor %}
    from described
),

-- both amounts at the rate of the day of the change: a moved rate is no change of the deal
valued as (
    select
        compared.*, coalesce(compared.amount_base, 0) - coalesce({{ in_base('compared.amount_before', 'compared.currency_old', 'rates.rate_to_base') }}, 0) as amount_base_delta
    from compared
    left join {{ ref('exchange_rates') }} as rates on {{ rate_of('rates', 'compared.currency_old', 'compared.first_date') }}
),

changes as (
    select
        deal_key, valid_from, known_from, is_reconstructed, 'deal' as field, cast(null as string) as old_value, 'created in ' || stage_new as new_value,
        amount_base_delta
    from valued where place = 1
    {%- for field in fields %}
    union all
    select
        deal_key, valid_from, known_from, is_reconstructed, '{{ field }}', {{ field }}_old, {{ field }}_new,
        {% if field == 'amount' %}amount_base_delta
        {%- elif field == 'currency' %}case when coalesce(amount_old, '') = coalesce(amount_new, '') then amount_base_delta end
        {%- else %}cast(null as decimal(18, 2)){% endif %}
    from valued where place > 1 and {{ field }}_old is distinct from {{ field }}_new
    {%- endfor %}
),

authors as (
    select
        history.source || ':deal:' || history.deal_id as deal_key, history.changed_at,
        case history.field when 'stage_id' then 'stage' when 'pipeline_id' then 'pipeline' when 'owner_id' then 'owner' else history.field end as field,
        coalesce(max(owners.name), max(history.changed_by)) as changed_by, max(history.changed_through) as changed_through
    from {{ ref('int_crm__deals_history') }} as history
    left join {{ ref('int_pipeline__users') }} as users on history.source = users.source and history.changed_by = users.user_id
    left join {{ ref('owners') }} as owners on users.owner_key = owners.owner_key
    where history.position = 1
    group by history.source, history.deal_id, history.changed_at, history.field
)

select
    cast(changes.deal_key as string) as deal_key,
    changes.valid_from as changed_at,
    changes.known_from,
    cast(changes.field as string) as field,
    cast(changes.old_value as string) as old_value,
    cast(changes.new_value as string) as new_value,
    cast(changes.amount_base_delta as decimal(18, 2)) as amount_base_delta,
    cast(authors.changed_by as string) as changed_by,
    cast(authors.changed_through as string) as changed_through,
    cast(changes.is_reconstructed as boolean) as is_reconstructed
from changes
left join authors
    on changes.deal_key = authors.deal_key and changes.valid_from = authors.changed_at
    and case when changes.field in ('deal', 'life_state') then 'stage' else changes.field end = authors.field
