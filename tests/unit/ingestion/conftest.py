"""Fixtures of the ingestion's tests: a portal that serves over loopback, and an empty warehouse."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestion import hubspot_reader
from sandbox.servers.hubspot import Portal, serve
from tests.unit.ingestion.practice import Warehouse, tiny_world


@pytest.fixture
def portal() -> Iterator[Portal]:
    """A portal of its own, to be changed at will."""
    with serve(tiny_world()) as portal:
        yield portal


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    warehouse = Warehouse(tmp_path / "data")
    yield warehouse
    warehouse.close()


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """So few records a page that a tiny portal has several of each."""
    for name, size in (("PAGE", 20), ("HISTORY_PAGE", 10), ("SEARCH_PAGE", 5), ("LINK_PAGE", 20)):
        monkeypatch.setattr(hubspot_reader, name, size)
