"""Rules of this repository that no linter knows: layers, grains, clocks, descriptions, locks, documents."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRODUCT = ("analysis", "ingestion", "dagster_project", "salesops")
LAYERS = {  # a model of the layer may read these schemas and no other
    "staging": {"raw", "staging"},  # problems are read off typed records
    "crm": {"staging"},
    "matching": {"staging", "crm", "matching"},
    "pipeline": {"staging", "crm", "matching", "pipeline"},
    "rules": {"pipeline", "kpi", "rules"},  # working tables of the CRM rules
    "forecasts": {"pipeline", "kpi", "forecasts"},  # what the forecast is made from
    "sellers": {"pipeline", "kpi"},  # a seller's rates against the others', which two marts read
    "signals": {"pipeline", "kpi", "meta", "signals"},  # series, and what the early-trend engine says of them
    "kpi": {"pipeline", "kpi", "rules", "forecasts", "sellers", "signals"},
    "meta": {"raw", "crm", "pipeline", "meta"},
}
FORBIDDEN_IMPORTS = {
    "analysis": {"dagster", "dagster_dbt", "dbt", "salesops", "dagster_project", "ingestion", "sandbox"},
    "ingestion": {"dagster", "dagster_dbt", "dbt", "salesops", "dagster_project", "analysis", "sandbox"},
    "sandbox": {"dagster", "dagster_dbt", "dbt", "salesops", "dagster_project", "ingestion", "analysis"},
    "salesops": {"sandbox"},
    "dagster_project": {"sandbox"},
}


def tracked() -> list[Path]:
    """Files that git knows or would add: what a clone gets, with new files seen before their first commit."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [ROOT / name for name in sorted(set(names)) if (ROOT / name).is_file()]


def texts() -> dict[str, str]:
    found = {}
    for path in tracked():
        try:
            found[str(path.relative_to(ROOT))] = path.read_text()
        except UnicodeDecodeError:
            continue
    return found


def models_on_disk() -> list[Path]:
    return sorted(path for path in (ROOT / "dbt" / "models").rglob("*") if path.suffix in (".sql", ".py"))


def without_comments(sql: str) -> str:
    return re.sub(r"--.*", "", re.sub(r"\{#.*?#\}|/\*.*?\*/", "", sql, flags=re.DOTALL))


def imports(source: str) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


def published(manifest: dict) -> dict[str, dict]:
    """Models that a reader of the published file sees, by `schema.name`."""
    models = [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]
    seen = [node for node in models if node["schema"] in ("pipeline", "kpi", "meta")]
    return {f"{n['schema']}.{n['name']}": n for n in seen if n["config"]["materialized"] != "ephemeral"}


# --- the tree ---------------------------------------------------------------------------------------------------


def test_the_dbt_folder_does_not_shadow_the_dbt_package():
    assert not list((ROOT / "dbt").rglob("__init__.py"))
    spec = importlib.util.find_spec("dbt")
    assert spec is not None
    assert spec.origin is not None, "`import dbt` finds a folder, not the package"
    assert not Path(spec.origin).is_relative_to(ROOT / "dbt")


def test_no_registry_host_is_named():
    hosts = re.compile(
        r"https?://[\w.-]*(?:py" + r"pi|pythonhosted|npmjs|debian)[\w.-]*|--(?:extra-)?index" + r"-url\b"
    )
    assert not {name: found.group() for name, text in texts().items() if (found := hosts.search(text))}


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_every_locked_requirement_is_hashed(lock):
    text = (ROOT / lock).read_text().replace("\\\n", " ")
    pins = [line for line in text.splitlines() if re.match(r"[A-Za-z0-9]", line)]
    assert pins
    assert not [pin.split()[0] for pin in pins if "==" not in pin or "--hash=sha256:" not in pin]


def test_every_dependency_is_locked():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    pinned = set(
        re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==", (ROOT / "requirements-dev.lock").read_text(), re.MULTILINE)
    )
    names = {re.match(r"[\w.-]+", requirement).group().lower().replace("_", "-") for requirement in wanted}
    assert names <= pinned


@pytest.mark.parametrize("package", sorted(FORBIDDEN_IMPORTS))
def test_packages_import_only_downwards(package):
    broken = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        if wrong := imports(path.read_text()) & FORBIDDEN_IMPORTS[package]:
            broken[str(path.relative_to(ROOT))] = sorted(wrong)
    assert not broken


