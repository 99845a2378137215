-- A company of any size, written straight into the raw tables, set-wise: for measurements only, its figures mean nothing.
-- Every value comes from a hash of a record's number, so that the same size is the same company. A section is one table that is to be
-- filled, and the select that fills it: records as (id, stamp, payload), histories as (id, property, value, changed_at, source_type,
-- changed_by, position), links as (a, b, label). bench/company.py adds what landing adds. Variables: deals, companies, sellers, teams, now.

--- setup
create or replace macro bench.chance(n, salt) as (hash(n, salt) % 1000003) / 1000003.0;
create or replace macro bench.pick(n, salt, size) as (hash(n, salt) % size)::bigint;
create or replace macro bench.iso(t) as strftime(t, '%Y-%m-%dT%H:%M:%S.%gZ');
create or replace macro bench.later(t, share, seconds) as t + to_milliseconds((share * seconds * 1000)::bigint);
create or replace macro bench.channel(n) as (['ORGANIC_SEARCH', 'PAID_SEARCH', 'REFERRALS', 'OFFLINE'])[1 + bench.pick(n, 'source', 4)];
create or replace macro bench.now() as getvariable('now')::timestamp;

-- one row per deal: what becomes of it; everything else follows. One in six is open, one in four won, one in ten in another currency.
create or replace table bench.deals as
with born as (
    select
        i, (28410000000 + i)::varchar as id, bench.pick(i, 'company', getvariable('companies')) as company,
        bench.pick(i, 'owner', getvariable('sellers')) as owner,
        date_trunc('day', bench.now() - to_days((1 + bench.chance(i, 'day') * 1460)::int)) + to_seconds(25200 + bench.pick(i, 'time', 34000)) as created_at,
        case when bench.chance(i, 'pipeline') < 0.8 then 'default' else 'partner' end as pipeline,
        case when bench.chance(i, 'money') < 0.9 then 'SEK' when bench.chance(i, 'money') < 0.96 then 'EUR' else 'NOK' end as currency,
        case when bench.chance(i, 'order') < 0.75 then 'newbusiness' else 'existingbusiness' end as order_type,
        (-5184000 * ln(1 - bench.chance(i, 'cycle') * 0.998) + 86400)::bigint as seconds, bench.chance(i, 'zombie') < 0.13 as is_zombie,
        bench.chance(i, 'won') < 0.31 as is_win, 10000 + bench.pick(i, 'amount', 400000) as amount
    from range(getvariable('deals')) as t(i)
),
lived as (
    select
        *, not is_zombie and created_at + to_seconds(seconds) < bench.now() as is_closed,
        case pipeline
            when 'default' then ['appointmentscheduled', 'qualifiedtobuy', 'presentationscheduled', 'decisionmakerboughtin', 'contractsent']
            else ['identified', 'scoped', 'quoted']
        end as stages
    from born
)
select
    *, is_closed and is_win as is_won, case when is_closed then seconds else epoch(bench.now() - created_at)::bigint end as lived,
    case when is_closed then created_at + to_seconds(seconds) end as closed_at, bench.chance(i, 'has lead') < 0.45 as has_lead,
    case when is_closed and is_win then len(stages) - 1 else bench.pick(i, 'furthest', len(stages)) end as furthest
from lived;

