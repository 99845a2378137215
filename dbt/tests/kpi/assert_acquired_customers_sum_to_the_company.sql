-- I11: customers and values of the members of every dimension sum to the company's; nobody keeps more than there was
with sums as (
    select dimension, sum(customer_count) as customer_count, sum(churned_count) as churned_count, sum(opening_arr) as opening_arr, sum(closing_arr) as closing_arr
    from {{ ref('acquisition_quality') }} group by dimension
)

select parts.dimension
from sums as parts
inner join sums as company on company.dimension = 'company'
where
    parts.customer_count <> company.customer_count or parts.churned_count <> company.churned_count
    or parts.opening_arr <> company.opening_arr or parts.closing_arr <> company.closing_arr
union all
select dimension || ' ' || member_key from {{ ref('acquisition_quality') }} where kept_arr > opening_arr or kept_arr > closing_arr
