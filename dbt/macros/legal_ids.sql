{# Organisation numbers of Sweden, Norway, Finland and Denmark: which text is one, and of which country. #}

{#
  The rows of `relation` (legal_id_text, country_text, domain) with country_code, one of the four as the source says, else as the number begins or
  ends, else as the domain ends; and legal_id, its digits: NULL where they cannot be a company's number of that country. A valid check digit proves
  form, not existence. A Swedish number that could be a person's (third digit 0 or 1) is none.
#}
{% macro with_organisation_numbers(relation) -%}
    select
        named.*,
        case
            when country_code = 'NO' and {{ salesops.matches('legal_digits', '^[0-9]{9}$') }} and {{ salesops.has_check_digit([3, 2, 7, 6, 5, 4, 3, 2]) }} then legal_digits
            when country_code = 'FI' and {{ salesops.matches('legal_digits', '^[0-9]{8}$') }} and {{ salesops.has_check_digit([7, 9, 10, 5, 8, 4, 2]) }} then legal_digits
            when country_code = 'DK' and {{ salesops.matches('legal_digits', '^[1-9][0-9]{7}$') }} and {{ salesops.has_check_digit([2, 7, 6, 5, 4, 3, 2]) }} then legal_digits
            when country_code = 'SE' and {{ salesops.matches('legal_digits', '^[0-9]{2}[2-9][0-9]{7}$') }} and {{ salesops.has_luhn_digit() }} then legal_digits
        end as legal_id
    from (
        select
            spelt.*,
            case country_code
                when 'NO' then {{ salesops.replace_all('legal_plain', '^NO|MVA$', '') }}
                when 'FI' then case when {{ salesops.matches('legal_plain', '^(FI)?[0-9]{7}$') }} then '0' || right(legal_plain, 7)
                    else {{ salesops.replace_all('legal_plain', '^FI', '') }} end
                when 'DK' then {{ salesops.replace_all('legal_plain', '^DK', '') }}
                when 'SE' then case
                    when {{ salesops.matches('legal_plain', '^(SE)?16[0-9]{10}$') }} then right(legal_plain, 10)
                    when {{ salesops.matches('legal_plain', '^(SE)?[0-9]{10}01$') }} then left(right(legal_plain, 12), 10)
                    else {{ salesops.replace_all('legal_plain', '^SE', '') }}
                end
            end as legal_digits
        from (
            select written.*, {{ salesops.country_code('country_text', 'legal_plain', 'domain') }} as country_code
            from (select given.*, {{ salesops.replace_all('upper(legal_id_text)', '[^0-9A-Z]', '') }} as legal_plain from {{ relation }} as given) as written
        ) as spelt
    ) as named
{%- endmacro %}

{# Modulus 11 over the digits before the last; a rest of 1 is never issued. #}
{% macro has_check_digit(weights) -%}
    {%- set terms = [] -%}
    {%- for weight in weights %}{% do terms.append(weight ~ ' * try_cast(substring(legal_digits, ' ~ loop.index ~ ', 1) as int)') %}{% endfor -%}
    ({{ terms | join(' + ') }}) % 11 <> 1
    and (11 - ({{ terms | join(' + ') }}) % 11) % 11 = try_cast(right(legal_digits, 1) as int)
{%- endmacro %}

{# Luhn over ten digits: every second one from the first doubled, and its digits added. #}
{% macro has_luhn_digit() -%}
    {%- set terms = [] -%}
    {%- for place in range(1, 11) -%}
        {%- set digit = 'try_cast(substring(legal_digits, ' ~ place ~ ', 1) as int)' -%}
        {%- do terms.append('case when ' ~ digit ~ ' > 4 then 2 * ' ~ digit ~ ' - 9 else 2 * ' ~ digit ~ ' end' if place % 2 else digit) -%}
    {%- endfor -%}
    ({{ terms | join(' + ') }}) % 10 = 0
{%- endmacro %}

{# ISO code of one of the four countries. A country that is said and is none of them is nobody's. #}
{% macro country_code(country, number, domain) -%}
    {%- set spellings = {
        'NO': ['no', 'nor', 'norway', 'norge', 'noreg', 'norja'], 'FI': ['fi', 'fin', 'finland', 'suomi'],
        'SE': ['se', 'swe', 'sweden', 'sverige', 'ruotsi'], 'DK': ['dk', 'dnk', 'denmark', 'danmark', 'tanska']
    } -%}
    case
        {%- for code, names in spellings.items() %}
        when lower(trim({{ country }})) in ('{{ names | join("', '") }}') then '{{ code }}'
        {%- endfor %}
        when nullif(trim({{ country }}), '') is not null then null
        when {{ salesops.matches(number, '^(NO|FI|SE|DK)') }} then left({{ number }}, 2)
        when {{ salesops.matches(number, 'MVA$') }} then 'NO'
        when {{ salesops.matches('lower(' ~ domain ~ ')', '[.](no|fi|se|dk)/?$') }} then upper(right({{ salesops.replace_all(domain, '/$', '') }}, 2))
    end
{%- endmacro %}

{# Key of the company that a line of an enrichment sheet names: lines with one number, and lines that spell it alike, name one. #}
{% macro sheet_company_key() -%}
    'spreadsheets:enrichment:' || coalesce(country_code || legal_id, md5(coalesce(domain, '') || '|' || coalesce(lower(company), '') || '|' || coalesce(country_code, '')))
{%- endmacro %}