-- every value that a property of a deal had; `part`: how much of its life had passed
create or replace table bench.changes as
with repeated as (select deals.*, k from bench.deals as deals, range(4) as t(k)),
parts as (
    select i, 'dealstage' as property, stages[s + 1] as value, s / (furthest + 1.0) as part
    from bench.deals, range(5) as t(s) where s <= furthest and (s in (0, furthest) or bench.chance(i * 8 + s, 'skip') > 0.1)
    union all select i, 'dealstage', stages[1], 0.96 from bench.deals where bench.chance(i, 'back') < 0.05 and furthest > 0
    union all select i, 'dealstage', case when is_won then 'won-' else 'lost-' end || pipeline, 1 from bench.deals where is_closed
    union all select i, 'pipeline', pipeline, 0 from bench.deals
    union all select i, 'deal_currency_code', currency, 0 from bench.deals
    union all select i, 'dealtype', order_type, 0 from bench.deals
    union all select i, 'hubspot_owner_id', (41000000 + owner)::varchar, 0 from bench.deals
    union all select i, 'hubspot_owner_id', (41000000 + bench.pick(i, 'heir', getvariable('sellers')))::varchar, 0.55
    from bench.deals where bench.chance(i, 'inherited') < 0.15
    union all select i, 'amount', (amount * (1 + k * 0.1))::decimal(18, 2)::varchar, k * 0.31
    from repeated where k < 3 and bench.chance(i * 8 + k, 'repriced') < 0.7
    union all select i, 'closedate', bench.iso(bench.later(created_at, (k + 1) * 0.4, lived)), k * 0.29
    from repeated where k = 0 or bench.chance(i * 8 + k, 'pushed') < 0.7
    union all select i, 'closedate', bench.iso(closed_at), 1 from bench.deals where is_closed
    union all select i, 'hs_manual_forecast_category', (['PIPELINE', 'BEST_CASE', 'COMMIT'])[k + 1], k * 0.42
    from repeated where k = 0 or (k < 3 and bench.chance(i * 8 + k, 'forecast') < 0.8)
    union all select i, 'hs_manual_forecast_category', 'CLOSED', 1 from bench.deals where is_closed
    union all select i, 'hs_next_step', (['Follow up call', 'Meet the CFO', 'Legal review', 'Send the proposal'])[k + 1], k * 0.23
    from repeated where k = 0 or bench.chance(i * 8 + k, 'step') < 0.6
    union all select i, 'closed_lost_reason', (['Price', 'No decision', 'Competitor', 'Timing', 'No answer'])[1 + bench.pick(i, 'reason', 5)], 1
    from bench.deals where is_closed and not is_won
)
select deals.i, deals.id, deals.owner, parts.property, parts.value, bench.later(deals.created_at, parts.part, deals.lived) as changed_at
from parts
inner join bench.deals as deals on parts.i = deals.i;

create or replace view bench.activities as
select deals.*, n, bench.later(created_at, bench.chance(i * 16 + n, 'when'), lived) as happened_at, (7700000 + owner)::varchar as user_id,
    (41000000 + owner)::varchar as owner_id, case when bench.chance(i, n) < 0.1 then 'AUTOMATION_PLATFORM' else 'CRM_UI' end as object_source
from bench.deals as deals, range(10) as t(n);

--- raw.hubspot__account_info
select '1' as id, '2022-01-03'::timestamp as stamp, to_json({
    accountType: 'STANDARD', companyCurrency: 'SEK', portalId: 1, timeZone: 'Europe/Stockholm', uiDomain: 'app.hubspot.com'
}) as payload

--- raw.hubspot__pipelines
select id, '2022-01-03'::timestamp as stamp, to_json({archived: false, createdAt: '2022-01-03T08:00:00.000Z', displayOrder: 0, id: id, label: id, stages: [
    {id: s, label: s, displayOrder: i, metadata: {
        isClosed: (i > len(names) - 2)::varchar, probability: case when i > len(names) - 2 then (len(names) - i)::varchar else (i * 0.15)::varchar end
    }} for s, i in names
]}) as payload
from (
    select 'default' as id,
        ['appointmentscheduled', 'qualifiedtobuy', 'presentationscheduled', 'decisionmakerboughtin', 'contractsent', 'won-default', 'lost-default'] as names
    union all
    select 'partner', ['identified', 'scoped', 'quoted', 'won-partner', 'lost-partner']
)

--- raw.hubspot__lead_pipelines
select 'leads' as id, '2022-01-03'::timestamp as stamp, to_json({archived: false, createdAt: '2022-01-03T08:00:00.000Z', displayOrder: 0, id: 'leads',
    label: 'leads', stages: [{id: s, label: s, displayOrder: i, metadata: {
        isClosed: (s like '%qualified')::varchar, probability: case when s = 'qualified' then '1.0' else '0.0' end
    }} for s, i in ['new', 'attempting', 'connected', 'qualified', 'unqualified']]}) as payload

--- raw.hubspot__owners
select (41000000 + i)::varchar as id, '2022-01-03'::timestamp as stamp, to_json({archived: false, createdAt: '2022-01-03T08:00:00.000Z',
    email: 'seller' || i || '@bench.example', firstName: 'Seller', id: (41000000 + i)::varchar, lastName: 'No ' || i,
    teams: [{id: (5200 + i % getvariable('teams'))::varchar, name: 'Team ' || i % getvariable('teams'), "primary": true}], type: 'PERSON',
    updatedAt: '2022-01-03T08:00:00.000Z', userId: 7700000 + i, userIdIncludingInactive: 7700000 + i}) as payload
from range(getvariable('sellers')) as t(i)

