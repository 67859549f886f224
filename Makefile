# Fenghuo: one command from a clone to anything. `make` alone prints what there is.
# T= narrows tests and benchmarks, KEEP=1 keeps a demo's console up, SEEDS= and KILLS= size `make acceptance`
# (tests read both from the environment; left out, they take 2 seeds and 10 kills), SEEDS= also `make chaos`.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help
.PHONY: help demo demo-kafka test check bench docs fix lock golden reference acceptance chaos core dev servers clean

BIN := .venv/bin
export NO_MKDOCS_2_WARNING := 1
T ?= tests
SEEDS ?= 10
KILLS ?= 50
WORKERS ?= 2
# pytest's word for no test of that kind below T.
NONE := [ $$? = 5 ]

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "%-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: core  ## see it run (2 min): a simulated storm day as an exercise; KEEP=1 keeps the console up
	@$(BIN)/fenghuo demo $(if $(KEEP),--keep,)

demo-kafka: dev  ## the same storm (4 min) on Kafka, Mosquitto and PostgreSQL that it sets up itself; KEEP=1 keeps them up
	@bash deploy/setup/servers.sh demo
	$(BIN)/python -m deploy.demo $(if $(KEEP),--keep,)

test: dev servers  ## all tests against real servers, T=path for some; sets up what it needs
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -m "not acceptance and not alone" $(T) || $(NONE)
	$(BIN)/python -m pytest -m "alone and not acceptance" $(T) || $(NONE)

check: dev  ## lint, format, types, floors and purity, docs: changes nothing
	@$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --cache-dir .cache/import-linter
	$(BIN)/mkdocs build --strict --quiet

bench: dev servers  ## benchmarks as ratios in one run, T=name for one
	@$(BIN)/python -m benchmarks $(if $(filter-out tests,$(T)),$(T),)

docs: dev  ## build the documentation into site/, warnings as errors
	@$(BIN)/mkdocs build --strict

fix: dev  ## format, and mend what ruff can mend
	@$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

golden: dev  ## rewrite expected files through the public commands; read the diff
	@$(BIN)/python -m pytest -q -m "not acceptance" --rewrite-golden $(T)
	git --no-pager diff --stat

reference: dev  ## write docs/reference/ again from the code
	@$(BIN)/python -m docs.reference.generate

acceptance: dev servers  ## all tests at full length: SEEDS=10 seeds of every scenario, KILLS=50 kills
	@export SEEDS=$(SEEDS) KILLS=$(KILLS)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -m "not alone" $(T) || $(NONE)
	$(BIN)/python -m pytest -m alone $(T) || $(NONE)

chaos: dev servers  ## break the Kafka deployment as seeds 1 to SEEDS=10 have it, 5 min each; keeps results, so run it again to go on
	@$(BIN)/python -m tests.chaos --seeds $(SEEDS)

lock: dev  ## make the hashed lock files again from pyproject.toml's ranges
	@bash deploy/setup/lock.sh

core:  ## only set up .venv to run Fenghuo
	@bash deploy/setup/venv.sh core

dev:  ## only set up .venv to develop it
	@bash deploy/setup/venv.sh dev

servers:  ## only install what the tests talk to; starts nothing
	@bash deploy/setup/servers.sh

clean:  ## remove what was built and installed here (.venv, .cache, site)
	@rm -rf .venv .cache site
