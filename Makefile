# Everything that a newcomer or CI needs; each target installs what it uses.
PYTHON  ?= python3
VENV    := .venv
BIN     := $(VENV)/bin
READY   := $(VENV)/.ready
# Hundreds of processes are started: each would compile all modules where bytecode is not kept.
PYTEST  := env -u PYTHONDONTWRITEBYTECODE $(BIN)/pytest
WORKERS ?= auto
PORT    ?= 8484
AGENT   := examples/agents/demo_agent.py
PROPERTIES ?= tests
BENCHES ?= startup plan schedule tick webhooks runs pages scale gitops notifications budgets dashboard

.PHONY: run test check format bench soak schemas system help

help: ## Show the targets.
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "Setting up $(VENV) (once)…" >&2
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[a2a,dev,notify,postgres]'
	@touch $(READY)

run: $(READY) ## Apply the examples to an embedded SQLite and serve them.
	@$(BIN)/reconciler apply examples/autopilots --yes --allow-command demo-agent=$(AGENT)
	@RECONCILER_WRITE_POLICY=files exec $(BIN)/reconciler serve examples/autopilots --port $(PORT) --allow-command demo-agent=$(AGENT)

system: ## Install PostgreSQL and Chromium for the tests (Debian, as root).
	@sh .ci/system-packages

test: $(READY) system check ## Check the code and run the whole suite.
	$(PYTEST) -n $(WORKERS) --dist worksteal -m 'not soak'

check: $(READY) ## Format, lint, types, layers.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY) ## Format the code and fix what ruff can fix.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

schemas: $(READY) ## Write the JSON Schemas anew.
	$(BIN)/python -m reconciler.manifest.schema schemas

bench: $(READY) ## Measure, as ratios within one run.
	@for name in $(BENCHES); do \
	  echo "== $$name"; \
	  $(BIN)/python -m bench.$$name || exit 1; \
	done

soak: $(READY) system ## Long crash and load rounds, and properties with new examples.
	$(PYTEST) -n $(WORKERS) -m 'hypothesis and not soak and not browser' --hypothesis-profile explore $(PROPERTIES)
	$(PYTEST) -n $(WORKERS) -m soak --timeout 3600 -rP
