"""The linters and the type checker, so that `make test` judges what pre-commit judges."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "."],
        ["mypy"],
        ["sqruff", "lint", "--parsing-errors", "dbt/models", "dbt/tests"],
    ],
    ids=["ruff", "mypy", "sqruff"],
)
def test_the_tree_passes(command):
    done = subprocess.run([str(BIN / command[0]), *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
