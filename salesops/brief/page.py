"""The page: one HTML file for each language that asks for nothing else, and its PDF where there is a Chromium."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from salesops.brief import facts as asking
from salesops.brief import figures, sections
from salesops.brief.facts import Facts
from salesops.brief.words import LANGUAGES, Words
from salesops.config import without_secrets
from salesops.layout import for_readers
from salesops.publication import reading

HERE = Path(__file__).parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PDF_SECONDS = 60
KEPT_DATES = 60
_PAGE = re.compile(r"(\d{4}-\d\d-\d\d)\.(?:sv|en)\.(?:html|pdf)")


@for_readers()
def write(published: Path, folder: Path, languages: Sequence[str] = LANGUAGES, *, pdf: bool = True) -> list[Path]:
    """The brief of a publication in each language, as <date>.<language>.html (and .pdf). Existing ones are replaced.

    A page that is as it was keeps the PDF that it has. Gives the files that stand for the publication.
    """
    with reading(published) as marts:
        facts = asking.ask(marts)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for language in languages:
        words = Words(language, facts.first("publication")["currency"])
        path = folder / f"{facts.day}.{words.language}.html"
        text = render(facts, words)
        is_new = not path.exists() or path.read_text() != text
        if is_new:
            _pdf_of(path).unlink(missing_ok=True)  # it is of another page
            beside = path.with_name(f".{path.name}.next")
            beside.write_text(text)
            beside.replace(path)
        written.append(path)
        if pdf and (printed := print_pdf(path) if is_new or not _pdf_of(path).exists() else _pdf_of(path)):
            written.append(printed)
    return written


def prune(folder: Path, kept: int = KEPT_DATES) -> list[Path]:
    """Takes away the pages of all but the newest dates; touches no file of another name. Gives what went."""
    pages = {path: found[1] for path in folder.iterdir() if (found := _PAGE.fullmatch(path.name))}
    newest = set(sorted(set(pages.values()))[-kept:])
    gone = sorted(path for path, day in pages.items() if day not in newest)
    for path in gone:
        path.unlink()
    return gone


def _pdf_of(page: Path) -> Path:
    return page.with_suffix(".pdf")


def render(facts: Facts, words: Words) -> str:
    """The whole page."""
    return _template().render(
        w=words,
        t=words.text,
        style=Markup((HERE / "style.css").read_text()),  # ours
        mast=_mast(facts, words),
        head=sections.headline(facts, words),
        changed=sections.changed(facts, words),
        todo=sections.todo(facts, words),
        stale=sections.stale(facts, words),
        mark=figures.charts.mark,
        tiles=figures.tiles(facts, words),
        forecast=figures.forecast(facts, words),
        pipeline=figures.pipeline(facts, words),
        bulk=[sections.bulk(words, row) for row in facts.rows("bulk_edits")],
        signals=sections.signals(facts, words),
        leaks=figures.leaks(facts, words),
        sellers=figures.sellers(facts, words),
        hygiene=figures.hygiene(facts, words),
        data=figures.data(facts, words),
        queries=[(name, answer.sql) for name, answer in facts.answers.items()],
    )


def _mast(facts: Facts, words: Words) -> dict[str, Any]:
    publication, quarter = facts.first("publication"), facts.first("quarter")
    days = words.days(quarter["first_day"], quarter["last_day"]) if quarter else ""
    other = "en" if words.language == "sv" else "sv"
    return {
        "language": words.language,
        "company": publication["company"],
        "week": words.text("week_head", n=quarter["week_number"], days=days) if quarter else "",
        "state": words.text("state_at", at=words.stamp(publication["state_at"], year=True)),
        "other": other,
        "other_file": f"{facts.day}.{other}.html",
        "note": "" if words.is_known else words.text("language_note", asked=words.asked),
        "practice": words.text("practice") if publication["is_practice"] else "",
        "foot": words.text(
            "foot", at=words.stamp(publication["built_at"], year=True), id=publication["publication_id"]
        ),
    }


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("brief.html.j2")


def print_pdf(page: Path) -> Path | None:
    """The page as an A4 PDF beside it; None where there is no Chromium, or where it does not print."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        return None
    target = _pdf_of(page)
    with tempfile.TemporaryDirectory(prefix="salesops-brief-") as profile:
        command = [
            *(
                browser,
                "--headless",
                "--disable-gpu",
                "--no-sandbox",
                "--no-first-run",
                "--disable-background-networking",
            ),
            *(
                f"--user-data-dir={profile}",
                "--no-pdf-header-footer",
                f"--print-to-pdf={target}",
                page.resolve().as_uri(),
            ),
        ]
        try:
            subprocess.run(command, capture_output=True, timeout=PDF_SECONDS, check=True, env=without_secrets())
        except (OSError, subprocess.SubprocessError):
            return None
    return target if target.exists() else None
