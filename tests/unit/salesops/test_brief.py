"""The Monday brief on small publications whose tables are made from the models' own contracts."""

from __future__ import annotations

import html
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from string import Formatter

import duckdb
import jinja2
import pytest
import yaml
from typer.testing import CliRunner

from salesops import cli, publication
from salesops.brief import page
from salesops.brief.facts import BriefError, ask
from salesops.brief.labels import LABELS, NOUNS
from salesops.brief.texts import TEXTS
from salesops.brief.words import Words, rounded
from salesops.clock import Clock
from salesops.config import Settings
from salesops.layout import DataDirectory
from salesops.night import ROOT, Night
from salesops.publication import Publication

AS_OF = datetime(2026, 11, 16, 2, 10, tzinfo=UTC)  # a Monday; the page is about week 46
MONDAY, WEEK = date(2026, 11, 16), date(2026, 11, 9)
QUARTER, END = date(2026, 10, 1), date(2027, 1, 1)
TABLES = {
    *("kpi." + name for name in (
        "forecast", "forecast_accuracy", "bookings", "attainment", "pipeline_open", "win_rate", "pipeline_created",
        "signals", "signal_causes", "bulk_edits", "pipeline_change", "process_leaks", "process_leak_deals",
        "seller_index", "coaching", "hygiene_worklist")),
    *("pipeline." + name for name in ("calendar", "owners", "deals")),
    "meta.data_status",
}  # fmt: skip
HOSTILE = "<script>alert(1)</script> & \"Söner\" AB <img src='https://evil.example/x'>"
COMPANY = {"dimension": "company", "member_key": "all", "member": "all"}