def test_no_function_of_the_product_is_over_sixty_lines():
    long = []
    for name, text in texts().items():
        if not name.endswith(".py") or not name.startswith(PRODUCT):
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno > 60:
                long.append(f"{name}:{node.lineno} {node.name}")
    assert not long


# --- models, as text ---------------------------------------------------------------------------------------------


def test_there_are_models_in_every_layer():
    layers = {path.relative_to(ROOT / "dbt" / "models").parts[0] for path in models_on_disk()}
    assert layers >= {"staging", "crm", "matching", "pipeline", "kpi", "meta"}


def test_every_model_opens_with_its_grain():
    # a config block may stand above the comment; nothing else may
    opening = re.compile(r"\s*(?:\{\{\s*config\(.*?\)\s*\}\}\s*)?(?:--|#) grain:", re.DOTALL)
    assert not [path.stem for path in models_on_disk() if not opening.match(path.read_text())]


def test_no_statement_begins_with_an_empty_line():
    """LT13, which sqruff does not find where a template stands in the file."""
    statements = [*(ROOT / "dbt" / "models").rglob("*.sql"), *(ROOT / "dbt" / "tests").rglob("*.sql")]
    assert statements and [str(path) for path in statements if path.read_text()[:1].isspace()] == []


def test_no_model_asks_the_clock():
    clock = re.compile(
        r"\b(current_date|current_timestamp|localtimestamp|now\s*\(|getdate|today\s*\(|run_started_at)", re.IGNORECASE
    )
    assert not [path.stem for path in models_on_disk() if clock.search(without_comments(path.read_text()))]


def test_only_the_as_of_macros_read_the_instants():
    reads = re.compile(r"run_started_at|var\(\s*['\"](as_of|known_as_of|now)['\"]")
    places = [
        path for path in (ROOT / "dbt").rglob("*.sql") if "target" not in path.parts and reads.search(path.read_text())
    ]
    assert places
    assert all("macros" in path.parts for path in places), places


def test_models_stay_short():
    assert not [path.stem for path in models_on_disk() if path.read_text().count("\n") > 150]


def test_no_model_behind_the_crm_layer_names_a_crm():
    """What one CRM alone says ends in its staging folder: the next one is a folder and an entry of crm_sources()."""
    folders = [ROOT / "dbt" / "models" / layer for layer in ("crm", "matching", "pipeline", "kpi", "meta")]
    folders += [ROOT / "dbt" / "macros" / "kpi", ROOT / "dbt" / "tests"]
    paths = [path for folder in folders for path in folder.rglob("*") if path.suffix in (".sql", ".py")]
    paths.append(ROOT / "dbt" / "macros" / "pipeline.sql")
    crm = re.compile("hubspot|salesforce|pipedrive", re.IGNORECASE)
    assert not [path.name for path in paths if crm.search(path.read_text())]


def test_the_freshness_of_a_source_is_that_of_every_object_of_the_catalogue():
    from ingestion.objects import ALL_OBJECTS

    macro = (ROOT / "dbt" / "macros" / "staging" / "landed.sql").read_text()
    listed = {source: re.findall(r"'(\w+)'", names) for source, names in re.findall(r"'(\w+)': \[(.*?)\]", macro, re.S)}
    assert "hubspot" in listed
    for source, names in listed.items():
        assert sorted(names) == sorted(entry.name for entry in ALL_OBJECTS if entry.source == source)


def test_the_configuration_knows_every_crm_of_which_there_are_marts():
    """One that it does not know would be left out of the union, without a word."""
    from salesops.config import CRMS

    macro = (ROOT / "dbt" / "macros" / "crm.sql").read_text()
    listed = re.findall(r"^        '(\w+)': \{$", macro, re.MULTILINE)
    staged = [path.name for path in (ROOT / "dbt" / "models" / "staging").iterdir() if path.name in macro]
    assert sorted(listed) == sorted(CRMS) == sorted(staged)


# --- models, as dbt sees them --------------------------------------------------------------------------------------


