{# Money in the company's currency (kpis.md 0.4): converted and rounded per record, then summed. #}

{# An amount at a rate; amounts in the company's own currency need none. NULL without an amount or a rate, never 1.0. #}
{% macro in_base(amount, currency, rate) -%}
    case
        when {{ currency }} = '{{ var("company_currency") }}' then cast({{ amount }} as decimal(18, 2))
        else {{ salesops.money_times('cast(' ~ amount ~ ' as decimal(18, 2))', 2, 'cast(' ~ rate ~ ' as decimal(18, 8))') }}
    end
{%- endmacro %}

{# A product of two decimals(18), rounded to cents; `scale` is that of the first. NULL where it is no amount of money any more: the engines
   multiply within 18 digits unless one factor is wider, and an overflow would end the night. #}
{% macro money_times(factor, scale, other) -%}
    try_cast(cast({{ factor }} as decimal(19, {{ scale }})) * {{ other }} as decimal(18, 2))
{%- endmacro %}

{# A quotient or mean of amounts as money. By way of six decimals: in a double, half a cent is a little more or less than half a cent. #}
{% macro to_money(amount) -%}cast(cast({{ amount }} as decimal(24, 6)) as decimal(18, 2)){%- endmacro %}

{# Join condition: the row of pipeline.exchange_rates for a currency on a local day. A day that has not come takes the newest rate. #}
{% macro rate_of(rates, currency, day) -%}
    {{ rates }}.currency = {{ currency }}
    and {{ rates }}.date = case when {{ day }} > {{ salesops.as_of_date() }} then {{ salesops.as_of_date() }} else {{ day }} end
{%- endmacro %}

{# Which kind of rate a deal of a life state is worth: what is closed was booked, everything else is a stock. #}
{% macro rate_for(rates, life_state) -%}
    case when {{ life_state }} in ('won', 'lost') then {{ rates }}.booking_rate_to_base else {{ rates }}.rate_to_base end
{%- endmacro %}