--- raw.hubspot__companies
select (15730000000 + i)::varchar as id, '2022-01-04 08:00:00'::timestamp as stamp, to_json({archived: false, createdAt: '2022-01-04T08:00:00.000Z',
    id: (15730000000 + i)::varchar, properties: {annualrevenue: null, city: 'Turku', country: (['Sweden', 'Finland', 'Norway', 'Denmark'])[1 + i % 4],
    createdate: '2022-01-04T08:00:00.000Z', domain: 'company' || i || '.example', hs_merged_object_ids: null, hs_object_id: (15730000000 + i)::varchar,
    hs_object_source: 'IMPORT', hs_parent_company_id: null, hubspot_owner_id: (41000000 + bench.pick(i, 'account', getvariable('sellers')))::varchar,
    industry: (['MACHINERY', 'RETAIL', 'COMPUTER_SOFTWARE', 'FOOD_PRODUCTION', 'CONSTRUCTION'])[1 + bench.pick(i, 'industry', 5)],
    name: 'Company ' || i, numberofemployees: (1 + bench.pick(i, 'size', 1500))::varchar, segment: 'SMB'},
    updatedAt: '2022-01-04T08:00:00.000Z'}) as payload
from range(getvariable('companies')) as t(i)

--- raw.hubspot__companies_history
select record_id as id, p.property, p.value, '2022-01-04 08:00:00'::timestamp as changed_at, 'IMPORT' as source_type, null as changed_by, 1 as position
from (select record_id, payload -> 'properties' as given from raw.hubspot__companies), lateral (
    select unnest([
        {property: 'industry', value: given ->> 'industry'}, {property: 'numberofemployees', value: given ->> 'numberofemployees'},
        {property: 'hubspot_owner_id', value: given ->> 'hubspot_owner_id'}
    ]) as p
)

--- raw.hubspot__contacts
-- the last of fifty contacts is the one before it at the same company, entered twice
select (61250000000 + i)::varchar as id, born as stamp, to_json({archived: false, createdAt: bench.iso(born), id: (61250000000 + i)::varchar, properties: {
    campaign: 'Campaign ' || bench.pick(i, 'campaign', 12), city: 'Turku', company: 'Company ' || company, country: 'Sweden', createdate: bench.iso(born),
    email: 'person' || i - case when i % 50 = 49 and i >= getvariable('companies') then getvariable('companies') else 0 end || '@company' || company || '.example',
    firstname: 'Person', hs_analytics_source: bench.channel(i), hs_latest_source: bench.channel(i), hs_lead_status: 'CONNECTED',
    hs_object_id: (61250000000 + i)::varchar, hs_object_source: 'FORM',
    hubspot_owner_id: (41000000 + bench.pick(i, 'account', getvariable('sellers')))::varchar, jobtitle: null, lastmodifieddate: bench.iso(born),
    lastname: 'No ' || i, lifecyclestage: 'opportunity', mobilephone: null, phone: '+46 70 ' || i}, updatedAt: bench.iso(born)}) as payload
from (
    select i, i % getvariable('companies') as company, bench.now() - to_seconds((bench.chance(i, 'born') * 126144000)::bigint) as born
    from range(getvariable('deals')) as t(i)
)

--- raw.hubspot__contacts_history
select record_id as id, p.property, p.value, version_at - p.age as changed_at, 'FORM' as source_type, null as changed_by, 1 as position
from raw.hubspot__contacts, lateral (
    select unnest([
        {property: 'lifecyclestage', value: 'lead', age: interval 2 day}, {property: 'lifecyclestage', value: 'opportunity', age: interval 0 day},
        {property: 'hs_latest_source', value: payload ->> '$.properties.hs_latest_source', age: interval 2 day},
        {property: 'hubspot_owner_id', value: payload ->> '$.properties.hubspot_owner_id', age: interval 1 day}
    ]) as p
)

--- raw.hubspot__contacts_companies_links
select 61250000000 + i as a, 15730000000 + i % getvariable('companies') as b, 'Primary' as label from range(getvariable('deals')) as t(i)

