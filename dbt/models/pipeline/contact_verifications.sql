-- grain: one row per person at one employer, instant and kind of evidence that the record of them is still right, or is right no more (kpis.md M31)
-- Right: they answered (two_way), the record was typed or filled in (created; an import proves nothing), its address or title was changed by somebody
-- (new_address, retitled). Wrong: an e-mail bounced for good (bounced; a full mailbox is none), a call reached somebody else (wrong_number), they work
-- elsewhere (left: the address moved to another company's domain, or a newer record of the same human stands at another employer).
with people as (
    select contact_key, person_key, company_key, created_at, known_from, is_removed from {{ ref('int_pipeline__people') }}
),

records as (
    select identities.contact_key, contacts.*
    from {{ ref('int_crm__contacts') }} as contacts
    inner join {{ ref('contact_identities') }} as identities on contacts.contact_id = identities.contact_id and contacts.source = identities.source
),

full_mailboxes as (
    select distinct contact_key from records where email_bounce = 'mailbox_full'
),

touches as (
    select
        links.contact_key, activities.occurred_at as happened_at, activities.activity_key as evidence, activities.known_from,
        case
            when activities.is_two_way then 'two_way'
            when activities.activity_type = 'email' and activities.direction = 'outbound' and activities.outcome = 'bounced' then 'bounced'
            when activities.activity_type = 'call' and activities.outcome = 'wrong number' then 'wrong_number'
        end as kind
    from {{ ref('activity_links') }} as links
    inner join {{ ref('activities') }} as activities on links.activity_key = activities.activity_key
    where links.contact_key is not null
),

changes as (
    select
        records.contact_key, records.source, records.contact_id, history.field, history.changed_at, history.known_from, history.value,
        {{ replace_all('lower(history.value)', '^.*@', '') }} as domain,
        lag(history.value) over by_property as old_value,
        {{ replace_all('lower(lag(history.value) over by_property)', '^.*@', '') }} as old_domain
    from records
    inner join {{ ref('int_crm__contacts_history') }} as history on records.contact_id = history.contact_id and records.source = history.source
    where history.position = 1 and history.field in ('email', 'title', 'email_bounce')
    window by_property as (partition by records.source, records.contact_id, history.field order by history.changed_at nulls last)
),

moves as (
    select
        changes.*, changes.domain <> changes.old_domain and new_free.domain is null and old_free.domain is null as is_other_employer
    from changes
    left join {{ ref('free_mail_domains') }} as new_free on changes.domain = new_free.domain
    left join {{ ref('free_mail_domains') }} as old_free on changes.old_domain = old_free.domain
    where changes.old_value <> '' and changes.value <> '' and lower(changes.value) <> lower(changes.old_value)
),

evidence as (
    select contact_key, happened_at, kind, evidence, known_from from touches
    where kind is not null and not (kind = 'bounced' and exists (select 1 from full_mailboxes where full_mailboxes.contact_key = touches.contact_key))
    union all
    select contact_key, created_at, 'created', source || ':contact:' || contact_id, known_from from records
    where was_filled_in
    union all
    select
        contact_key, changed_at, case when field = 'title' then 'retitled' else 'new_address' end, source || ':contact:' || contact_id, known_from
    from moves where field in ('title', 'email')
    union all
    select contact_key, changed_at, 'left', source || ':contact:' || contact_id, known_from from moves where field = 'email' and is_other_employer
    union all
    select contact_key, changed_at, 'bounced', source || ':contact:' || contact_id, known_from from changes
    where field = 'email_bounce' and value = 'permanent'
    union all
    select older.contact_key, newer.created_at, 'left', newer.contact_key as newer_key, newer.known_from
    from people as older
    inner join people as newer on older.person_key = newer.person_key and older.contact_key <> newer.contact_key and newer.created_at > older.created_at
    where older.company_key <> newer.company_key and not newer.is_removed
)

select
    cast(contact_key || '>' || kind || '>' || cast({{ epoch_micros('happened_at') }} as string) as string) as verification_key,
    cast(contact_key as string) as contact_key,
    happened_at,
    cast(kind as string) as kind,
    cast(kind in ('bounced', 'wrong_number', 'left') as boolean) as is_failure,
    cast(min(evidence) as string) as evidence,
    min(known_from) as known_from
from evidence
where happened_at <= {{ as_of() }}
group by contact_key, happened_at, kind
