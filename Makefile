# One command for each thing that a person does here; `make help` lists them.
# Everything is installed into .venv, from locks with hashes, once: a second run finds the stamp and installs nothing.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3.11
VENV := .venv
SPARK_VENV := .venv-spark
BIN := $(VENV)/bin
SALESOPS := $(BIN)/salesops
FAULT ?=
DATA ?=
ONLY ?=

export DBT_SEND_ANONYMOUS_USAGE_STATS = false
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help
help: ## list these targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

.PHONY: setup
setup: $(VENV)/.ready ## install what the night needs into .venv

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not installed: Python 3.11 is needed" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

# uv resolves and unpacks several times faster; where it cannot be had, pip does the same from the same lock
define install
	@echo "Installing $(1) into $(BIN) ..."
	@if $(BIN)/python -m pip install --quiet uv 2>/dev/null && [ -x $(BIN)/uv ]; then \
		$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r $(1); \
	else \
		$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r $(1); \
	fi
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
endef

$(VENV)/.ready: requirements.lock pyproject.toml | $(BIN)/python
	$(call install,requirements.lock)
	@touch $@

$(VENV)/.ready-dev: requirements-dev.lock pyproject.toml | $(BIN)/python
	$(call install,requirements-dev.lock)
	@touch $(VENV)/.ready $@

$(SPARK_VENV)/.ready: BIN := $(SPARK_VENV)/bin
$(SPARK_VENV)/.ready: requirements-spark.lock pyproject.toml
	$(PYTHON) -m venv $(SPARK_VENV)
	$(call install,requirements-spark.lock)
	@touch $@

.PHONY: nightly
nightly: setup ## the whole night; FAULT=duplicates lets something go wrong at the practice company
	@$(SALESOPS) nightly $(foreach fault,$(FAULT),--fault $(fault))

.PHONY: tomorrow
tomorrow: setup ## the practice company lives one day, and the night after it
	@$(SALESOPS) tomorrow
	@$(SALESOPS) nightly

.PHONY: dbt-build
dbt-build: setup ## the dbt project alone on the same data directory
	@$(SALESOPS) dbt build --exclude-resource-type unit_test

.PHONY: ui
ui: setup ## Dagster's web page and daemon on 127.0.0.1, the nightly schedule on
	@$(SALESOPS) ui

.PHONY: test
test: $(VENV)/.ready-dev ## the whole test suite
	@$(BIN)/python -m pytest -q -n 2

.PHONY: test-spark
test-spark: $(SPARK_VENV)/.ready ## every model, unit test and mart on Spark, compared with DuckDB's (Java 17); DATA=directory
	@$(SPARK_VENV)/bin/python -m tests.spark.run $(DATA)
	@$(if $(DATA),,$(SPARK_VENV)/bin/python -m tests.spark.run --company 3)

.PHONY: torture
torture: $(VENV)/.ready-dev ## break the night in every way, and say what was lost; ONLY="files readers"
	@$(BIN)/python -m tests.torture $(ONLY)

.PHONY: test-browser
test-browser: $(VENV)/.ready-dev ## the brief and the dashboard of a night in Chromium: layout, axe-core (npm), figures; DATA=directory
	@command -v chromium google-chrome >/dev/null || { echo "Chromium is not installed" >&2; exit 2; }
	@$(BIN)/python -c "import playwright" 2>/dev/null || $(BIN)/python -m pip install --quiet "playwright>=1.50"
	@$(BIN)/python -m tests.browser.run $(or $(DATA),data)

.PHONY: lint
lint: $(VENV)/.ready-dev ## ruff, mypy and sqruff, as the tests run them
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/sqruff lint --parsing-errors dbt/models dbt/tests

.PHONY: bench
bench: $(VENV)/.ready-dev ## how to rerun each measurement
	@cat bench/README.md