--- raw.hubspot__deals
with newest as (
    select
        i, max_by(value, changed_at) filter (where property = 'dealstage') as dealstage, max_by(value, changed_at) filter (where property = 'amount') as amount,
        max_by(value, changed_at) filter (where property = 'closedate') as closedate,
        max_by(value, changed_at) filter (where property = 'hubspot_owner_id') as hubspot_owner_id,
        max_by(value, changed_at) filter (where property = 'hs_manual_forecast_category') as hs_manual_forecast_category,
        max_by(value, changed_at) filter (where property = 'hs_next_step') as hs_next_step,
        max_by(value, changed_at) filter (where property = 'closed_lost_reason') as closed_lost_reason, max(changed_at) as changed_at
    from bench.changes where i % getvariable('every') = 0 group by i
)
select deals.id, newest.changed_at as stamp, to_json({archived: false, createdAt: bench.iso(deals.created_at), id: deals.id, properties: {
    amount: newest.amount, campaign: 'Campaign ' || bench.pick(deals.i, 'campaign', 12), closed_lost_reason: newest.closed_lost_reason, closedate: newest.closedate,
    competitor: case when bench.chance(deals.i, 'has rival') < 0.4 then 'Rival ' || bench.pick(deals.i, 'rival', 5) end, contract_term_months: '12',
    createdate: bench.iso(deals.created_at), deal_currency_code: deals.currency, dealname: 'Company ' || deals.company || ' - deal ' || deals.i,
    dealstage: newest.dealstage, dealtype: deals.order_type, description: null, hs_acv: deals.amount::varchar, hs_analytics_source: bench.channel(deals.i),
    hs_created_by_user_id: (7700000 + deals.owner)::varchar, hs_is_closed: deals.is_closed::varchar, hs_is_closed_won: deals.is_won::varchar,
    hs_lastmodifieddate: bench.iso(newest.changed_at), hs_manual_forecast_category: newest.hs_manual_forecast_category, hs_merged_object_ids: null,
    hs_next_step: newest.hs_next_step, hs_object_id: deals.id, hs_object_source: 'CRM_UI', hs_object_source_id: null, hs_priority: 'medium',
    hs_tcv: deals.amount::varchar, hubspot_owner_id: newest.hubspot_owner_id, next_step_date: strftime(newest.changed_at, '%Y-%m-%d'),
    pipeline: deals.pipeline, signed_date: strftime(deals.closed_at, '%Y-%m-%d')}, updatedAt: bench.iso(newest.changed_at)}) as payload
from newest
inner join bench.deals as deals on newest.i = deals.i

--- raw.hubspot__deals_history
select id, property, value, changed_at, case when bench.chance(i, property) < 0.85 then 'CRM_UI' else 'AUTOMATION_PLATFORM' end as source_type,
    (7700000 + owner)::varchar as changed_by, row_number() over (partition by id, property order by changed_at desc) as position
from bench.changes where i % getvariable('every') = 0 and changed_at > getvariable('since')::timestamp

--- raw.hubspot__deals_companies_links
select id as a, 15730000000 + company as b, 'Primary' as label from bench.deals

--- raw.hubspot__deals_contacts_links
select id as a, 61250000000 + company + k * getvariable('companies') as b, (['Decision maker', 'Champion', null])[1 + k] as label
from bench.deals, range(3) as t(k) where k = i % 3 or bench.chance(i * 4 + k, 'threading') < 0.4

--- raw.hubspot__line_items
select (30920000000 + i)::varchar as id, created_at as stamp, to_json({archived: false, createdAt: bench.iso(created_at), id: (30920000000 + i)::varchar,
    properties: {amount: amount::decimal(18, 2)::varchar, createdate: bench.iso(created_at), discount: null, hs_acv: amount::varchar,
    hs_cost_of_goods_sold: (amount * 0.4)::decimal(18, 2)::varchar, hs_discount_percentage: bench.pick(i, 'discount', 30)::varchar,
    hs_object_id: (30920000000 + i)::varchar, hs_product_id: '5000', hs_recurring_billing_period: 'P12M', hs_recurring_billing_start_date: null,
    hs_tcv: amount::varchar, hs_term_in_months: '12', name: 'Product ' || bench.pick(i, 'product', 4), price: (amount * 1.1)::decimal(18, 2)::varchar,
    quantity: '1', recurringbillingfrequency: 'annually'}, updatedAt: bench.iso(created_at)}) as payload
from bench.deals

--- raw.hubspot__deals_line_items_links
select id as a, 30920000000 + i as b, null as label from bench.deals

