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
        return compiled_sql(scratch, "--target", "spark", "--select", "resource_type:model")
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
    if any(call.args.get("decimals") for call in tree.find_all(exp.Round)):
        yield "round() to digits"
    for call in tree.find_all(exp.Anonymous):
        if call.name.lower() not in SPARK_FUNCTIONS:
            yield f"unknown function {call.name.lower()}()"


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
        "select (a from t",
    ],
)
def test_what_only_duckdb_knows_is_found(sql):
    assert problems(sql)


def test_what_both_know_passes():
    assert not problems(
        """select a, cast(max_by(b, c) filter (where b is not null) as decimal(18, 2)) as b,
               cast(date_trunc('month', d) as date) as d, unix_micros(h) as i, p.properties.email as j,
               percentile_cont(0.5) within group (order by e) as e, count_if(f) as f, cast(g as string) as g
           from t where h is distinct from 1
           group by all qualify row_number() over (partition by a order by b nulls last) = 1"""
    )


@pytest.mark.dbt
def test_every_compiled_model_is_spark_sql(tmp_path):
    models = compile_for_spark(tmp_path)
    assert models
    assert not {name: found for name, sql in models.items() if (found := problems(sql))}
