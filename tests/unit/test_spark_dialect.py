"""Every model, compiled for Spark, is Spark SQL: sqlglot parses it and nothing in it is known to DuckDB alone.

Compiles with dbt's `spark` target and no connection (introspection off), so that the macros of `dbt/macros/engine` are
dispatched as on Spark. Says nothing about equal results: the silent differences are listed in CONTRIBUTING.md.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from sqlglot import exp, parse_one
from sqlglot.dialects import Spark
from sqlglot.errors import SqlglotError
from sqlglot.tokens import Token, TokenType

from tests.conftest import compiled_sql

DUCKDB_FUNCTIONS = frozenset(
    """arg_max arg_min argmax argmin date_sub epoch epoch_ms epoch_us fsum generate_series
    generate_subscripts getvariable isodow json_each json_extract json_extract_string json_keys json_transform
    json_type len_utf8 list list_aggregate list_concat list_contains list_distinct list_extract list_filter
    list_sort list_transform list_value make_timestamptz map_from_entries prefix product quantile quantile_cont
    quantile_disc read_csv read_json read_parquet regexp_extract_all regexp_full_match regexp_matches row
    starts_with strftime string_agg string_split strptime struct_extract struct_pack suffix time_bucket to_days
    to_hours to_minutes to_seconds today unnest""".split()
)
# Real in both, other numbers: base 10 on DuckDB and natural on Spark; 64 bits and 32 bits.
DIFFERENT_FUNCTIONS = frozenset({"log", "hash"})
# Spark's own that sqlglot keeps as plain names.
SPARK_FUNCTIONS = frozenset(
    """range bool_and bool_or count_if date_diff dayofweek_iso from_utc_timestamp get_json_object
    isnotnull isnull listagg make_date map_concat percentile posexplode regr_slope regr_intercept some
    timestamp_micros timestamp_millis timestamp_seconds
    timestampadd timestampdiff to_utc_timestamp try_cast try_divide try_to_timestamp unix_date unix_micros
    unix_millis unix_seconds weekday""".split()
)
DUCKDB_TOKENS = {
    TokenType.ARROW: "->",
    TokenType.DARROW: "->>",
    TokenType.DCOLON: "::",
    TokenType.DSTAR: "**",
    TokenType.CARET_AT: "^@",
}
OPENS_AN_EXPRESSION = {TokenType.SELECT, TokenType.COMMA, TokenType.L_PAREN, TokenType.IN, TokenType.EQ, TokenType.THEN}
DUCKDB_NODES: dict[type[exp.Expression], str] = {
    exp.Unnest: "unnest",
}


def compile_for_spark(scratch: Path) -> dict[str, str]:
    """Compiled SQL of every model, by name. Raises AssertionError with dbt's own reason when compiling fails."""
    stub = None if "pyspark" in sys.modules else ModuleType("pyspark")  # dbt-spark asks whether it is there, no more
    if stub:
        sys.modules["pyspark"] = stub
    try:
        return compiled_sql(scratch, "--select", "resource_type:model", target="spark")
    finally:
        if stub:
            del sys.modules["pyspark"]


def problems(sql: str) -> list[str]:
    """What Spark would not understand, or would understand differently."""
    try:
        tokens = Spark().tokenize(sql)
        tree = parse_one(sql, read="spark")
    except SqlglotError as error:
        return [f"does not parse: {str(error).splitlines()[0]}"]
    return sorted({*_in_tokens(sql, tokens), *_in_tree(tree)})


def _in_tokens(sql: str, tokens: list[Token]) -> Iterator[str]:
    words = " ".join(token.text.lower() for token in tokens if token.token_type != TokenType.STRING)
    if " at time zone " in words:
        yield "at time zone"
    for before, token, following in zip([None, *tokens], tokens, [*tokens[1:], None], strict=False):
        if token.token_type in DUCKDB_TOKENS:
            yield DUCKDB_TOKENS[token.token_type]
        if token.token_type == TokenType.STRING and sql[token.start] == '"':
            yield f'double-quoted name "{token.text}" (a string on Spark)'
        if token.token_type == TokenType.L_BRACE:
            yield "struct literal"
        if token.token_type == TokenType.L_BRACKET and (before is None or before.token_type in OPENS_AN_EXPRESSION):
            yield "list literal"
        name = token.text.lower()
        is_call = following is not None and following.token_type == TokenType.L_PAREN
        if is_call and name in DUCKDB_FUNCTIONS:
            yield f"{name}()"
        if is_call and name in DIFFERENT_FUNCTIONS:
            yield f"{name}() differs"
        if name == "timestamptz" or (name in ("text", "varchar") and not is_call and _is_type(sql, token)):
            yield f"type {name}"


def _is_type(sql: str, token: Token) -> bool:
    return sql[: token.start].rstrip().lower().endswith((" as", "\nas"))


