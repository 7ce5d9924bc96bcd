# Every target first makes the machine ready (.ci/bootstrap.py): what is there already is left alone.
# PYTHON=python3.x chooses the Python; ARGS=... is handed on to pytest or to the benchmark.

PYTHON ?= python3
ARGS ?=
READY := $(PYTHON) .ci/bootstrap.py
BIN := .venv/bin

.PHONY: demo up test test-faults try-compose screenshots check bench-pipeline bench-log bench-webhook bench-first-line bench-viewers bench-traffic bench-fanout bench-rollback bench-pages bench-search
.PHONY: check-style check-format check-types check-imports check-migrations

demo: ## The main job in four acts on real parts; ONCE=1 ends after them.
	@$(READY) demo $(BIN)/python -m tests.lab.demo $(if $(ONCE),--once)

up: ## The server, on this machine.
	@$(READY) up $(BIN)/python manage.py up

test: ## The whole suite, its database parts also on PostgreSQL; TEST_WORKERS=4 at once.
	@$(READY) test $(BIN)/python -m tests.lab.suite $(ARGS)

test-faults: ## kill -9 at every named point, and KILLS=200 at random, by SEED=n.
	@$(READY) test $(BIN)/python -m pytest -m faults -s $(ARGS)

screenshots: ## The pictures in docs/screenshots, taken anew.
	@$(READY) test $(BIN)/python -m pytest -q tests/browser/screenshots.py

try-compose: ## The demo's acts on docker-compose.yml; ARGS=docker-compose chooses the older client.
	@$(READY) demo $(BIN)/python -m tests.lab.compose $(ARGS)

check: ## Style, types, imports, migrations.
	@$(READY) check $(MAKE) --no-print-directory -j4 -k -O check-style check-format check-types check-imports check-migrations

check-style:
	@$(BIN)/ruff check .

check-format:
	@$(BIN)/ruff format --check .

check-types:
	@$(BIN)/mypy
	@cd .ci && ../$(BIN)/mypy --config-file= --strict bootstrap.py machine

check-imports:
	@$(BIN)/lint-imports --no-logo

check-migrations:
	@SLIPWAY_STATE_DIR=.lab/check $(BIN)/python manage.py makemigrations --check --dry-run

bench-pipeline bench-log bench-webhook bench-first-line bench-viewers bench-fanout bench-rollback: bench-%: ## Against a yardstick, in one run; ARGS=--json for a last line in JSON.
	@$(READY) demo $(BIN)/python -m bench.$(subst -,_,$*) $(ARGS)

bench-pages: ## Every main page of a server with 100,000 runs, against a bare view; first paint; the scripts' weight.
	@$(READY) test $(BIN)/python -m bench.pages $(ARGS)

bench-search: ## Names among 100,000 runs, and how much of the logs one look reads; against a bare loop.
	@$(READY) test $(BIN)/python -m bench.search $(ARGS)

bench-traffic: ## What users notice of deploys behind a real HAProxy, at 200 requests a second.
	@$(READY) test $(BIN)/python -m bench.traffic $(ARGS)
