-- grain: one row per pair of living records to act on: merge the one into the other in the CRM, or rule on whether they are one. Worst harm first
-- M30. To merge: records of one source that are one contact or company here; into_record is the survivor proposed: the oldest one with a mailbox at its
-- employer's domain, else the oldest. To rule: compared pairs that the engine neither joined nor dropped, and nobody has ruled on. Harm: the open
-- pipeline of either side. Nothing is ever merged in a CRM by us.
with contacts as (
    select
        *, first_value(record_key) over (
            partition by contact_key, source order by case when email_rank = 0 then 0 else 1 end, created_at nulls last, record_key nulls last
        ) as survivor_key
    from {{ ref('int_pipeline__contact_records') }} where record_state = 'alive'
),

companies as (
    select *, first_value(record_key) over (partition by company_key, source order by created_at nulls last, record_key nulls last) as survivor_key
    from {{ ref('int_pipeline__company_records') }} where record_state = 'alive'
),

records as (
    select
        'contact' as thing, contacts.record_key, contacts.source, contacts.contact_key as golden_key, contacts.survivor_key, contacts.full_name as name,
        contacts.email as detail, contacts.owner_key, {{ record_url('contacts', 'contact') }} as url, contacts.entry_channel,
        coalesce(contacts.created_at, contacts.known_from) as entered_at
    from contacts
    union all
    select
        'company', companies.record_key, companies.source, companies.company_key, companies.survivor_key, companies.name, companies.domain,
        companies.owner_key, {{ record_url('companies', 'company') }}, cast(null as string), coalesce(companies.created_at, companies.known_from)
    from companies
),

waiting as (
    select
        'contact' as thing, left_source || ':contact:' || left_id as left_key, right_source || ':contact:' || right_id as right_key, merge_score as score,
        explanation || coalesce('; held back: ' || refusal, '') as explanation
    from {{ ref('contact_pairs') }} where band = 'review' and not is_joined and ruling is null
    union all
    select
        'company', left_source || ':company:' || left_id, right_source || ':company:' || right_id, score,
        explanation || coalesce('; held back: ' || refusal, '')
    from {{ ref('company_pairs') }} where band = 'review' and not is_joined and ruling is null
),

reasons as (
    select source || ':contact:' || contact_id as record_key, reason from {{ ref('contact_identities') }}
    union all
    select source || ':company:' || company_id, reason from {{ ref('company_identities') }}
),

actions as (
    select
        'merge' as action, folded.thing, folded.record_key, folded.survivor_key as into_key, folded.golden_key, folded.golden_key as into_golden_key,
        cast(null as double) as score,
        case when own.reason = 'own record' then coalesce(other.reason, own.reason) else own.reason end as explanation
    from records as folded
    left join reasons as own on folded.record_key = own.record_key
    left join reasons as other on folded.survivor_key = other.record_key
    where folded.record_key <> folded.survivor_key
    union all
    select
        'rule', waiting.thing, later.record_key, earlier.record_key as into_key, later.golden_key, earlier.golden_key as into_golden_key, waiting.score, waiting.explanation
    from waiting
    inner join records as lefts on waiting.left_key = lefts.record_key
    inner join records as rights on waiting.right_key = rights.record_key
    inner join records as later on later.record_key = case when lefts.entered_at > rights.entered_at then lefts.record_key else rights.record_key end
    inner join records as earlier on earlier.record_key = case when lefts.entered_at > rights.entered_at then rights.record_key else lefts.record_key end
),

open_deals as (
    select links.contact_key as golden_key, deals.deal_key, deals.amount_base
    from {{ ref('deal_contacts') }} as links
    inner join {{ ref('int_kpi__deals') }} as deals on links.deal_key = deals.deal_key and deals.life_state = 'open'
    union all
    select company_key, deal_key, amount_base from {{ ref('int_kpi__deals') }} where life_state = 'open' and company_key is not null
),

harmed as (
    select record_key, into_key, count(*) as open_deal_count, sum(amount_base) as value_at_stake
    from (
        select distinct actions.record_key, actions.into_key, open_deals.deal_key, open_deals.amount_base
        from actions
        inner join open_deals on open_deals.golden_key in (actions.golden_key, actions.into_golden_key)
    ) as touched
    group by record_key, into_key
)

select
    cast(row_number() over (
        order by coalesce(harmed.value_at_stake, 0) desc, coalesce(harmed.open_deal_count, 0) desc, actions.action nulls last, actions.score desc,
            actions.record_key nulls last, actions.into_key nulls last
    ) as bigint) as place,
    cast(actions.action as string) as action,
    cast(actions.thing as string) as thing,
    cast(actions.record_key as string) as record_key,
    cast(folded.name as string) as name,
    cast(folded.detail as string) as detail,
    cast(folded.url as string) as record_url,
    cast(actions.into_key as string) as into_record_key,
    cast(kept.name as string) as into_name,
    cast(kept.detail as string) as into_detail,
    cast(kept.url as string) as into_record_url,
    cast(actions.explanation as string) as explanation,
    cast(actions.score as double) as score,
    cast(coalesce(harmed.open_deal_count, 0) as bigint) as open_deal_count,
    cast(harmed.value_at_stake as decimal(18, 2)) as value_at_stake,
    cast(folded.owner_key as string) as owner_key,
    cast(coalesce(owners.name, owners.email, folded.owner_key, 'unknown') as string) as owner,
    cast(folded.entry_channel as string) as entry_channel,
    folded.entered_at
from actions
inner join records as folded on actions.record_key = folded.record_key
inner join records as kept on actions.into_key = kept.record_key
left join harmed on actions.record_key = harmed.record_key and actions.into_key = harmed.into_key
left join {{ ref('owners') }} as owners on folded.owner_key = owners.owner_key
