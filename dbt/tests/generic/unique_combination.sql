{# Rows whose combination of columns occurs more than once; NULL counts as a value. `newest_days`: of a view over days, only the newest ones. #}
{% test unique_combination(model, columns, newest_days=none) %}
select {{ columns | join(', ') }}, count(*) as row_count
from {{ model }}
{%- if newest_days %}
where date > cast({{ salesops.as_of_date() }} - interval {{ newest_days }} day as date)
{%- endif %}
group by {{ columns | join(', ') }}
having count(*) > 1
{% endtest %}
