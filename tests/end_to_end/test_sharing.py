"""What leaves the house: the published marts, and the file for wide sharing, as a whole practice night made them."""

from __future__ import annotations

import re

import duckdb

from salesops import shared

ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+")


def texts(path) -> dict[str, list[str]]:
    """column -> its distinct texts, of every table."""
    with duckdb.connect(str(path), read_only=True) as connection:
        columns = connection.execute(
            """select schema_name || '.' || table_name, column_name from duckdb_columns() where not internal
            and data_type = 'VARCHAR' and table_name in (select table_name from duckdb_tables() where not internal)"""
        ).fetchall()
        return {
            f"{table}.{column}": [
                text
                for (text,) in connection.execute(
                    f'select distinct "{column}" from {table} where "{column}" is not null order by 1'
                ).fetchall()
            ]
            for table, column in columns
        }


def test_the_shared_file_names_nobody_and_has_the_same_figures(first_night, tmp_path):
    path = shared.write(first_night.published, tmp_path / "shared", tmp_path / "shared.key")
    with duckdb.connect(str(first_night.published), read_only=True) as connection:
        people = connection.execute("select full_name, email, phone from pipeline.contacts").fetchall()
        query = "select * from kpi.win_rate order by all"
        figures, contacts = connection.execute(query).fetchall(), len(people)
        sellers = {name for (name,) in connection.execute("select name from pipeline.owners").fetchall()}
    told = texts(path)
    assert not {column: found for column, some in told.items() if (found := [t for t in some if ADDRESS.search(t)])}
    everything = "\n".join(text for some in told.values() for text in some)
    names = {name for name, _, _ in people if name and " " in name} - sellers
    assert names and not [name for name in names if name in everything]
    assert not [phone for _, _, phone in people if phone and phone in everything]
    assert not [email for _, email, _ in people if email and email.encode() in path.read_bytes()]
    with duckdb.connect(str(path), read_only=True) as connection:
        assert connection.execute(query).fetchall() == figures
        hashed = connection.execute("select count(*), count(distinct email) from pipeline.contacts").fetchall()
    assert hashed == [(contacts, len({email for _, email, _ in people if email}))]
    assert (tmp_path / "shared.key").stat().st_mode & 0o777 == 0o600 and path.stat().st_mode & 0o777 == 0o444
    assert texts(shared.write(first_night.published, tmp_path / "again", tmp_path / "shared.key")) == told


def test_no_body_of_a_note_or_an_email_is_published(first_night):
    """By name of the column, and by what people wrote."""
    told = texts(first_night.published)
    assert not [column for column in told if re.search(r"(body|html|headers|preview|snippet|email_text)$", column)]
    with duckdb.connect(str(first_night.data / "warehouse.duckdb"), read_only=True) as connection:
        written = connection.execute(
            """select distinct payload ->> '$.properties.hs_note_body' from raw.hubspot__notes union
            select distinct payload ->> '$.properties.hs_email_text' from raw.hubspot__emails union
            select distinct payload ->> '$.properties.hs_call_body' from raw.hubspot__calls"""
        ).fetchall()
    bodies = {body for (body,) in written if body and len(body) > 12}
    assert bodies
    assert not bodies & {text for some in told.values() for text in some}
