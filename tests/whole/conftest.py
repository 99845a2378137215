"""The project compiled once for all tests of whole companies, and one company that has something of everything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import duckdb
import pytest

from tests.whole.companies import anyones
from tests.whole.project import AS_OF, LATER, Project

NIGHTS = [AS_OF - timedelta(days=31), AS_OF, LATER]


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("whole_project"))


@pytest.fixture(scope="session")
def usual(project: Project):
    """The tables of one company. Change them only between `begin` and `rollback`."""
    connection = project.build(anyones(3), NIGHTS)
    yield connection
    connection.close()


@pytest.fixture(scope="session")
def anyone(project: Project) -> Iterator[Callable[[int], duckdb.DuckDBPyConnection]]:
    """The tables of any company by its seed, as of AS_OF after the usual nights: built once, to be read only."""
    built: dict[int, duckdb.DuckDBPyConnection] = {}

    def of(seed: int) -> duckdb.DuckDBPyConnection:
        if seed not in built:
            built[seed] = project.build(anyones(seed), NIGHTS)
        return built[seed]

    yield of
    for connection in built.values():
        connection.close()
