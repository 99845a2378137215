{# What the models of the CRM rules share (M29). #}

{# Order of the phases; null for a stage that no one placed. #}
{% macro phase_number(phase) -%}
    case {{ phase }} when 'early' then 1 when 'qualified' then 2 when 'proposal' then 3 when 'negotiation' then 4 end
{%- endmacro %}

{# Fields that a rule reads beside those that R01 names in crm_rule_fields: without any of them it judges nothing. #}
{% macro crm_rule_inputs() -%}
    {{ return({
        'R02': ['next_step'], 'R03': ['close_date'], 'R04': ['amount'], 'R06': ['answers'], 'R07': ['activities'],
        'R08': ['close_date', 'signed_date', 'term_months'], 'R09': ['close_date'], 'R10': ['loss_reason', 'competitor'], 'R11': ['answers'],
        'R12': ['activities'], 'R16': ['owner'], 'R17': ['company'], 'R19': ['forecast_category']
    }) }}
{%- endmacro %}

{# Rules that read what changes in the deal's own intervals: its stage, amount, close date, forecast category. #}
{% macro crm_rules_of_spans() -%}{{ return(['R01', 'R03', 'R04', 'R06', 'R08', 'R09', 'R11', 'R19']) }}{%- endmacro %}

{# The first day of the oldest period for which figures of the rules are shown: 24 months and 8 fiscal quarters, running ones included. #}
{% macro rules_shown_from() -%}
    least(
        cast({{ salesops.month_start(salesops.as_of_date()) }} - interval 23 month as date),
        cast({{ salesops.fiscal_quarter_start(salesops.as_of_date()) }} - interval 21 month as date)
    )
{%- endmacro %}

{# What a rule says of a day of which no layer says more: the verdict and its reason. The others pass. #}
{% macro crm_rule_defaults() -%}
    {{ return({
        'R02': ['fail', 'next step without a date, or its date has passed'], 'R06': ['fail', 'no two-way contact'],
        'R07': ['fail', 'no meeting or task ahead'], 'R11': ['fail', 'one buyer in touch, or none'],
        'R12': ['not_applicable', 'no meeting with the account']
    }) }}
{%- endmacro %}

{# The columns of a layer of verdicts, for a span of int_kpi__rule_spans cut by [from_date, to_date) of something else. `layer`: pass, fail or
   not_applicable, and what it says of the days that it covers; basis says nothing but that a value was read back. #}
{% macro rule_layer(layer, detail, span='spans', starts=[], ends=[], is_reconstructed='false') -%}
    {{ span }}.deal_key as thing_key, {{ span }}.rule_id, {{ span }}.version, '{{ layer }}' as layer,
    {% if starts %}greatest({{ ([span ~ '.from_date'] + starts) | join(', ') }}){% else %}{{ span }}.from_date{% endif %} as from_date,
    {% if ends %}least({{ ([span ~ '.to_date'] + ends) | join(', ') }}){% else %}{{ span }}.to_date{% endif %} as to_date,
    {{ detail }} as detail, {{ is_reconstructed }} as is_reconstructed
{%- endmacro %}

{# Join condition: an interval of local days that has a day in common with a span. #}
{% macro meets_span(interval, span='spans') -%}
    ({{ interval }}.from_date < {{ span }}.to_date or {{ span }}.to_date is null) and ({{ interval }}.to_date > {{ span }}.from_date or {{ interval }}.to_date is null)
{%- endmacro %}
