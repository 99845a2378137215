# /// script
# [tool.marimo.display]
# theme = "system"
# ///
"""The dashboard as a marimo app: filters, tiles, and the deals of the tile that was asked for. It counts nothing."""

import marimo

app = marimo.App(width="full", app_title="Sales dashboard")


@app.cell
def published():
    import duckdb
    import marimo as mo

    from salesops import config
    from salesops.dashboard import figures, page
    from salesops.layout import DataDirectory
    from salesops.publication import reading

    path = DataDirectory(config.data_directory()).published / "marts.duckdb"
    mo.stop(not path.exists(), mo.Html(page.nothing_published(str(path))))
    try:
        with reading(path) as _connection:
            scope = figures.scope(_connection)
            members = {name: figures.choices(_connection, name) for name in figures.DIMENSIONS}
            _strip = page.status(figures.stale(_connection))
        _problem = None
    except duckdb.Error as _error:
        _problem = str(_error)
    mo.stop(_problem is not None, mo.Html(page.unreadable(_problem or "")))
    mo.Html(page.head(scope) + _strip)
    return figures, members, mo, page, path, reading, scope


@app.cell
def filters(figures, members, mo, page):
    period = mo.ui.dropdown(
        {label: key for key, label in figures.PERIODS.items()}, value="This quarter", label="Period"
    )

    def _dropdown(
        name: str, label: str
    ) -> object:  # one element each: two quick changes within one dictionary lose the first
        return mo.ui.dropdown({"All": None, **dict(members[name])}, value="All", label=label, searchable=False)

    team, owner = _dropdown("team", "Team"), _dropdown("owner", "Seller")
    segment, source = _dropdown("segment", "Segment"), _dropdown("source", "Source")
    _row = mo.hstack([period, team, owner, segment, source], wrap=True, justify="start")
    mo.Html(page.wrapped(f"{_row}", "Filters"))
    return owner, period, segment, source, team


@app.cell
def asked(mo):
    asked_tile, ask_for = mo.state("hit_rate")
    return ask_for, asked_tile


@app.cell
def measured(ask_for, figures, mo, owner, page, path, period, reading, scope, segment, source, team):
    chosen = figures.Filter(period.value, team.value, owner.value, segment.value, source.value)
    with reading(path) as _connection:
        _measures = [figures.measure(_connection, scope, chosen, tile) for tile in figures.TILES]
    buttons = mo.ui.dictionary(
        {
            measure.tile: mo.ui.button(
                label=f"Show {page.plural(measure.count, page.BUTTONS[measure.tile][:-1])}",
                on_change=lambda _, tile=measure.tile: ask_for(tile),
            )
            for measure in _measures
        }
    )
    mo.Html(page.tiles([page.tile(measure, scope, chosen, f"{buttons[measure.tile]}") for measure in _measures]))
    return buttons, chosen


@app.cell
def drilled(asked_tile, chosen, figures, mo, page, path, reading, scope):
    with reading(path) as _connection:
        _records = figures.records(_connection, scope, chosen, asked_tile())
    mo.Html(page.drill(asked_tile(), _records, scope, chosen))
    return


if __name__ == "__main__":
    app.run()