--- raw.hubspot__leads
select (394700000000 + i)::varchar as id, created_at - interval 1 day as stamp, to_json({archived: false, createdAt: bench.iso(created_at - interval 3 day),
    id: (394700000000 + i)::varchar, properties: {campaign: 'Campaign ' || bench.pick(i, 'campaign', 12), hs_createdate: bench.iso(created_at - interval 3 day),
    hs_lastmodifieddate: bench.iso(created_at - interval 1 day), hs_lead_disqualification_reason: null, hs_lead_label: 'WARM', hs_lead_name: 'Person No ' || i,
    hs_lead_source: bench.channel(i), hs_lead_type: 'NEW_BUSINESS', hs_object_id: (394700000000 + i)::varchar, hs_object_source: 'AUTOMATION_PLATFORM',
    hs_pipeline: 'leads', hs_pipeline_stage: case when bench.chance(i, 'lead') < 0.55 then 'qualified' else 'unqualified' end,
    hubspot_owner_id: (41000000 + owner)::varchar}, updatedAt: bench.iso(created_at - interval 1 day)}) as payload
from bench.deals where has_lead

--- raw.hubspot__leads_history
select (394700000000 + i)::varchar as id, p.property, p.value, created_at - p.age as changed_at, 'CRM_UI' as source_type,
    (7700000 + owner)::varchar as changed_by, 1 as position
from bench.deals, lateral (
    select unnest([
        {property: 'hs_pipeline_stage', value: 'new', age: interval 72 hour}, {property: 'hs_pipeline_stage', value: 'attempting', age: interval 60 hour},
        {property: 'hs_pipeline_stage', value: case when bench.chance(i, 'lead') < 0.55 then 'qualified' else 'unqualified' end, age: interval 24 hour},
        {property: 'hubspot_owner_id', value: (41000000 + owner)::varchar, age: interval 71 hour}
    ]) as p
) where has_lead

--- raw.hubspot__leads_companies_links
select 394700000000 + i as a, 15730000000 + company as b, null as label from bench.deals where has_lead

--- raw.hubspot__leads_contacts_links
select 394700000000 + i as a, 61250000000 + company + i % 3 * getvariable('companies') as b, 'Primary' as label from bench.deals where has_lead

--- raw.hubspot__leads_deals_links
select 394700000000 + i as a, id as b, null as label from bench.deals where has_lead and bench.chance(i, 'lead') < 0.55

--- raw.hubspot__calls
select (71340000000 + i * 3 + n)::varchar as id, happened_at as stamp, to_json({archived: false, createdAt: bench.iso(happened_at), id: (71340000000 + i * 3 + n)::varchar, properties: {
    hs_call_body: 'Talked through the plan.', hs_call_direction: 'OUTBOUND', hs_call_disposition: case
        when bench.chance(i, n) < 0.5 then 'f240bbac-87c9-4f6e-bf70-924b57d47db7' else '73a0d17f-1163-4015-bdd5-ec830791da20' end,
    hs_call_duration: (60000 + bench.pick(i, n, 2000000))::varchar, hs_call_status: 'COMPLETED', hs_call_title: 'Call: Legal review',
    hs_created_by_user_id: user_id, hs_createdate: bench.iso(happened_at), hs_lastmodifieddate: bench.iso(happened_at), hs_object_id: (71340000000 + i * 3 + n)::varchar,
    hs_object_source: object_source, hs_timestamp: bench.iso(happened_at), hubspot_owner_id: owner_id}, updatedAt: bench.iso(happened_at)}) as payload
from bench.activities where n < 3

--- raw.hubspot__emails
select (72880000000 + i * 3 + n - 3)::varchar as id, happened_at as stamp, to_json({archived: false, createdAt: bench.iso(happened_at), id: (72880000000 + i * 3 + n - 3)::varchar,
    properties: {hs_created_by_user_id: user_id, hs_createdate: bench.iso(happened_at), hs_email_direction: case
        when bench.chance(i, n) < 0.6 then 'EMAIL' else 'INCOMING_EMAIL' end, hs_email_from_email: 'seller' || owner || '@bench.example', hs_email_status: 'SENT',
    hs_email_subject: 'Send proposal', hs_email_text: 'Thanks for the talk.', hs_email_to_email: 'person' || i || '@company.example',
    hs_lastmodifieddate: bench.iso(happened_at), hs_object_id: (72880000000 + i * 3 + n - 3)::varchar, hs_object_source: object_source, hs_sequence_id: null,
    hs_timestamp: bench.iso(happened_at), hubspot_owner_id: owner_id}, updatedAt: bench.iso(happened_at)}) as payload
from bench.activities where n between 3 and 5

