"""The Monday brief, after the publication: what goes wrong with it is noted, and takes nothing back."""

from typing import Any

import dagster as dg

from dagster_project.ingest import OWNER
from dagster_project.publish import harmless_outcome
from dagster_project.resources import night_of
from salesops import freshness
from salesops.night import Night

KEY = dg.AssetKey(["brief"])
CHECK = "was_written"


def build_brief() -> dg.AssetsDefinition:
    check = dg.AssetCheckSpec(CHECK, asset=KEY, description="The page was written; without it the publication stands")

    @dg.asset(
        name="brief",
        group_name="publish",
        deps=["publish"],
        owners=[OWNER],
        kinds={"html"},
        required_resource_keys={"night"},
        check_specs=[check],
        freshness_policy=dg.FreshnessPolicy.time_window(fail_window=freshness.LATE),
        description="The Monday brief of what was published: a page in each language, a PDF where there is a Chromium",
    )
    def brief(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        night = night_of(context)
        if not night.settings.brief.enabled:
            return _result(night, [], "off in the settings")
        night.say("Writing the brief ...")
        try:
            from salesops.brief import page

            settings = night.settings.brief
            source, folder = night.publish_to / "marts.duckdb", night.publish_to / "brief"
            written = page.write(source, folder, settings.languages, pdf=settings.pdf)
            page.prune(folder)
        except Exception as error:  # noqa: BLE001 whatever breaks the page, the publication stands
            return _result(night, [], f"{type(error).__name__}: {error}", passed=False)
        return _result(night, [str(path) for path in written], "written")

    return brief


def _result(night: Night, files: list[str], reason: str, *, passed: bool = True) -> dg.MaterializeResult[Any]:
    outcome = harmless_outcome(night, KEY, CHECK, reason, passed=passed)
    return dg.MaterializeResult(metadata={"files": files, "reason": reason}, check_results=[outcome])