@pytest.fixture(scope="module")
def contracts() -> dict[str, dict[str, str]]:
    """`schema.table` -> its columns and types, as the models promise them."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found = {}
    for path in (ROOT / "dbt" / "models").rglob("*.yml"):
        for model in (yaml.load(path.read_text(), loader) or {}).get("models", []):
            name = f"{path.relative_to(ROOT / 'dbt' / 'models').parts[0]}.{model['name']}"
            if name in TABLES:
                found[name] = {column["name"]: column["data_type"] for column in model["columns"]}
    assert found.keys() == TABLES
    return found


class Marts:
    """A publication in the making."""

    def __init__(self, contracts: dict[str, dict[str, str]], path: Path):
        self.path, self.contracts = path, contracts
        path.parent.mkdir(parents=True, exist_ok=True)
        self.connection = duckdb.connect(str(path))
        for schema in ("kpi", "pipeline", "meta"):
            self.connection.execute(f"create schema {schema}")
        types = {"string": "varchar", "timestamp": "timestamptz"}  # "{{": a type that asks for the engine
        for table, columns in contracts.items():
            listed = ", ".join(
                f'"{name}" {"timestamptz" if "{{" in kind else types.get(kind, kind)}' for name, kind in columns.items()
            )
            self.connection.execute(f"create table {table} ({listed})")
        self.connection.execute(
            f"""insert into pipeline.calendar (date, week_start, fiscal_quarter, fiscal_quarter_start)
            select day, date_trunc('week', day), if(day < date '{QUARTER}', 'FY2026-Q3', 'FY2026-Q4'),
                if(day < date '{QUARTER}', date '2026-07-01', date '{QUARTER}')
            from (
                select cast(unnest(generate_series(date '2026-08-01', date '{END}', interval 1 day)) as date) as day
            )"""
        )

    def add(self, table: str, **values: object) -> None:
        assert values.keys() <= self.contracts[table].keys()
        names, marks = ", ".join(f'"{name}"' for name in values), ", ".join("?" * len(values))
        self.connection.execute(f"insert into {table} ({names}) values ({marks})", list(values.values()))

    def publish(self, company: str = "Exempelbolaget AB", as_of: datetime = AS_OF, currency: str = "SEK") -> Path:
        self.connection.close()
        row = Publication("20261116T031200000000Z", as_of, None, as_of + timedelta(hours=1), "0" * 40, 1, company,
                          currency, "Europe/Stockholm", False, "run")  # fmt: skip
        publication.write_meta(self.path, row, [], {})
        return self.path


def tell_usual(marts: Marts, *, target: int | None = 24_000_000, hostile: str = "Bolt AB") -> None:
    """A company with something of everything: a confirmed leak, a bulk edit, noise, a stale source."""
    for i, day in enumerate(date(2026, 10, 5) + timedelta(weeks=n) for n in range(7)):
        chance = None if target is None else 0.19
        before = {} if i == 0 else {"compared_date": day - timedelta(days=7), "change_expected": -900_000,
                                    "change_won": 1_700_000, "change_open": -2_000_000,
                                    "change_new": -600_000}  # fmt: skip
        marts.add("kpi.forecast", as_of_date=day, period_start=QUARTER, period_end=END, **COMPANY, method="hazard",
                  weeks_to_end=12 - i, is_chosen=True, predicted=22_400_000, expected=22_450_000 - i * 12_345,
                  low_50=21_300_000, high_50=23_600_000, low_80=20_100_000, high_80=24_900_000,
                  won_value=1_400_000 * (i + 1), open_value=9_700_000, new_value=2_900_000, target=target,
                  chance_of_target=chance, **before)  # fmt: skip
    for n in range(3):
        marts.add("kpi.forecast", as_of_date=date(2026, 8, 17) - timedelta(days=91 * n), **COMPANY, method="hazard",
                  period_start=date(2026, 7, 1) - timedelta(days=92 * n), weeks_to_end=6, is_chosen=True,
                  predicted=18_000_000 + n * 2_000_000, actual_value=19_000_000,
                  miss_rate=(18_000_000 + n * 2_000_000) / 19_000_000 - 1)  # fmt: skip
    marts.add("kpi.forecast_accuracy", **COMPANY, method="chosen", origin_count=78, period_count=6, wape=0.0804,
              bias=-0.0042, coverage_80=0.8205, best_baseline_wape=0.1411)  # fmt: skip
    quarter = {"period_grain": "quarter", "period_start": QUARTER, **COMPANY}
    rate = None if target is None else 9_800_000 / target
    marts.add("kpi.bookings", **quarter, won_count=31, won_value=9_800_000, target=target, attainment_rate=rate)
    marts.add("kpi.bookings", period_grain="quarter", period_start=date(2026, 7, 1), **COMPANY, won_value=17_400_000,
              locked_value=17_200_000, restatement_value=200_000, lock_date=date(2026, 10, 6))  # fmt: skip
    if target is not None:
        marts.add("kpi.attainment", **quarter, target=target, pace_gap=-0.028, past_period_count=8)
    for i in range(7):
        marts.add("kpi.pipeline_open", snapshot_date=date(2026, 10, 5) + timedelta(weeks=i), **COMPANY, open_count=361,
                  open_value=48_300_000, horizon_start=QUARTER, horizon_end=END, horizon_value=31_400_000 - i * 766_666,
                  missing_amount_count=1, coverage_ratio=None if target is None else 1.887,
                  coverage_state="no_target" if target is None else "open")  # fmt: skip
    marts.add("kpi.win_rate", **quarter, won_count=72, decided_count=218, win_rate=72 / 218, win_rate_low=0.271,
              win_rate_high=0.395, win_rate_by_value=0.3118)  # fmt: skip
    week = {"period_grain": "week", "period_start": WEEK, **COMPANY}
    marts.add("kpi.pipeline_created", **week, created_count=31, created_value=4_400_000, is_provisional=True)
    tell_signals(marts)
    tell_change(marts)
    tell_people(marts, hostile)
    seen = datetime(2026, 11, 12, 1, 10, tzinfo=UTC)
    for name, state, since in (("deals", "fresh", None), ("leads", "stale", seen)):
        marts.add("meta.data_status", source="hubspot", object=name, as_of=AS_OF, state=state, stale_since=since,
                  newest_event_at=seen, last_extract_at=AS_OF, row_count=12)  # fmt: skip


def tell_signals(marts: Marts) -> None:
    now = {"confirmed": "win_rate", "within_noise": "pipeline_created", "stale": "response_within_sla",
           "check_first": "bookings", "too_few": "sales_cycle", "too_early": "lead_to_sao"}  # fmt: skip
    since = date(2026, 10, 5)
    for verdict, metric in now.items():
        for i in range(30):
            week = WEEK - timedelta(weeks=29 - i)
            is_last, is_shifted = week == WEEK, verdict in ("confirmed", "check_first") and week >= since
            reason = {"check_first": "it may be the season: less than two years are known",
                      "too_early": "5 of 12 weeks collected"}.get(verdict)  # fmt: skip
            marts.add("kpi.signals", metric=metric, part="all", **COMPANY, week_start=week, counted=34 + i % 3,
                      value=0.31 if is_shifted else 0.5 + i % 5 / 50, usual=0.55,
                      money=4_000_000 + i * 13_579 if metric in ("bookings", "pipeline_created") else 17 + i % 3,
                      usual_low=0.3, usual_high=0.8, z=-1.25, verdict=verdict if is_last else "within_noise",
                      reason=reason if is_last else None, since_week=since if is_shifted else None,
                      is_alarm=verdict == "confirmed" and week == date(2026, 11, 2), direction="worse",
                      series_count=148, known_week=min(week, date(2026, 11, 2)), known_counted=35, known_value=0.5143,
                      known_money=18, stale_since=WEEK if is_last and verdict == "stale" else None,
                      money_low=3_111_000, money_high=4_222_000, money_weeks=26)  # fmt: skip
    marts.add("kpi.signals", metric="stage_conversion", part="Sales > Proposal", dimension="team", member_key="south",
              member="South", week_start=WEEK, counted=12, value=0.25, usual=0.5512, q_value=0.02, verdict="watch",
              is_alarm=False, series_count=148)  # fmt: skip
    causes = {"metric": "win_rate", "week_start": WEEK, "since_week": since, "step": "win_rate"}
    marts.add("kpi.signal_causes", **causes, place=1, kind="rate", dimension="team", member_key="south", member="South",
              counted_before=184, counted_since=46, value_before=0.5489, value_since=0.1522)  # fmt: skip
    for dimension, member, mix, own in (
        ("team", "South", -0.0002, -0.1331),
        ("team", "North", -0.0005, 0.0),
        ("company", "all", -0.0007, -0.1331),
    ):
        marts.add("kpi.signal_causes", **causes, kind="mix_and_rate", dimension=dimension, member_key=member,
                  member=member, counted_before=360, counted_since=84, value_before=0.5141, value_since=0.3803,
                  mix_effect=mix, rate_effect=own, effect=mix + own)  # fmt: skip


def tell_change(marts: Marts) -> None:
    moves = {
        "created": 3_200_000, "pulled_in": 1_100_000, "pushed_in": 500_000, "reopened": 300_000, "increased": 900_000,
        "decreased": 1_400_000, "fx": -100_000, "won": 1_700_000, "lost": 2_900_000, "pushed_out": 4_200_000,
        "merged": 200_000, "removed": 100_000, "transferred_in": 0, "restored": 0, "pulled_out": 0,
        "transferred_out": 0,
    }  # fmt: skip
    moves |= {f"{key}_count": i if moves[key] else 0 for i, key in enumerate(moves, start=2)}
    moves |= {"opening_count": 361, "closing_count": 342, "came_in": 5_100_000, "revalued": -600_000,
              "went_out": 9_100_000, "net_change": -4_600_000, "bulk_count": 21, "bulk_net_change": -3_300_000,
              "net_change_without_bulk": -1_300_000}  # fmt: skip
    marts.add("kpi.pipeline_change", period_grain="week", from_date=WEEK, to_date=MONDAY, window_start=QUARTER,
              window_end=END, close_window="current_quarter", **COMPANY, opening=31_400_000, closing=26_800_000,
              **moves)  # fmt: skip
    at = datetime(2026, 11, 13, 15, 41, tzinfo=UTC)
    marts.add("kpi.bulk_edits", changed_date=at.date(), changed_by="Foxtrot", deal_count=23, first_changed_at=at,
              last_changed_at=at + timedelta(minutes=4))  # fmt: skip


def tell_people(marts: Marts, hostile: str, sellers: int = 3) -> None:
    days = {"from_date": date(2026, 8, 17), "to_date": date(2026, 11, 15)}
    leak = {"pipeline": "Sales", "stage": "Proposal", **days}
    marts.add("kpi.process_leaks", **COMPANY, **leak, place=1, exited_count=84, advanced_count=26, lost_count=58,
              rate=0.3095, shrunk_rate=0.3118, shrunk_low=0.2209, shrunk_high=0.4132, usual_rate=0.5534,
              leak_value=900_000, leak_value_low=500_000, leak_value_high=1_300_000,
              time_leak_value=0, verdict="leak")  # fmt: skip
    marts.add("kpi.process_leak_deals", dimension="company", member_key="all", pipeline="Sales", stage="Proposal",
              deal_key="d1", place=1, lost_date=date(2026, 11, 2), amount_base=340_000)  # fmt: skip
    marts.add("pipeline.deals", deal_key="d1", name=hostile, url="https://crm.example/d1")
    for i, name in enumerate(("Alfa", "Bravo", "Charlie")[:sellers]):
        key = f"o{i}"
        marts.add("pipeline.owners", owner_key=key, name=name, team=("South", "North", "North")[i])
        marts.add("kpi.seller_index", scope="trailing_4_quarters", measure="win", pipeline="all", stage="all",
                  owner_key=key, owner=name, success_count=(11, 24, 3)[i], decided_count=(74, 67, 7)[i],
                  expected_count=20.5, index_oe=(0.44, 1.131, 0.9)[i], expected_rate=0.3404, shrunk_rate=0.2202,
                  shrunk_low=0.1501, shrunk_high=0.2988, p_above_team=(0.01, 0.6, 0.5)[i],
                  standing=("below", "within_noise", "too_few")[i])  # fmt: skip
    for owner, segment, standing, more in (
        ("Alfa", "all", "below", {"success_count": 11, "decided_count": 74, "teacher": "Bravo",
                                  "teacher_shrunk_rate": 0.5512}),
        ("Bravo", "11-50", "above", {"success_count": 19, "decided_count": 31}),
    ):  # fmt: skip
        marts.add("kpi.coaching", scope="trailing_4_quarters", measure="win", pipeline="all", stage="all",
                  segment=segment, owner_key=owner, owner=owner, team="South", standing=standing,
                  expected_rate=0.3404, shrunk_rate=0.2202, shrunk_low=0.1422, shrunk_high=0.3017, **more)  # fmt: skip
    for i, (rule, what) in enumerate((("R02", LABELS["rule"]["R02"][0]), ("R99", "Ask the board"))):
        marts.add("kpi.hygiene_worklist", worklist_key=str(i), thing="deal", thing_key=f"d{i}", rule_id=rule,
                  title="", severity="error", owner="Alfa", team="South", name=hostile, what_to_do=what,
                  record_url=("https://crm.example/d1", "javascript:alert(1)")[i], broken_since=date(2026, 11, 1),
                  value_at_stake=1_400_000 + i)  # fmt: skip


@pytest.fixture
def made(contracts, tmp_path):
    """Publishes what a function tells, and gives the pages of both languages."""

    def make(tell=lambda marts: None, **how) -> dict[str, str]:
        marts = Marts(contracts, tmp_path / "published" / "marts.duckdb")
        tell(marts)
        marts.publish(**how)
        files = page.write(marts.path, tmp_path / "out", pdf=False)
        return {path.name.split(".")[1]: path.read_text() for path in files}

    return make


@pytest.fixture(scope="module")
def usual(contracts, tmp_path_factory) -> tuple[Path, dict[str, str]]:
    folder = tmp_path_factory.mktemp("brief")
    marts = Marts(contracts, folder / "marts.duckdb")
    tell_usual(marts)
    marts.publish()
    files = page.write(marts.path, folder, pdf=False)
    return marts.path, {path.name.split(".")[1]: path.read_text() for path in files}


def visible(text: str) -> str:
    """What a reader sees or hears, without the queries at the end."""
    body = text[text.index("<main") : text.index('<section class="noprint" id="sql"')]
    spoken = " ".join(re.findall(r'aria-label="([^"]*)"', body))
    return html.unescape(re.sub(r"<[^>]+>", " ", body) + " " + spoken)


NUMBER = re.compile(r"\d[\d\u202f,.]*")


def numbers(text: str, language: str) -> list[str]:
    """Every number, as English writes it."""
    if language == "sv":  # a full stop stands in clocks alone
        text = re.sub(r"\b(\d\d)\.(\d\d)\b", r"\1:\2", text)
    found = [token.rstrip(".,") for token in NUMBER.findall(text)]
    if language == "sv":
        found = [token.replace("\u202f", "").replace(",", ".") for token in found]
    return [token.replace(",", "") for token in found]


def queries(text: str) -> dict[str, str]:
    found = re.findall(r'<h3 id="q-(\w+)">\w+</h3><pre tabindex="0"><code>(.*?)</code>', text, re.DOTALL)
    return {name: html.unescape(sql) for name, sql in found}


# --- words ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ask_", "en", "sv"),
    [
        (lambda w: w.money(22_400_000), "SEK\u00a022.4m", "22,4\u00a0mkr"),
        (lambda w: w.money(340_000), "SEK\u00a0340k", "340\u00a0tkr"),
        (lambda w: w.money(999_600), "SEK\u00a01.0m", "1,0\u00a0mkr"),
        (lambda w: w.money(0), "SEK\u00a00", "0\u00a0kr"),
        (lambda w: w.money(Decimal("-4650000"), sign=True), "SEK\u00a0\u22124.7m", "\u22124,7\u00a0mkr"),
        (lambda w: w.moneys(20_100_000, 24_900_000), "SEK\u00a020.1–24.9m", "20,1–24,9\u00a0mkr"),
        (lambda w: w.number(12345.65, 1), "12,345.7", "12\u202f345,7"),
        (lambda w: w.number(0, sign=True), "0", "0"),
        (lambda w: w.number(2.5, sign=True), "+3", "+3"),
        (lambda w: w.percent(0.33), "33.0%", "33,0\u00a0%"),
        (lambda w: w.points(-0.028), "\u22122.8\u00a0pp", "\u22122,8\u00a0procentenheter"),
        (lambda w: w.count(1, "deal"), "1 deal", "1 affär"),
        (lambda w: w.count(0, "deal"), "0 deals", "0 affärer"),
        (lambda w: w.count(1, "open_deal"), "1 open deal", "1 öppen affär"),
        (lambda w: w.count(2, "open_deal"), "2 open deals", "2 öppna affärer"),
        (lambda w: w.count(2, "team"), "2 teams", "2 team"),
        (lambda w: w.stamp(datetime(2026, 11, 16, 2, 10, tzinfo=UTC), year=True), "Mon 16 Nov 2026 02:10",
         "mån 16 nov 2026 kl. 02.10"),
        (lambda w: w.days(WEEK, WEEK + timedelta(days=6)), "9–15 Nov 2026", "9–15 nov 2026"),
        (lambda w: w.days(date(2026, 12, 28), date(2027, 1, 3)), "28 Dec 2026 – 3 Jan 2027",
         "28 dec 2026 – 3 jan 2027"),
        (lambda w: w.week(WEEK), "week 46", "v. 46"),
        (lambda w: w.chance(0.19), "possible but unlikely", "möjligt men inte troligt"),
    ],
)  # fmt: skip
def test_numbers_plurals_and_dates_of_both_languages(ask_, en, sv):
    assert ask_(Words("en")) == en
    assert ask_(Words("sv")) == sv


def test_other_currencies_and_unknown_languages():
    assert Words("sv", "EUR").money(1_200_000) == "1,2\u00a0mn euro"
    assert Words("en", "EUR").money(1_200_000) == "EUR\u00a01.2m"
    assert Words("fi").language == "en" and not Words("fi").is_known


def test_both_texts_of_a_pair_take_the_same_parts():
    """What one language says with a number, the other says with the same number."""
    for key, (en, sv) in TEXTS.items():
        parts = [sorted(name for _, name, _, _ in Formatter().parse(text) if name) for text in (en, sv)]
        assert parts[0] == parts[1], key
        assert numbers(en, "en") == numbers(sv, "sv"), key


def test_no_text_says_what_something_is_due_to():
    forbidden = re.compile(
        r"\b(because|due to|caused?|driven by|thanks to|beror på|orsakat|orsakar|på grund av|tack vare)\b", re.I
    )
    texts = [text for pair in TEXTS.values() for text in pair] + [
        t for kind in LABELS.values() for p in kind.values() for t in p
    ]
    assert not [text for text in texts if forbidden.search(text)]
    assert all(len(forms) == 2 for noun in NOUNS.values() for forms in noun)


# --- the page ---------------------------------------------------------------------------------------------------


def test_both_languages_hold_the_same_numbers(usual):
    pages = usual[1]
    assert sorted(numbers(visible(pages["en"]), "en")) == sorted(numbers(visible(pages["sv"]), "sv"))


@pytest.mark.parametrize("language", ["en", "sv"])
def test_every_number_of_the_page_comes_from_a_query_that_stands_on_it(usual, language):
    """The queries are taken off the page, run again, and their rows must give every number that a reader sees."""
    path, pages = usual
    words, known = (
        Words(language),
        {"80", "50", "95", "13", "26", "14", "28", "90", "12", "10", "1", "8", "0"},
    )  # definitions
    with publication.reading(path) as marts:
        for sql in queries(pages[language]).values():
            for row in marts.execute(sql).fetchall():
                for value in row:
                    known |= forms(value, words, language)
    seen = numbers(visible(pages[language]), language)
    assert len(seen) > 150
    assert sorted(set(seen) - known) == []


def forms(value: object, words: Words, language: str) -> set[str]:
    """How a value may stand on the page."""
    if isinstance(value, str):
        return set(numbers(value, language))
    if isinstance(value, datetime):
        return set(numbers(f"{value.day} {value.year} {value:%H:%M}", "en"))
    if isinstance(value, date):
        return {str(value.day), str(value.year), str(value.isocalendar().week)}
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return set()
    scaled = [
        rounded(Decimal(str(value)) / scale, places)
        for scale, places in ((1, 0), (1, 1), (1, 2), (1000, 0), (1_000_000, 1))
    ]
    scaled += [rounded(Decimal(str(value)) * 100, places) for places in (1, 2)]
    return {str(abs(number)) for number in scaled}


def test_each_figure_links_to_a_query_of_the_page(usual):
    for text in usual[1].values():
        linked = set(re.findall(r'href="#q-(\w+)"', text))
        assert linked <= queries(text).keys()
        assert len(linked) >= 15
        assert set(re.findall(r'href="#(\w+)"', text)) <= set(re.findall(r'id="([\w-]+)"', text))


def test_the_page_asks_for_nothing_else(usual):
    for text in usual[1].values():
        assert "<script" not in text and "<link" not in text and "<img" not in text and "@import" not in text
        assert not re.search(r"\b(src|srcset|data|poster|action)=", text) and "url(" not in text
        assert set(re.findall(r'href="(?!#|https://crm\.example/)([^"]+)"', text)) <= {
            "2026-11-16.en.html", "2026-11-16.sv.html"
        }  # fmt: skip


def test_a_table_too_wide_for_a_phone_scrolls_in_a_named_region(usual):
    region = re.compile(r'<div class="scroll" tabindex="0" role="region" aria-label="[^"]+">$')
    for text in usual[1].values():
        heads = re.finditer(r"<table[^>]*>(?:<caption>[^<]*</caption>)?<thead>.*?</thead>", text, re.DOTALL)
        wide = [found for found in heads if found[0].count("<th ") > 3]
        assert len(wide) == 6
        assert all(region.search(text[: found.start()]) for found in wide)


def test_the_usual_page_says_what_the_verdicts_say(usual):
    en = visible(usual[1]["en"])
    assert "Q4 is heading for SEK\u00a022.4m against a target of SEK\u00a024.0m" in en
    assert "possible but unlikely: about a 1 in 5 chance" in en
    assert "Win rate is worse than usual since week 41." in en
    assert "38.0% against 51.4% before (84 counted since). It sits in team South." in en
    assert "Bookings looks different since week 41" in en and "Bookings is worse" not in en
    assert "hubspot" not in en and "no new data since Thu 12 Nov 02:10" in en.replace("HubSpot: ", "")
    assert "Last known: 18 of 35 due, week of 2 Nov" in en
    assert "Stale since 9 Nov. No trend and no alarm until the source is back." in en
    assert "Middle half of the 26 weeks before: SEK\u00a03.1–4.2m." in en
    sv = visible(usual[1]["sv"])
    assert "Q4 pekar mot 22,4\u00a0mkr, målet är 24,0\u00a0mkr" in sv
    assert "Det finns hos team South." in sv and "Förlorat" in sv


def fragments(*keys: str) -> list[tuple[str, ...]]:
    """The longest piece of each text that holds no part, English and Swedish."""
    return [tuple(max(re.split(r"\{\w+\}", text), key=len) for text in TEXTS[key]) for key in keys]


CONFIRMED = ("changed.worse", "changed.better", "signals.lasting", "signals.head", "signals.aria", "changed.rates")
SITS = tuple(key for key in TEXTS if key.startswith("sits."))


@pytest.mark.parametrize(
    "verdict", ["check_first", "watch", "within_noise", "stale", "too_early", "too_few", "confirmed"]
)
def test_only_what_is_confirmed_gets_the_words_of_a_confirmed_change(made, verdict):
    """Whatever else the rows say: a running shift, an alarm, a named cause, a z of nine."""

    def tell(marts: Marts) -> None:
        tell_signals(marts)
        marts.connection.execute("delete from kpi.signals where metric <> 'win_rate'")
        marts.connection.execute(
            "update kpi.signals set verdict = ?, z = -9, reason = '5 of 12 weeks collected' where week_start = ?",
            [verdict, WEEK],
        )

    pages = made(tell)
    for place, language in enumerate(("en", "sv")):
        said = [piece[place] for piece in fragments(*CONFIRMED, *SITS) if piece[place] in visible(pages[language])]
        assert (said != []) is (verdict == "confirmed"), said


def test_beside_a_swing_that_is_noise_stands_what_its_count_could_have_shown(made):
    macros = (ROOT / "dbt" / "macros" / "kpi" / "power.sql").read_text()
    given = "(select metric, usual, baseline_count as baseline_n, counted as n, sigma, 1 as turn from kpi.signals)"
    shares = (
        jinja2.Environment().from_string(macros + "{{ detectable_shares(given) }}").render(given=f"{given} as given")
    )

    def tell(marts: Marts) -> None:
        for metric, counted, distance in (("win_rate", 856, 1.5), ("lead_to_sao", 20, 0.5)):
            marts.add("kpi.signals", metric=metric, part="all", **COMPANY, week_start=WEEK, counted=counted, value=0.29,
                      usual=0.3, usual_low=0.2, usual_high=0.4, z=distance, sigma=1.0, baseline_count=856,
                      verdict="within_noise", is_alarm=False, series_count=2)  # fmt: skip
        marts.connection.execute(
            "update kpi.signals set detectable_value = detectable_share"
            f" from {shares} as shares where signals.metric = shares.metric"
        )

    pages = made(tell)
    assert "So few would show 24.0% or worse (80% power), no smaller change." in visible(pages["en"])
    assert "Så få skulle visa 24,0\u00a0% eller sämre (80 % styrka), ingen mindre ändring." in visible(pages["sv"])


def test_sellers_are_listed_by_team_and_name_and_few_decided_have_no_index(usual):
    text = usual[1]["en"]
    table = text[text.index('id="sellers"') : text.index('id="hygiene"')]
    assert re.findall(r'<th scope="row">(\w+)', table) == ["Bravo", "Charlie", "Alfa"]
    assert table.count("too few") == 1
    assert "below what the mix predicts" in table
    said = html.unescape(table)
    assert "Bravo in winning, segment 11-50: 19/31, 95% 14.2–30.2% where 34.0% is expected." in said
    assert "Alfa in winning: 11/74, 95% 14.2–30.2% where 34.0% is expected. Bravo is at 55.1%." in said


def test_parts_are_rounded_one_by_one_and_never_adjusted(usual):
    text = visible(usual[1]["en"])
    assert "21 deals of these were changed in one go: net SEK\u00a0\u22124.6m with them" in text
    assert "SEK\u00a0\u22121.3m without; they moved SEK\u00a0\u22123.3m." in text
    for part in ("+3.2", "+1.1", "\u22124.2", "\u22121.7", "+5.1", "\u22120.6", "\u22129.1", "\u22124.6"):
        assert part in text
    assert "Rounded: parts may differ" in text


def test_hostile_names_are_text(made):
    for text in made(lambda marts: tell_usual(marts, hostile=HOSTILE), company=HOSTILE).values():
        assert "<script" not in text and "<img" not in text and "javascript:" not in text
        assert html.escape("<script>alert(1)</script>") in text
        assert "Ask the board" in text  # a house's own rule, in its own words


# --- empty and first states -------------------------------------------------------------------------------------


def test_a_first_week_says_what_cannot_be_known_yet(made):
    pages = made()
    en = visible(pages["en"])
    for sentence in (
        "Q4 cannot be forecast yet", "No weekly series is known yet.", "Nothing to fix.", "not defined",
        "There is one state so far", "Too early: no stage", "No seller has decided deals yet.",
        "All 0 open deals pass.",
        "No source has been read.", "Error not known yet.",
    ):  # fmt: skip
        assert sentence in en, sentence
    assert "None" not in en and "None" not in visible(pages["sv"])


def test_without_a_target_the_headline_is_the_forecast_alone(made):
    en = visible(made(lambda marts: tell_usual(marts, target=None))["en"])
    assert "Q4 is heading for SEK\u00a022.4m " in en and "against a target" not in en
    assert "No target is set." in en and "No target set" in en


def test_one_seller_all_open_and_a_constant_metric_stand(made):
    def tell(marts: Marts) -> None:
        tell_people(marts, "Bolt AB", sellers=1)
        for i in range(30):
            marts.add("kpi.signals", metric="win_rate", part="all", **COMPANY, week_start=WEEK - timedelta(weeks=i),
                      counted=4, value=0.5, money=2, usual=0.5, usual_low=0.5, usual_high=0.5, z=0.0,
                      verdict="within_noise", is_alarm=False, series_count=1)  # fmt: skip
        marts.add("kpi.win_rate", period_grain="quarter", period_start=QUARTER, **COMPANY, won_count=0, decided_count=0)

    en = visible(made(tell)["en"])
    assert "One seller: there is nobody to compare with." in en
    assert "0 decided" in en and "not defined" in en
    assert "Nothing has changed beyond usual variation; 1 series checked." in en


def test_shifts_of_bookings_and_of_the_cycle_show_their_exact_splits(made):
    def tell(marts: Marts) -> None:
        since = date(2026, 10, 5)
        shift = {"week_start": WEEK, "since_week": since}
        for metric in ("bookings", "sales_cycle"):
            for i in range(8):
                marts.add("kpi.signals", metric=metric, part="all", **COMPANY, week_start=WEEK - timedelta(weeks=i),
                          counted=9, value=21.5, money=2_000_000, usual=30.5, usual_low=20.5, usual_high=40.5,
                          verdict="confirmed", since_week=since, is_alarm=i == 3, series_count=20)  # fmt: skip
        for kind, before, after, effect in (
            ("decided", 12.0, 9.5, -300_000), ("win_rate", 0.4, 0.31, -512_000), ("size", 410_000, 480_000, 212_000)
        ):  # fmt: skip
            marts.add("kpi.signal_causes", metric="bookings", **shift, step="factor", kind=kind, **COMPANY,
                      value_before=before, value_since=after, effect=effect)  # fmt: skip
        marts.add("kpi.signal_causes", metric="sales_cycle", **shift, place=1, step="sales_cycle", kind="rate",
                  dimension="team", member_key="south", member="South")  # fmt: skip
        for dimension, member, mix, own in (("team", "South", 0.0121, 0.2334), ("company", "all", 0.0121, 0.2334)):
            marts.add("kpi.signal_causes", metric="sales_cycle", **shift, step="split", kind="mix_and_rate",
                      dimension=dimension, member_key=member, member=member, value_before=3.4, value_since=3.64,
                      mix_effect=mix, rate_effect=own, effect=mix + own)  # fmt: skip

    en = re.sub(r"\s+", " ", visible(made(tell)["en"]))
    assert "Split exactly into factors, per usual week" in en
    assert "Decided deals 12.0 9.5 \u2212300 Win rate 40.0% 31.0% \u2212512 Deal size SEK 410k SEK 480k +212" in en
    assert "Split exactly, in hundredths of a logarithm" in en and "South +1.21 +23.34 +24.55" in en


def test_when_every_source_is_stale_that_is_the_headline(made):
    def tell(marts: Marts) -> None:
        tell_usual(marts)
        marts.connection.execute("update meta.data_status set state = 'stale'")

    assert "Nothing can be said of this week: every source is stale" in visible(made(tell)["en"])


def test_an_older_publication_is_told_apart(contracts, tmp_path):
    marts = Marts(contracts, tmp_path / "marts.duckdb")
    marts.connection.execute("drop table kpi.process_leaks")
    with publication.reading(marts.publish()) as connection, pytest.raises(BriefError, match="salesops nightly"):
        ask(connection)


# --- the command and the night ----------------------------------------------------------------------------------


@pytest.fixture
def data(contracts, tmp_path, monkeypatch):
    marts = Marts(contracts, tmp_path / "published" / "marts.duckdb")
    marts.publish()
    monkeypatch.setenv("SALESOPS_DATA", str(tmp_path))
    monkeypatch.delenv("SALESOPS_CONFIG", raising=False)
    monkeypatch.setenv("PATH", "")  # no Chromium
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_command_writes_a_page_for_each_language(data):
    done = CliRunner().invoke(cli.app, ["brief", "--to", str(data / "out")])
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in (data / "out").iterdir()) == ["2026-11-16.en.html", "2026-11-16.sv.html"]
    done = CliRunner().invoke(cli.app, ["brief", "--language", "fi", "--to", str(data / "fi")])
    assert "The language fi is not supported" in (data / "fi" / "2026-11-16.en.html").read_text()


def test_the_command_without_a_publication_says_what_to_do(data):
    (data / "published" / "marts.duckdb").unlink()
    done = CliRunner().invoke(cli.app, ["brief"])
    assert done.exit_code == 2 and "salesops nightly" in done.output


def test_a_browser_that_fails_leaves_the_page(contracts, tmp_path, monkeypatch):
    marts = Marts(contracts, tmp_path / "marts.duckdb")
    marts.publish()
    broken = tmp_path / "bin" / "chromium"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(broken.parent))
    assert [path.suffix for path in page.write(marts.path, tmp_path / "out")] == [".html", ".html"]


def test_a_page_is_printed_once_and_again_when_it_changes(contracts, tmp_path, monkeypatch):
    marts = Marts(contracts, tmp_path / "marts.duckdb")
    marts.publish()
    browser = tmp_path / "bin" / "chromium"
    browser.parent.mkdir()
    browser.write_text(
        f'#!/bin/sh\necho x >>{tmp_path}/calls\nfor a; do case $a in --print-to-pdf=*) : >"${{a#*=}}";; esac; done\n'
    )
    browser.chmod(0o755)
    monkeypatch.setenv("PATH", str(browser.parent))
    files = page.write(marts.path, tmp_path / "out", ["en"])
    assert [path.suffix for path in files] == [".html", ".pdf"]
    assert page.write(marts.path, tmp_path / "out", ["en"]) == files
    assert (tmp_path / "calls").read_text() == "x\n"
    files[0].write_text("another night's")
    page.write(marts.path, tmp_path / "out", ["en"])
    assert (tmp_path / "calls").read_text() == "x\nx\n"
    files[0].write_text("another night's")
    assert page.write(marts.path, tmp_path / "out", ["en"], pdf=False) == files[:1]
    assert not files[1].exists()  # it was of another page


def test_only_pages_of_old_dates_go(tmp_path):
    names = [f"2026-01-0{day}.{language}.html" for day in (1, 2, 3) for language in ("sv", "en")]
    others = ["notes.html", "2026-01-01.sv.html.bak", "2026-01-01.de.html"]
    for name in [*names, *others, "2026-01-01.en.pdf"]:
        (tmp_path / name).write_text("")
    gone = page.prune(tmp_path, 2)
    assert [path.name for path in gone] == ["2026-01-01.en.html", "2026-01-01.en.pdf", "2026-01-01.sv.html"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*names[2:], *others])
    assert page.prune(tmp_path, 2) == []


@pytest.mark.parametrize("is_broken", [False, True])
def test_the_night_writes_it_and_a_page_that_breaks_takes_nothing_back(contracts, tmp_path, monkeypatch, is_broken):
    import dagster as dg

    from dagster_project.brief import build_brief

    published = tmp_path / "published"
    marts = Marts(contracts, published / "marts.duckdb")
    if is_broken:
        marts.connection.execute("drop table kpi.forecast")
    before = marts.publish().read_bytes()
    monkeypatch.setenv("PATH", "")  # no Chromium
    night = Night(Settings(), DataDirectory(tmp_path), Clock(), AS_OF, AS_OF, None, published, "", "")
    for day in range(page.KEPT_DATES):
        (published / "brief").mkdir(exist_ok=True)
        (published / "brief" / f"{date(2025, 1, 1) + timedelta(days=day)}.en.html").write_text("")
    done = dg.materialize([build_brief()], resources={"night": night}, raise_on_error=False)
    assert done.success
    (check,) = done.get_asset_check_evaluations()
    assert check.passed is not is_broken and not check.blocking
    assert [row.state for row in night.checks] == ["failed" if is_broken else "passed"]
    pages = sorted(path.name for path in published.rglob("*.html"))
    assert len(pages) == page.KEPT_DATES + (0 if is_broken else 1)  # a new date in two languages for the oldest
    assert ("2026-11-16.sv.html" in pages) is not is_broken and ("2025-01-01.en.html" in pages) is is_broken
    assert (published / "marts.duckdb").read_bytes() == before
