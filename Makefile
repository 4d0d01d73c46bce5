# The two commands of the README, and what developers use. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help install demo ui rehearse-disaster rehearse-incidents test thorough nightly check fast-tests lint bench incidents docs site lock down clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(STAMP)  ## the virtual environment, from the hash-pinned lock

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $(STAMP)

demo: $(STAMP)  ## a stack, a backup, its drill and a load test through Dagster, and where to look
	$(BIN)/python -m onyx_pipelines.sandbox.demo

ui: $(STAMP)  ## the Dagster UI on the sandbox
	$(BIN)/python -m onyx_pipelines.sandbox.ui

rehearse-disaster: $(STAMP)  ## lose a whole sandbox but for S3, and bring it back
	$(BIN)/python -m onyx_pipelines.sandbox.rehearsal

rehearse-incidents: $(STAMP)  ## half an hour: break a sandbox in six ways, five times each; medians for the docs
	$(BIN)/onyx rehearse --all --times 5 --figures docs/making/game_days.json

test: $(STAMP)  ## the whole test suite; what measures times comes last
	$(BIN)/python -m pytest -m "not (measures or thorough)"
	$(BIN)/python -m pytest -m measures -n 2

thorough: $(STAMP)  ## what CI runs besides: kills at every step, attacks, many servers, whole pages that are followed
	$(BIN)/python -m pytest -m "thorough and not measures"

nightly: $(STAMP)  ## the tests of random data and of many tables, at length
	$(BIN)/python -m pytest --hypothesis-profile=nightly --timeout=0 -k "random or [many]"

check: $(STAMP)  ## in a minute: lint, and beside it the tests that are fast and need no server
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target lint fast-tests

fast-tests: $(STAMP)
	$(BIN)/python -m pytest -n 3 --dist worksteal -m "not (servers or slow or thorough or measures)"

lint: $(STAMP)  ## ruff, mypy --strict, and which package may import which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

bench: $(STAMP)  ## speed and memory against peers in the same run (see bench/README.md)
	$(BIN)/python -m bench

incidents: $(STAMP)  ## an hour: 35 things go wrong in a watched sandbox; what are people told?
	$(BIN)/python -m bench.incidents

docs: $(STAMP)  ## the pages that are written from the code, and the site of all pages
	$(BIN)/python -m docs.making
	$(MAKE) --no-print-directory site

site: $(STAMP)  ## the documentation in build/site; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict

lock:  ## re-resolve requirements.lock (needs uv on PATH)
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet -o requirements.lock

down: $(STAMP)  ## stop the sandbox and delete its state
	$(BIN)/onyx sandbox down

clean: down  ## the sandbox, the virtual environment and all caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .dagster
