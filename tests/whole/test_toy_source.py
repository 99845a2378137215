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
LINES = (
    (
        "1",
        "ingestion/objects.py",
        "ALL_OBJECTS = ",
        'TOY = (RawObject("toy", "deals"), RawObject("toy", "stages"))\n\nALL_OBJECTS = TOY + ',
    ),
    ("4", "salesops/config.py", 'Crm = Literal["hubspot", ', 'Crm = Literal["hubspot", "toy", '),
    (
        "4",
        "salesops/config.py",
        '    "spreadsheets": (),\n    "exchange_rates"',
        '    "toy": ("deals", "stages"),\n    "spreadsheets": (),\n    "exchange_rates"',
    ),
    (
        "4",
        "salesops/config.py",
        "class Sources(_Section):",
        """class ToySettings(_Section):
    enabled: bool = True
    base_url: str


def toy_token(environ: Mapping[str, str] = os.environ) -> str:
    if not environ.get("TOY_TOKEN"):
        raise ConfigError("Toy is enabled and TOY_TOKEN is not set.")
    return environ["TOY_TOKEN"]


class Sources(_Section):""",
    ),
    (
        "4",
        "salesops/config.py",
        "    hubspot: HubSpotSettings = ",
        '    toy: ToySettings = ToySettings(enabled=False, base_url="")\n    hubspot: HubSpotSettings = ',
    ),
    (
        "4",
        "salesops/config.py",
        "    hubspot: dict[str, FreshnessRule] = {}",
        "    toy: dict[str, FreshnessRule] = {}\n    hubspot: dict[str, FreshnessRule] = {}",
    ),
    (
        "4",
        "salesops/config.py",
        "    hubspot: dict[str, DuplicatesRule] = {}",
        "    toy: dict[str, DuplicatesRule] = {}\n    hubspot: dict[str, DuplicatesRule] = {}",
    ),
    (
        "4",
        "salesops/night.py",
        "    if settings.sources.pipedrive.enabled:",
        """    if settings.sources.toy.enabled:
        accounts["toy"] = (settings.sources.toy.base_url, config.toy_token(environ))
    if settings.sources.pipedrive.enabled:""",
    ),
    (
        "5",
        "dagster_project/ingest.py",
        '    "hubspot": Source(',
        '    "toy": Source("Toy", "toy", ("deals", "stages")),\n    "hubspot": Source(',
    ),
    (
        "5",
        "dagster_project/ingest.py",
        "def _read_hubspot(",
        """def _read_toy(night: Night) -> Iterator[ObjectResult]:
    from ingestion.session import SourceSession
    from ingestion.toy import sync_toy

    url, token = night.accounts["toy"]
    session = SourceSession(url, token, token_name="TOY_TOKEN")
    try:
        yield from sync_toy(night.warehouse, session, night.data.spool, night.run_id, night.clock.now())
    finally:
        session.close()


def _read_hubspot(""",
    ),
    (
        "6",
        "dbt/macros/staging/landed.sql",
        "        'hubspot': [",
        "        'toy': ['deals', 'stages'],\n        'hubspot': [",
    ),
    (
        "7",
        "dbt/macros/crm.sql",
        "        'hubspot': {",
        """        'toy': {
            'name': 'Toy', 'url': 'toy_record_url', 'paths': {},
            'entities': ['accounts', 'pipeline_stages', 'deals', 'deals_landed'],
        },
        'hubspot': {""",
    ),
)


def test_the_walk_makes_a_source_and_touches_nothing_beside(tmp_path):
    """Read twice without a new row, moved by a later night, in the marts under its own keys, every data test held."""
    house = tmp_path / "house"
    shutil.copytree(ROOT, house, ignore=LEFT)
    for _, path, before, after in LINES:
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
    assert found["checks"] == ["counts_balance", "is_not_empty", "was_read"]
    assert found["refused"] == "Toy is enabled and TOY_TOKEN is not set."
    assert found["row"] == ["toy", "deals", True, True]