@pytest.mark.dbt
def test_models_read_only_their_own_layer_or_the_one_below(dbt_manifest):
    broken = []
    for node in dbt_manifest["nodes"].values():
        if node["resource_type"] != "model":
            continue
        allowed = LAYERS[node["schema"]]
        for parent_id in node["depends_on"]["nodes"]:
            parent = dbt_manifest["nodes"].get(parent_id) or dbt_manifest["sources"][parent_id]
            if parent["resource_type"] != "seed" and parent["schema"] not in allowed:
                broken.append(f"{node['schema']}.{node['name']} <- {parent['schema']}.{parent['name']}")
    assert not broken


@pytest.mark.dbt
def test_python_models_read_no_variable_as_configuration(dbt_manifest):
    """A night parses without its variables: what a model's configuration says of them is the default for ever."""
    for node in dbt_manifest["nodes"].values():
        if node["resource_type"] == "model" and node["language"] == "python":
            assert "var(" not in json.dumps(node["unrendered_config"]), node["name"]
            assert "config.get" not in node["raw_code"], node["name"]


def test_every_published_model_and_column_is_described(dbt_manifest):
    missing = []
    for name, node in published(dbt_manifest).items():
        if not node["description"].strip():
            missing.append(name)
        missing += [f"{name}.{c['name']}" for c in node["columns"].values() if not c["description"].strip()]
    assert not missing


@pytest.mark.dbt
def test_every_pipeline_and_kpi_model_has_a_contract_and_an_owner(dbt_manifest):
    models = {name: node for name, node in published(dbt_manifest).items() if node["schema"] != "meta"}
    assert models
    assert not [name for name, node in models.items() if not node["config"]["contract"]["enforced"]]
    assert not [name for name, node in models.items() if not node["config"]["meta"].get("owner")]


@pytest.mark.dbt
def test_every_published_model_has_a_tested_key(dbt_manifest):
    """One unique test, or a unique combination, on each pipeline and kpi table."""
    tested = set()
    for node in dbt_manifest["nodes"].values():
        kind = (node.get("test_metadata") or {}).get("name", "")
        if node["resource_type"] == "test" and "unique" in kind:
            tested.add(node["attached_node"])
    models = {n: node for n, node in published(dbt_manifest).items() if node["schema"] != "meta"}
    untested = [name for name, node in models.items() if node["unique_id"] not in tested]
    assert not untested


@pytest.mark.dbt
def test_no_mart_selects_a_star_from_another_layer(dbt_manifest):
    """A star from a model's own CTE is fine: its columns are named in the same file."""
    star = re.compile(r"select\s+(?:\w+\.)?\*[^()]*?\bfrom\s+\{\{", re.IGNORECASE)
    wrong = []
    for name, node in published(dbt_manifest).items():
        final = without_comments(node["raw_code"]).rsplit("\n)", 1)[-1]
        if star.search(final):
            wrong.append(name)
    assert not wrong


# --- what the documents promise -------------------------------------------------------------------------------------

COMMANDS = [
    "make nightly",
    "make tomorrow",
    "make test",
    "make ui",
    "make dbt-build",
    "salesops sql",
    "salesops doctor",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_readme_names_the_command_and_it_exists(command):
    assert command in (ROOT / "README.md").read_text()
    tool, word = command.split()
    if tool == "make":
        assert re.search(rf"^{word}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    else:
        import typer.main

        from salesops.cli import app

        assert word in typer.main.get_command(app).commands


def test_every_link_in_the_documents_leads_somewhere():
    broken = []
    for name, text in texts().items():
        if not name.endswith(".md"):
            continue
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
            if not target.startswith("http") and not (ROOT / name).parent.joinpath(target).exists():
                broken.append(f"{name}: {target}")
    assert not broken


def test_the_changelog_names_the_schema_version_that_publications_carry():
    from salesops import publication

    assert f"schema {publication.SCHEMA_VERSION}" in (ROOT / "CHANGELOG.md").read_text()


def test_the_example_configuration_is_a_valid_one():
    from salesops import config

    settings = config.load({"SALESOPS_CONFIG": str(ROOT / "salesops.example.toml")})
    assert settings.company.timezone


def test_the_workers_know_which_tests_belong_together(request):
    """xdist writes a test's group into its name; with pytest 9.2 it did so without effect, and each costly fixture was
    made once for every worker."""
    group = request.node.get_closest_marker("xdist_group").args[0]
    assert "PYTEST_XDIST_WORKER" not in os.environ or request.node.nodeid.endswith(f"@{group}")
