-- I11: customers and values of the members of a dimension sum to the company's, every month
with sums as (
    select month, dimension, sum(opening_arr) as opening_arr, sum(closing_arr) as closing_arr, sum(customer_count) as customer_count, sum(churned_count) as churned_count,
        sum(due_arr) as due_arr, sum(renewed_on_time_arr) as renewed_on_time_arr
    from {{ ref('retention') }} group by month, dimension
)

select parts.*
from sums as parts
inner join sums as company on parts.month = company.month and company.dimension = 'company'
where
    parts.opening_arr <> company.opening_arr or parts.closing_arr <> company.closing_arr or parts.customer_count <> company.customer_count
    or parts.churned_count <> company.churned_count or parts.due_arr <> company.due_arr or parts.renewed_on_time_arr <> company.renewed_on_time_arr
