# Two commands do everything on a fresh machine with python3 (3.11 or later), make and a package index:
#   make demo   set-up and the main job: a simulated hospital, pulled over FHIR and screened to a worklist
#   make test   set-up and the tests
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Test processes: as many as cores, at most what the memory has room for.
WORKERS ?= auto
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
WHEELHOUSE ?= dist/wheelhouse

.PHONY: help setup demo desk test check format prove bench oracle accuracy sof openapi wheelhouse screens clean

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.setup: pyproject.toml constraints.txt $(VENV)/.made
	$(PIP) install -c constraints.txt -e .
	@touch $@

$(VENV)/.setup-dev: $(VENV)/.setup
	$(PIP) install -c constraints.txt -e '.[dev]'
	@touch $@

setup: $(VENV)/.setup ## the virtual environment with the product

demo: setup ## set-up, then the main job end to end: simulate, pull over HTTP, screen, print the worklist
	$(BIN)/reluth demo --once

desk: setup ## the same, then the worklist page until Ctrl-C
	$(BIN)/reluth demo

test: $(VENV)/.setup-dev ## set-up, then the tests that CI runs
	$(BIN)/python -m pytest -m 'not prove' -n $(WORKERS) --durations 20 --durations-min 10 --cov --cov-report=term:skip-covered --cov-report=json:.cache/coverage.json $(ARGS)
	$(BIN)/python tests/support/coverage_floor.py .cache/coverage.json

check: $(VENV)/.setup-dev ## the gates: format, lint, types, layers, dependencies, spelling, OpenAPI
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/codespell

format: $(VENV)/.setup-dev ## format and fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

prove: $(VENV)/.setup-dev ## the large samples; keep the output in docs/proofs
	$(BIN)/python -m pytest -m prove --no-header -v -p no:randomly --timeout 7200 $(ARGS)
	$(BIN)/python benchmarks/accuracy.py
	$(BIN)/python benchmarks/mutation.py

bench: $(VENV)/.setup-dev ## measure: ratios in one run
	$(BIN)/python benchmarks/evaluation.py
	$(BIN)/python benchmarks/pull_and_screen.py
	$(BIN)/python benchmarks/download.py
	$(BIN)/python benchmarks/storing.py
	$(BIN)/python benchmarks/small_pulls.py
	$(BIN)/python benchmarks/old_verdicts.py
	$(BIN)/python benchmarks/push.py
	$(BIN)/python benchmarks/worklist.py
	$(BIN)/python benchmarks/cards.py
	$(BIN)/python benchmarks/views.py
	$(BIN)/python benchmarks/datasets.py

oracle: $(VENV)/.setup-dev ## an independent CQL engine answers too: differences with their causes (needs node, npm and Maven Central)
	$(BIN)/python benchmarks/oracle.py $(ARGS)

accuracy: $(VENV)/.setup-dev ## truth against verdicts on 10,000 patients, then with records deleted
	$(BIN)/python benchmarks/accuracy.py $(ARGS)

sof: $(VENV)/.setup-dev ## the official SQL-on-FHIR suite on DuckDB (ARGS=--spark: on Spark as well), with what fails and why
	$(BIN)/python benchmarks/sof.py $(ARGS)

openapi: $(VENV)/.setup ## write openapi/adapter.json
	$(BIN)/reluth openapi > openapi/adapter.json

screens: $(VENV)/.setup-dev ## docs/screens: pictures of the pages of a simulated centre (needs chromium)
	$(BIN)/python -m tests.support.screens docs

# The wheels are of this machine's system and Python version. An index is needed here, none where they are installed.
wheelhouse: $(VENV)/.made ## dist/wheelhouse: the product and its pinned dependencies, to install on a machine without internet
	rm -rf $(WHEELHOUSE)
	mkdir -p $(WHEELHOUSE)
	$(PIP) wheel -c constraints.txt -w $(WHEELHOUSE) '.[postgres]'
	cp deploy/install-offline.md $(WHEELHOUSE)/INSTALL.md
	cp constraints.txt $(WHEELHOUSE)/constraints.txt
	$(BIN)/python -c 'import sys, sysconfig; print("Python %d.%d, %s" % (*sys.version_info[:2], sysconfig.get_platform()))' > $(WHEELHOUSE)/PLATFORM
	cd $(WHEELHOUSE) && sha256sum $$(ls | grep -v SHA256SUMS) > SHA256SUMS
	@cat $(WHEELHOUSE)/PLATFORM; ls $(WHEELHOUSE) | wc -l; echo "$(WHEELHOUSE): copy it as it is; INSTALL.md says how to go on"

clean: ## remove what make made
	rm -rf $(VENV) .cache demo
