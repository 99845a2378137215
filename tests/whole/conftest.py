"""The project compiled once for all tests of whole companies, and one company that has something of everything."""

from __future__ import annotations

from datetime import timedelta

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
