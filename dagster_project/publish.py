"""The last asset: the marts that passed, put where people read them."""

import subprocess
from typing import Any

import dagster as dg
import duckdb

from dagster_project.ingest import OWNER
from dagster_project.resources import night_of
from dagster_project.transform import Project, gated_tables, units
from salesops import freshness
from salesops import publication as publishing
from salesops.config import without_secrets
from salesops.night import ROOT, Night
from salesops.publication import SCHEMA_VERSION, Publication


def build_publish(project: Project) -> dg.AssetsDefinition:
    columns_units = units(project)

    @dg.asset(
        name="publish",
        group_name="publish",
        deps=sorted(gated_tables(project)),
        owners=[OWNER],
        kinds={"duckdb", "parquet"},
        required_resource_keys={"night"},
        freshness_policy=dg.FreshnessPolicy.time_window(fail_window=freshness.LATE),
        description="marts.duckdb and Parquet for analysts, swapped in whole. Waits for every gated model.",
    )
    def publish(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        night = night_of(context)
        if not night.gates_ran:
            raise dg.Failure("publish runs as part of a whole night only: its checks did not run", allow_retries=False)
        night.say("Publishing ...")
        publication = _describe(night)
        checks = [(c.asset, c.name, c.state, c.reason, c.is_blocking) for c in night.checks]
        publishing.write_meta(night.data.marts, publication, checks, columns_units)
        keep = night.settings.retention.publications
        rows = publishing.publish(night.data.marts, night.publish_to, publication.publication_id, keep)
        night.accept_first_baseline()
        night.publication = publication
        _share(night)
        return dg.MaterializeResult(
            metadata={
                "publication_id": publication.publication_id,
                "as_of": publication.as_of.isoformat(),
                "tables": len(rows),
                "rows": sum(rows.values()),
                "path": dg.MetadataValue.path(str(night.publish_to / "marts.duckdb")),
            }
        )

    return publish


def _share(night: Night) -> None:
    """The file for wide sharing. What goes wrong with it is noted; the publication stands."""
    folder = night.settings.sharing.folder
    if folder is None or night.looks_back:
        return
    from salesops import shared

    try:
        shared.write(night.publish_to / "marts.duckdb", folder, night.data.shared_key)
    except (OSError, duckdb.Error, publishing.PublicationError) as error:
        night.note("publish", "was_shared", "failed", f"{folder} was not written: {type(error).__name__}", False)


def harmless_outcome(night: Night, key: dg.AssetKey, check: str, reason: str, *, passed: bool) -> dg.AssetCheckResult:
    """The check of a step after the publication, noted too: a failure is a warning, and takes nothing back."""
    night.note(key.to_user_string(), check, "passed" if passed else "failed", reason, False)
    return dg.AssetCheckResult(
        passed=passed,
        asset_key=key,
        check_name=check,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"reason": reason},
    )


def _describe(night: Night) -> Publication:
    company = night.settings.company
    built_at = night.clock.now()
    return Publication(
        publication_id=publishing.new_id(built_at),
        as_of=night.as_of,
        known_as_of=night.known_as_of,
        built_at=built_at,
        git_commit=_git_commit(),
        schema_version=SCHEMA_VERSION,
        company=night.settings.company_name,
        currency=company.currency,
        timezone=company.timezone,
        is_practice=night.settings.is_practice,
        run_id=night.run_id,
    )


def _git_commit() -> str:
    try:
        command = ["git", "rev-parse", "HEAD"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=without_secrets())
    except FileNotFoundError:
        return "unknown"
    return done.stdout.strip() or "unknown"
