{#
  The versions of an enrichment sheet's lines as of (E, K), with whose they are. observed_at: the day on which the supplier saw it, else when the file
  was saved; valid_from: the day from which it is true, else that. What does not say when it was observed was not known before its file: it is not
  there at an earlier E.
#}
{% macro enrichment_lines(relation, fields) -%}
    {%- set about = ['legal_id', 'company', 'domain', 'country', 'source', 'observed_at', 'valid_from', 'confidence'] -%}
    {% call salesops.numbered() %}
        select
            record_id, p, {{ salesops.filled('p.fields.legal_id') }} as legal_id_text, {{ salesops.filled('p.fields.company') }} as company,
            {{ salesops.site('p.fields.domain') }} as domain, {{ salesops.filled('p.fields.country') }} as country_text,
            coalesce({{ salesops.filled('p.fields.source') }}, 'sheet') as supplier,
            coalesce(least({{ salesops.local_midnight('try_cast(p.fields.observed_at as date)') }}, version_at), version_at) as observed_at,
            coalesce({{ salesops.local_midnight('try_cast(p.fields.valid_from as date)') }}, least({{ salesops.local_midnight('try_cast(p.fields.observed_at as date)') }}, version_at), version_at) as valid_from,
            case when try_cast(p.fields.confidence as double) between 0 and 1 then try_cast(p.fields.confidence as double) end as confidence,
            p.fields.confidence as confidence_text, p.fields.observed_at as observed_text, p.corrected as corrected_text, p.file as file_name, p.sheet as sheet_name, try_cast(p.row as bigint) as row_number,
            is_deleted, is_reconstructed, is_newest, version_at, landed_at, known_from
        from ({{ salesops.sheet_row_versions(relation, about + fields, begins=['observed_at']) }}) as versions
        where not is_reconstructed or try_cast(p.fields.observed_at as date) is not null
    {% endcall %}
{%- endmacro %}

{% macro numbered() -%}{{ salesops.with_organisation_numbers('(' ~ caller() ~ ')') }}{%- endmacro %}

{# A web address as a domain: lower case, without scheme, www, path and port. #}
{% macro site(column) -%}
    nullif({{ salesops.replace_all(salesops.replace_all('lower(trim(' ~ column ~ '))', '^(https?://)?(www[.])?', ''), '[/:?#].*$', '') }}, '')
{%- endmacro %}

{# The columns of enrichment_lines that every enrichment model of staging shares. #}
{% macro enrichment_columns() -%}
record_id, legal_id, legal_id_text, company, domain, country_code, country_text as country, supplier, observed_at, valid_from, confidence, confidence_text,
    observed_text, corrected_text, file_name, sheet_name, row_number, is_deleted, is_reconstructed, is_newest, version_at, landed_at, known_from
{%- endmacro %}