--- raw.hubspot__meetings
select (73510000000 + i * 2 + n - 6)::varchar as id, happened_at as stamp, to_json({archived: false, createdAt: bench.iso(happened_at), id: (73510000000 + i * 2 + n - 6)::varchar,
    properties: {hs_activity_type: 'Demo', hs_created_by_user_id: user_id, hs_createdate: bench.iso(happened_at), hs_lastmodifieddate: bench.iso(happened_at), hs_meeting_body: '',
    hs_meeting_end_time: bench.iso(happened_at + interval 1 hour), hs_meeting_outcome: case when bench.chance(i, n) < 0.85 then 'COMPLETED' else 'NO_SHOW' end,
    hs_meeting_start_time: bench.iso(happened_at), hs_meeting_title: 'Intro', hs_object_id: (73510000000 + i * 2 + n - 6)::varchar, hs_object_source: object_source,
    hs_timestamp: bench.iso(happened_at), hubspot_owner_id: owner_id}, updatedAt: bench.iso(happened_at)}) as payload
from bench.activities where n between 6 and 7

--- raw.hubspot__notes
select (75120000000 + i)::varchar as id, happened_at as stamp, to_json({archived: false, createdAt: bench.iso(happened_at), id: (75120000000 + i)::varchar, properties: {
    hs_attachment_ids: null, hs_created_by_user_id: user_id, hs_createdate: bench.iso(happened_at), hs_lastmodifieddate: bench.iso(happened_at),
    hs_note_body: '<p>Budget confirmed for next year.</p>', hs_object_id: (75120000000 + i)::varchar, hs_object_source: object_source,
    hs_timestamp: bench.iso(happened_at), hubspot_owner_id: owner_id}, updatedAt: bench.iso(happened_at)}) as payload
from bench.activities where n = 8

--- raw.hubspot__tasks
select (74290000000 + i)::varchar as id, happened_at as stamp, to_json({archived: false, createdAt: bench.iso(happened_at), id: (74290000000 + i)::varchar, properties: {
    hs_created_by_user_id: user_id, hs_createdate: bench.iso(happened_at), hs_lastmodifieddate: bench.iso(happened_at), hs_object_id: (74290000000 + i)::varchar,
    hs_object_source: object_source, hs_task_body: '', hs_task_priority: 'LOW', hs_task_status: 'COMPLETED', hs_task_subject: 'Book demo',
    hs_task_type: 'CALL', hs_timestamp: bench.iso(happened_at), hubspot_owner_id: owner_id}, updatedAt: bench.iso(happened_at)}) as payload
from bench.activities where n = 9

--- raw.spreadsheets__contracts
-- a won deal's contract, renewed three times in four by a line that names only the company
select 'AV-' || i || '-' || k as id, bench.now() as stamp, to_json({cells: {Avtalsnummer: 'AV-' || i}, corrected: {}, fields: {
    arr: (amount * (1 + k * 0.03))::decimal(18, 2)::varchar, company: 'Company ' || company, contract_id: 'AV-' || i || '-' || k, currency: currency,
    deal_id: case when k = 0 then id end, end_date: strftime(started + to_years((k + 1)::int) - interval 1 day, '%Y-%m-%d'),
    start_date: strftime(started + to_years(k::int), '%Y-%m-%d')}, file: 'contracts.csv', row: i * 4 + k, sheet: null}) as payload
from (select *, date_trunc('day', closed_at) as started from bench.deals where is_won), range(4) as t(k)
where started + to_years(k::int) < bench.now() and bench.chance(i, 'lapse') < 0.75 ** k

--- raw.spreadsheets__targets
select 'targets:' || i || ':' || m as id, bench.now() as stamp, to_json({cells: {Budget: '250000'}, corrected: {}, fields: {currency: 'SEK',
    month: strftime('2022-11-01'::date + to_months(m::int), '%Y-%m-%d'), owner: 'Seller No ' || i, target: '250000', team: 'Team ' || i % getvariable('teams'),
    valid_from: null}, file: 'budget.xlsx', row: i * 60 + m, sheet: 'Budget'}) as payload
from range(getvariable('sellers')) as t(i), range(50) as u(m)

--- raw.exchange_rates__reference_rates
select strftime(day, '%Y-%m-%d') as id, day + interval 15 hour as stamp, to_json({date: strftime(day, '%Y-%m-%d'), rates: [
    {currency: 'NOK', rate: (11 + sin(epoch(day) / 1e6))::decimal(18, 4)::varchar}, {currency: 'SEK', rate: (11.3 + cos(epoch(day) / 1e6))::decimal(18, 4)::varchar}
]}) as payload
from (select bench.now()::date - i::int as day from range(1, 1700) as t(i)) where isodow(day) < 6
