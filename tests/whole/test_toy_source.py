"""Adding a source is one reader, one staging folder and one mapping: the walk of CONTRIBUTING.md, walked."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOY = ROOT / "tests" / "toy_source"
LEFT = shutil.ignore_patterns(".*", "data", "node_modules", "target", "logs", "__pycache__", "*.egg-info")
# step of the walk: file, what stands there, what stands before it afterwards
LINES = {
    "1": (
        "ingestion/objects.py",
        "ALL_OBJECTS = ",
        'TOY = (RawObject("toy", "deals"), RawObject("toy", "stages"))\n\nALL_OBJECTS = TOY + ',
    ),
    "6": (
        "dbt/macros/staging/landed.sql",
        "        'hubspot': [",
        "        'toy': ['deals', 'stages'],\n        'hubspot': [",
    ),
    "7": (
        "dbt/macros/crm.sql",
        "        'hubspot': {",
        """        'toy': {
            'name': 'Toy', 'url': 'toy_record_url', 'paths': {},
            'entities': ['accounts', 'pipeline_stages', 'deals', 'deals_landed'],
        },
        'hubspot': {""",
    ),
}


def test_the_walk_makes_a_source_and_touches_nothing_beside(tmp_path):
    """Read twice without a new row, moved by a later night, in the marts under its own keys, every data test held."""
    house = tmp_path / "house"
    shutil.copytree(ROOT, house, ignore=LEFT)
    for path, before, after in LINES.values():
        text = (house / path).read_text()
        assert text.count(before) == 1, f"{path} has not exactly one {before!r}"
        (house / path).write_text(text.replace(before, after))
    shutil.copy(TOY / "toy.py", house / "ingestion" / "toy.py")
    shutil.copytree(TOY / "staging", house / "dbt" / "models" / "staging" / "toy")
    walked = subprocess.run(
        [sys.executable, "-m", "tests.toy_source.walk", str(tmp_path)],
        cwd=house,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert walked.returncode == 0, walked.stderr[-4000:]
    found = json.loads(walked.stdout.splitlines()[-1])
    assert found["failures"] == {} and found["appended"] == [7, 0, 2]
    assert found["deals"] == [
        ["toy:deal:1", "won", "1200.00", "Sales", "Won"],
        ["toy:deal:2", "lost", "70.50", "Sales", "Lost"],
        ["toy:deal:3", "removed", "5.00", "Sales", "Offer"],
    ]
    assert found["changes"] == [["toy:deal:1", "amount", "1000.00", "1200.00"], ["toy:deal:1", "stage", "Talk", "Won"]]
    assert found["rate"] == [[1, 2]]
