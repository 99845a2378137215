"""A slice of `make torture` for every commit: publication and landing, killed at each operation that Python sees.

The rest needs a C compiler and half an hour. Here Python's own audit events stand for the operations.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

from tests.torture.children import in_child
from tests.torture.report import Row, table
from tests.torture.rigs import files

CHANGES = ("os.rename", "os.remove", "os.link", "os.mkdir", "os.rmdir", "os.chmod")


def killed_at(number: int, act: files.Act, folder: Path) -> bool:
    """Whether the act came as far as its n-th operation below `folder`, and died there by SIGKILL."""

    def broken() -> None:
        seen = 0

        def hook(event: str, arguments: tuple) -> None:
            nonlocal seen
            is_write = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
            if (is_write or event in CHANGES) and str(arguments[0]).startswith(str(folder)):
                seen += 1
                if seen == number:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        act.do(folder)

    ended = in_child(broken)
    assert ended.signal in (0, signal.SIGKILL) and not ended.error, ended.error
    return ended.signal == signal.SIGKILL


@pytest.mark.parametrize("name", ["later landing", "later publication"])
def test_what_is_killed_at_an_operation_ends_as_if_it_had_not_been(name, tmp_path):
    (act,) = [act for act in files.acts(tmp_path) if act.name == name]
    base, folder = tmp_path / "base", tmp_path / "try"
    base.mkdir()
    in_child(lambda: act.prepare(base) and None).or_raise()
    number, lost = 1, []
    while True:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(base, folder)
        if not killed_at(number, act, folder):
            break
        lost.append(files.tried(act, folder))
        number += 1
    assert number > 4
    assert [said for said in lost if said] == []


def test_the_table_says_what_was_lost():
    rows = [Row("kill -9", 3, 2, 1, "after 4 s: raw differs"), Row("disk full", 2, 2, 0)]
    assert table(rows).splitlines()[-1] == "| **all** | 5 | 4 | 1 | |"
