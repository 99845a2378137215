"""What is kept how long, after the publication: old versions of raw, and the history of old runs."""

from datetime import timedelta

import dagster as dg

from dagster_project.ingest import OWNER
from dagster_project.publish import harmless_outcome
from dagster_project.resources import night_of
from ingestion import retention
from salesops import freshness
from salesops.clock import Clock

KEY = dg.AssetKey(["retention"])
CHECK = "was_pruned"


def build_retention() -> dg.AssetsDefinition:
    check = dg.AssetCheckSpec(CHECK, asset=KEY, description="What is past its time was taken out, as [retention] says")

    @dg.asset(
        name="retention",
        group_name="publish",
        deps=["publish"],
        owners=[OWNER],
        kinds={"duckdb"},
        required_resource_keys={"night"},
        check_specs=[check],
        freshness_policy=dg.FreshnessPolicy.time_window(fail_window=freshness.LATE),
        description="Takes out what [retention] does not keep: replaced versions of records, events of old runs",
    )
    def prune(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        night = night_of(context)
        kept, now = night.settings.retention, night.clock.now()
        versions, runs, reason = {}, 0, "nothing is past its time"
        try:
            if kept.raw_versions_days is not None and not night.looks_back:
                with night.warehouse() as connection:
                    versions = retention.prune(connection, now - timedelta(days=kept.raw_versions_days), now)
            runs = _delete_runs(context.instance, kept.runs_days)
            if versions or runs:
                reason = f"{sum(versions.values())} replaced versions and {runs} old runs taken out"
            passed = True
        except Exception as error:  # noqa: BLE001 the night has published: what stays a night longer is no reason to fail it
            passed, reason = False, f"{type(error).__name__}: {error}"
        outcome = harmless_outcome(night, KEY, CHECK, reason, passed=passed)
        return dg.MaterializeResult(
            metadata={"versions": dg.MetadataValue.json(versions), "runs": runs, "reason": reason},
            check_results=[outcome],
        )

    return prune


def _delete_runs(instance: dg.DagsterInstance, days: int) -> int:
    """Runs that ended before that many days, with their events. By the real clock: it is Dagster's own."""
    before = Clock().now() - timedelta(days=days)
    old = instance.get_run_ids(dg.RunsFilter(created_before=before))
    for run_id in old:
        instance.delete_run(run_id)
    return len(old)
