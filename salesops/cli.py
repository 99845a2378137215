"""`salesops`: the one command line. Heavy imports happen in the command that needs them.

Exit codes: 0 done; 1 ran and refused to publish; 2 configuration or credentials; 3 a source failed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Annotated

import typer

from salesops.config import ConfigError
from salesops.layout import DataDirectory

REFUSED, CONFIGURATION, SOURCE_FAILED = 1, 2, 3

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
duplicates_app = typer.Typer(no_args_is_help=True, help="The accepted state of duplicate contacts.")
app.add_typer(duplicates_app, name="duplicates")

AsOf = Annotated[str | None, typer.Option(help="Count events up to this instant, such as 2026-03-31T22:00:00Z")]
KnownAsOf = Annotated[str | None, typer.Option(help="Count only what was known at this instant (as reported)")]
PublishTo = Annotated[Path | None, typer.Option(help="Publish into this folder instead of the usual place")]
Fault = Annotated[list[str] | None, typer.Option(help="Practice company only: what goes wrong, such as duplicates")]


@app.command()
def nightly(
    as_of: AsOf = None, known_as_of: KnownAsOf = None, publish_to: PublishTo = None, fault: Fault = None
) -> None:
    """Run the whole night: read the sources, build and check the marts, publish them.

    Example: salesops nightly --as-of 2026-03-31T22:00:00Z --publish-to /tmp/march
    """
    from rich.console import Console

    from salesops import alerts, summary
    from salesops import night as nights
    from salesops.erasure import forget as forgetting

    console = Console(highlight=False)
    with _explained(), ExitStack() as stack:
        options = {"as_of": as_of, "known_as_of": known_as_of}
        is_ordinary = not (as_of or known_as_of or fault)  # what a person mistypes is told to that person alone
        with alerts.told_if_refused() if is_ordinary else nullcontext():
            opened = nights.opened(os.environ, **options, publish_to=publish_to, faults=fault or ())
            night = stack.enter_context(opened)
        if fault and not night.settings.is_practice:
            raise ConfigError("--fault is for the practice company only")
        before = summary.snapshot(night.publish_to)
        night.say = lambda text: console.print(text, markup=False)
        outcome = nights.run(night)
        summary.show(console, night, outcome, before)
        if told := alerts.after_night(night, outcome.failures):
            console.print(told, markup=False)
        if told := forgetting.after_night(night.data, night.settings, night.drop, night.clock.now()):
            console.print(told, markup=False)
        raise typer.Exit(outcome.exit_code)


@app.command("alerts")
def send_alerts() -> None:
    """Send what was held back in quiet hours or not delivered, and tell when a night is missing. For a timer.

    Example: salesops alerts
    """
    from salesops import alerts, config
    from salesops.clock import Clock

    with _explained():
        settings = config.load()
        if not settings.alerts.enabled:
            raise ConfigError("alerts are off: set `enabled = true` under [alerts] in salesops.toml")
        alerts.receivers()
        data = DataDirectory(config.data_directory())
        typer.echo(alerts.catch_up(settings, data, Clock().now()) or "Nobody has to be told of anything.")


@app.command()
def tomorrow(
    days: Annotated[int, typer.Option(min=1, help="How many days the company lives")] = 1,
) -> None:
    """Let the practice company live on; `salesops nightly` then reads what happened.

    Example: salesops tomorrow --days 7 && salesops nightly
    """
    from salesops import config, night, practice

    with _explained():
        if not config.load().is_practice:
            raise ConfigError("a source is configured: only the practice company can be told to live on")
        data = DataDirectory(config.data_directory())
        practice.tick(data.sandbox, days, night.last_seen(data))
        typer.echo(f"The practice company lived {days} more day{'s' if days > 1 else ''}.")


@app.command()
def sandbox() -> None:
    """Serve the practice company until Ctrl-C, for any HubSpot client; prints its address and token.

    Example: salesops sandbox
    """
    import signal

    from salesops import config, practice
    from salesops.clock import Clock

    with _explained():
        settings = config.load()
        today = Clock().now().astimezone(settings.company.zone).date()
        with practice.running(DataDirectory(config.data_directory()).sandbox, settings.practice, today) as company:
            typer.echo(f"{company.url}  token {company.token}  (Ctrl-C ends it)")
            try:
                signal.pause()
            except KeyboardInterrupt:
                return


@app.command()
def sql(query: Annotated[str | None, typer.Argument(help="One statement; without it a shell opens")] = None) -> None:
    """Ask the published marts, read-only; also while a night is running.

    Example: salesops sql "select * from kpi.win_rate limit 5"
    """
    from salesops import config, sql_shell

    with _explained():
        raise typer.Exit(sql_shell.main(DataDirectory(config.data_directory()).published / "marts.duckdb", query))


@app.command()
def doctor() -> None:
    """Say what is configured, reachable, permitted and stale, and what to do about it. Writes nothing.

    Example: salesops doctor
    """
    from salesops import doctor as doctors

    with _explained():
        raise typer.Exit(doctors.main(os.environ))


@app.command()
def publish(
    rollback: Annotated[bool, typer.Option("--rollback", help="Put the previous publication back")] = False,
    to: Annotated[str | None, typer.Option(help="The publication to put back; default: the one before")] = None,
) -> None:
    """List the publications that are kept, or put one back.

    Example: salesops publish --rollback
    """
    from salesops import config, night, publication

    with _explained():
        data = DataDirectory(config.data_directory())
        if not rollback:
            typer.echo(f"published: {publication.current_id(data.published) or 'nothing yet'}")
            typer.echo("kept: " + (", ".join(p.stem for p in publication.kept_publications(data.published)) or "none"))
            return
        try:
            with night.locked(data):
                typer.echo(f"published again: {publication.rollback(data.published, to)}")
        except publication.PublicationError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(REFUSED) from None


@app.command()
def backup(to: Annotated[Path, typer.Option(help="Folder for backups, on another disk")]) -> None:
    """Copy what a night cannot make again into a folder that can be put back. Not while a night runs.

    Example: salesops backup --to /mnt/backups
    """
    from salesops import backup as backups
    from salesops import config, night
    from salesops.clock import Clock

    with _explained():
        data = DataDirectory(config.data_directory())
        if not data.root.exists():
            raise ConfigError(f"there is no data directory {data.root}")
        named = os.environ.get("SALESOPS_CONFIG")
        configuration = Path(named) if named else Path.cwd() / "salesops.toml"
        try:
            with night.locked(data):
                folder, size = backups.write(data, to, Clock().now(), configuration)
        except backups.BackupError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(REFUSED) from None
        typer.echo(f"{folder}: {size / 1024**2:,.0f} MB. To put it back: salesops restore {folder}")


@app.command()
def restore(
    folder: Annotated[Path, typer.Argument(help="A folder that `salesops backup` wrote")],
    replace: Annotated[bool, typer.Option("--replace", help="Move aside what is in the data directory")] = False,
) -> None:
    """Put a backup in the place of the data directory, after every file's checksum was compared.

    Example: salesops restore /mnt/backups/salesops-20261126T031500Z --replace
    """
    from salesops import backup as backups
    from salesops import config, night
    from salesops.clock import Clock

    with _explained():
        data = DataDirectory(config.data_directory())
        try:
            with night.locked(data):
                aside = backups.restore(folder, data, Clock().now(), replace=replace)
        except backups.BackupError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(REFUSED) from None
        typer.echo(f"{data.root} is as {folder.name} had it; the next night reads what has changed since.")
        if aside is not None:
            typer.echo(f"What was there is in {aside}: delete it when you are sure.")


@app.command()
def forget(
    email: Annotated[str | None, typer.Option(help="Everybody's records that bear this address")] = None,
    record: Annotated[str | None, typer.Option(help="One record, as hubspot/contacts/123")] = None,
    crm: Annotated[bool, typer.Option("--crm", help="Whom a CRM has erased itself; the night does it too")] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Everybody erased before: after older data was put back")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and change nothing")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask")] = False,
) -> None:
    """Erase a person from every file of the data directory, for good; docs/erasure.md says what stays.

    Example: salesops forget --email anna@example.com --dry-run
    """
    from salesops import config, night
    from salesops.clock import Clock
    from salesops.erasure import forget as forgetting

    with _explained():
        if [email is not None, record is not None, crm, again].count(True) != 1:
            raise ConfigError("say one of --email, --record, --crm and --again")
        settings, data = config.load(), DataDirectory(config.data_directory())
        drop = night.drop_folder(settings, data)
        with night.locked(data):
            if crm:
                person = forgetting.follow_crm(data, settings)
            elif again:
                person = forgetting.find_again(data, settings)
            else:
                person = forgetting.find(data, settings, email=email, record=record)
            if person is None:
                typer.echo("Nobody is left to be erased.")
                return
            plan = forgetting.plan(data, drop, person)
            typer.echo("\n".join(plan.lines()))
            if dry_run or not forgetting.is_left(data, plan):
                return
            if not yes:
                typer.confirm("Erase all this? It cannot be taken back", abort=True)
            asked = "crm" if crm else "again" if again else "record" if record else "email"
            forgetting.erase(data, settings, drop, person, asked, Clock().now(), typer.echo)
            typer.echo("Erased. Programs that have an older file open keep it until they close it.")


@app.command()
def brief(
    language: Annotated[str, typer.Option(help="sv, en or both")] = "both",
    to: Annotated[Path | None, typer.Option(help="Folder; published/brief of the data directory if not given")] = None,
) -> None:
    """Write the Monday brief of what is published: one page in each language, and a PDF where there is a Chromium.

    Example: salesops brief --language en --to ~/briefs
    """
    from salesops import config
    from salesops.brief import page
    from salesops.brief.facts import BriefError

    with _explained():
        settings, data = config.load(), DataDirectory(config.data_directory())
        published = _published(data)
        languages = page.LANGUAGES if language == "both" else (language,)
        try:
            written = page.write(published, to or data.brief, languages, pdf=settings.brief.pdf)
        except BriefError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(REFUSED) from None
        typer.echo("\n".join(str(path) for path in written))


@duplicates_app.command("accept")
def accept_duplicates(note: Annotated[str, typer.Option(help="Why, for whoever asks later")]) -> None:
    """Make today's duplicate contacts the accepted state: the gate then looks at what is new since.

    Example: salesops duplicates accept --note "event list imported on purpose, merged next week"
    """
    import duckdb

    from salesops import config, duplicates, night
    from salesops.clock import Clock

    with _explained():
        settings, data = config.load(), DataDirectory(config.data_directory())
        if not data.warehouse.exists():
            raise ConfigError(f"nothing was read yet in {data.root}: run `salesops nightly` first")
        with night.locked(data), duckdb.connect(str(data.warehouse)) as connection:
            connection.execute("set timezone = 'UTC'")
            groups = duplicates.find_groups(connection, settings.company.country)
            duplicates.accept(connection, groups, note, Clock().now())
        typer.echo(f"{len(groups)} groups of duplicate contacts are the accepted state now.")


@duplicates_app.command("worklist")
def write_worklist(
    to: Annotated[
        Path | None, typer.Option(help="Workbook to write; duplicates-<as-of day>.xlsx here if not given")
    ] = None,
) -> None:
    """Write the duplicates to merge and the pairs to rule on as a workbook, worst harm first.

    Fill in ruling, who and why, and put the file into the drop folder: the next night follows it.

    Example: salesops duplicates worklist --to ~/duplicates.xlsx
    """
    from salesops import config, worklist

    with _explained():
        published = _published(DataDirectory(config.data_directory()))
        path, lines = worklist.write(published, to)
        typer.echo(f"{lines} lines in {path}")


@app.command()
def writeback(
    plan: Annotated[bool, typer.Option("--plan", help="Write what could be filled in as a workbook to edit")] = False,
    apply: Annotated[Path | None, typer.Option(help="Write to the CRM what this plan says")] = None,
    undo: Annotated[Path | None, typer.Option(help="Take back what this undo file says was written")] = None,
    to: Annotated[Path | None, typer.Option(help="Workbook of --plan, or undo file of --apply")] = None,
) -> None:
    """Fill empty fields of the CRM from enrichment: plan, edit the plan, apply it, undo it. Off unless configured.

    Example: salesops writeback --plan --to plan.xlsx && salesops writeback --apply plan.xlsx
    """
    from ingestion.session import SourceError
    from salesops import config
    from salesops import writeback as writing
    from salesops import writeback_plan as planning
    from salesops.clock import Clock

    with _explained():
        if [plan, apply is not None, undo is not None].count(True) != 1:
            raise ConfigError("say one of --plan, --apply PLAN and --undo FILE")
        settings, now = config.load(), Clock().now()
        if plan:
            published = _published(DataDirectory(config.data_directory()))
            made = planning.write_plan(published, settings, to)
            counts = f"{made.field_count} empty fields and {made.task_count} merge tasks in {made.path}"
            typer.echo("\n".join([counts, *made.left_out]))
            return
        writers = writing.opened_writers(settings, os.environ)
        try:
            if undo is not None:
                outcome = writing.undo(writers, undo, typer.echo)
            else:
                assert apply is not None
                journal = to or apply.with_name(f"{apply.stem}.undo-{now:%Y%m%dT%H%M%SZ}.jsonl")
                outcome = writing.apply(settings, writers, apply, journal, typer.echo, now)
                typer.echo(f"To take it back: salesops writeback --undo {journal}")
        except (planning.PlanError, SourceError) as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(CONFIGURATION) from None
        finally:
            for writer in writers.values():
                writer.close()
        raise typer.Exit(SOURCE_FAILED if outcome.problems else 0)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def dbt(context: typer.Context) -> None:
    """Run dbt with the night's own settings and data directory; the sources are not asked.

    Example: salesops dbt build --exclude-resource-type unit_test
    """
    from salesops import night as nights

    with _explained():
        raise typer.Exit(nights.run_dbt_alone(os.environ, context.args or ["build"]))


@app.command()
def ui(port: Annotated[int, typer.Option(help="Port on 127.0.0.1")] = 3000) -> None:
    """Dagster's web page and daemon on 127.0.0.1 until Ctrl-C: lineage, runs, checks, the nightly schedule.

    Example: salesops ui --port 3000
    """
    from salesops import web

    with _explained():
        raise typer.Exit(web.serve(os.environ, port))


@app.command()
def dashboard(port: Annotated[int, typer.Option(help="Port on 127.0.0.1")] = 2718) -> None:
    """The published marts as an interactive page on 127.0.0.1 until Ctrl-C: filters, tiles, the deals behind each.

    Example: salesops dashboard --port 2718
    """
    from salesops.dashboard import server

    with _explained():
        server.serve(port)


def _published(data: DataDirectory) -> Path:
    """The published file. Raises ConfigError when nothing is published."""
    published = data.published / "marts.duckdb"
    if not published.exists():
        raise ConfigError(f"nothing is published in {published.parent}: run `salesops nightly` first")
    return published


@contextmanager
def _explained() -> Iterator[None]:
    """Configuration and credentials: one plain message, exit code 2, no traceback."""
    try:
        yield
    except ConfigError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(CONFIGURATION) from None


if __name__ == "__main__":
    app()
