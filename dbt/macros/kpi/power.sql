{# Power of a comparison of two shares (S9): what a count could have shown at all. `relation` has a share `usual` that was learnt from `baseline_n`
   trials, `n` trials to hold against it, sigma_z of S3 as `sigma`, and `turn`: 1 where lower is worse, -1 where higher is.
   `detectable_share`, added: the nearest worse share that n trials tell from usual in four of five cases (80 % power, 5 % two-sided). The
   difference d solves d^2 = (2.801585 sigma)^2 (p q / baseline_n + (p - d)(q + d) / n). NULL where none would do, or where fewer than five of
   either outcome are expected. #}
{% macro detectable_shares(relation) -%}
    (
        select *, case when n * usual >= 5 and n * (1 - usual) >= 5 and share > 0 and share < 1 then share end as detectable_share
        from (
            select *, usual - turn * (slope + sqrt(slope * slope + 4 * scale * error)) / nullif(2 * scale, 0) as share
            from (
                select
                    *, 1 + reach / nullif(n, 0) as scale, turn * reach * (2 * usual - 1) / nullif(n, 0) as slope,
                    reach * usual * (1 - usual) * (1 / nullif(baseline_n, 0) + 1 / nullif(n, 0)) as error
                from (select *, 7.848879 * sigma * sigma as reach from {{ relation }}) as reached
                where usual >= 0 and usual <= 1
            ) as terms
        ) as solved
    )
{%- endmacro %}