def _in_tree(tree: exp.Expression) -> Iterator[str]:
    for kind, name in DUCKDB_NODES.items():
        if tree.find(kind):
            yield name
    for star in tree.find_all(exp.Star):
        if star.args.get("except_") or star.args.get("except") or star.args.get("replace"):
            yield "star with exclude or replace"
    for select in tree.find_all(exp.Select):
        distinct = select.args.get("distinct")
        if distinct is not None and distinct.args.get("on"):
            yield "distinct on"
    for call in tree.find_all(exp.ArgMax, exp.ArgMin, exp.AnyValue):
        if not _skips_null(call):
            yield f"{call.key}() may return a NULL that DuckDB skips: {call.this.sql()}"
    for ordered in tree.find_all(exp.Ordered):
        if ordered.args.get("nulls_first") and ordered.find_ancestor(exp.Window) and not _is_given(ordered.this):
            yield f"ascending order without nulls last: {ordered.this.sql()}"
    if any(call.args.get("decimals") for call in tree.find_all(exp.Round)):
        yield "round() to digits"
    for call in tree.find_all(exp.Anonymous):
        if call.name.lower() not in SPARK_FUNCTIONS:
            yield f"unknown function {call.name.lower()}()"


def _skips_null(call: exp.Expression) -> bool:
    """The value is there wherever it is asked for: by itself, by the filter, or by an order that is NULL without it."""
    value, order = call.this, call.args.get("expression")
    if _is_given(value) or (isinstance(order, exp.DPipe) and value in list(order.flatten())):
        return True
    is_one_case = isinstance(order, exp.Case) and len(order.args["ifs"]) == 1 and not order.args.get("default")
    conditions = [order.args["ifs"][0].this] if is_one_case else []
    if isinstance(call.parent, exp.Filter):
        conditions.append(call.parent.expression.this)
    columns = {column.sql() for column in value.find_all(exp.Column)}
    for condition in conditions:
        parts = condition.flatten() if isinstance(condition, exp.And) else [condition]
        for part in parts:
            is_there = isinstance(part, exp.Not) and isinstance(part.this, exp.Is) and part.this.this
            if is_there and (is_there == value or columns == {c.sql() for c in is_there.find_all(exp.Column)}):
                return True
    return False


def _is_given(value: exp.Expression) -> bool:
    """Never NULL by its own form."""
    if isinstance(value, exp.Case):
        branches = [branch.args["true"] for branch in value.args["ifs"]]
        return all(_is_given(branch) for branch in [*branches, value.args.get("default") or exp.Null()])
    if isinstance(value, exp.Coalesce):
        return any(_is_given(part) for part in [value.this, *value.expressions])
    return isinstance(value, exp.Literal)


@pytest.mark.parametrize(
    "sql",
    [
        "select payload ->> '$.a' from t",
        "select a::date from t",
        "select arg_max(a, b) from t",
        "select quantile_cont(a, 0.5) from t",
        "select list_sort(a) from t",
        "select strftime(a, '%Y') from t",
        "select * exclude (a) from t",
        "select a at time zone 'UTC' from t",
        "select unnest(a) from t",
        'select "a" from t',
        "select distinct on (a) a, b from t",
        "select cast(a as timestamptz) from t",
        "select cast(a as varchar) from t",
        "select [1, 2] as a from t",
        "select {'a': 1} as a from t",
        "select no_such_function(a) from t",
        "select log(a) from t",
        "select round(a, 6) from t",
        "select max_by(a, b) from t",
        "select max_by(a, b) filter (where c) from t",
        "select min_by(a, b) filter (where a is not null or c) from t",
        "select min_by(a, case when a is not null then b else c end) from t",
        "select any_value(a) from t",
        "select sum(a) over (order by b) from t",
        "select row_number() over (partition by a order by case when b then c else 0 end) from t",
        "select (a from t",
    ],
)
def test_what_only_duckdb_knows_is_found(sql):
    assert problems(sql)


def test_what_both_know_passes():
    assert not problems(
        """select a, cast(max_by(b, c) filter (where b is not null) as decimal(18, 2)) as b,
               cast(date_trunc('month', d) as date) as d, unix_micros(h) as i, p.properties.email as j,
               min_by(k, case when k is not null then l end) as k,
               max_by(coalesce(m, ''), n) as m, max_by(q, n || q) as q, sum(o) over (order by p desc),
               percentile_cont(0.5) within group (order by e) as e, count_if(f) as f, cast(g as string) as g
           from t where h is distinct from 1
           group by all qualify row_number() over (partition by a order by b nulls last) = 1"""
    )


@pytest.mark.dbt
def test_every_compiled_model_is_spark_sql(tmp_path):
    models = compile_for_spark(tmp_path)
    assert models
    assert not {name: found for name, sql in models.items() if (found := problems(sql))}
