# grain: one row per company of a register or an enrichment sheet and company record that the engine finds to be it
# A run of its own: what others say of companies must neither join two of them nor change how many bear a name. Only
# where a number has not settled whose a record is.
from analysis.matching import resolve

COLUMNS = "record_key varchar, other_key varchar, score double, explanation varchar"
NO_CONTACT = """
    select
        null::timestamptz as created_at, null::timestamptz as updated_at, null::varchar as record_key,
        null::varchar as source, null::varchar as first_name, null::varchar as last_name, null::varchar as email,
        null::varchar as phone, null::varchar as mobile_phone, null::varchar as company_name,
        null::varchar as company_record_key, null::varchar as title, null::varchar as city, null::varchar as country
    where false
"""
EVERYBODY = """
    select record_key, created_at, name, domain, legal_id, country, city, phone from known_companies
    union all
    select record_key, null::timestamptz, name, domain, legal_id, country, city, null::varchar from enriched_companies
"""
FOUND = """
    select record_key, other_key, score, explanation
    from (
        select left_key as record_key, right_key as other_key, score, explanation, band from enriched_company_pairs
        union all
        select right_key, left_key, score, explanation, band from enriched_company_pairs
    )
    where band = 'automatic' and record_key in (select record_key from enriched_companies)
        and other_key in (select record_key from known_companies)
"""


def model(dbt, session):
    enriched = dbt.ref("int_matching__enriched_records").filter("not is_numbered")
    known = dbt.ref("int_matching__companies")
    if not enriched.limit(1).fetchall():
        session.execute(f"create or replace temp table enriched_found ({COLUMNS})")
        return session.query("select * from enriched_found")
    session.register("enriched_source", enriched)
    session.register("known_source", known)
    session.execute("create or replace temp table enriched_companies as select * from enriched_source")
    session.execute("create or replace temp table known_companies as select * from known_source")
    session.execute(f"create or replace temp view enriched_everybody as {EVERYBODY}")
    session.execute(f"create or replace temp view enriched_contacts as {NO_CONTACT}")
    ((country,),) = dbt.ref("int_matching__home").fetchall()
    resolve(
        session,
        contacts="enriched_contacts",
        companies="enriched_everybody",
        into="enriched",
        country=country,
    )
    return session.query(FOUND)
