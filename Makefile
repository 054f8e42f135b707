# `make demo` runs everything on simulated data; `make test` runs every test. Both install what is missing into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DISTRIBUTIONS := opensqt_core opensqt_exchanges/binance opensqt_mm opensqt_live plugins/sim
STAMP := $(VENV)/.installed
PAGE := opensqt_live/src/opensqt_live/page/live.html
PAGE_SOURCES := $(shell find web/src web/public web/tools web/live.html -type f)

.PHONY: help install page demo status test lint soak pins clean
help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(STAMP) ## install every distribution, editable, into .venv

$(STAMP): constraints.txt requirements-dev.in $(addsuffix /pyproject.toml,$(DISTRIBUTIONS))
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --constraint constraints.txt uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt \
	  $(addprefix --editable ,$(DISTRIBUTIONS)) --requirement requirements-dev.in
	@touch $@

$(PAGE): web/node_modules/.installed $(PAGE_SOURCES)
	cd web && npm run --silent build
	@touch $@

web/node_modules/.installed: web/package.json web/package-lock.json
	cd web && npm ci --silent --no-audit --no-fund
	@touch $@

page: $(PAGE) ## build the live daemon's page

demo: install page ## a simulated exchange, the market maker and the live daemon; Ctrl-C ends all three
	@PYTHONSAFEPATH=1 $(BIN)/python demo/run.py

status: install ## the running demo's ladder, in this terminal
	@cd .demo && PYTHONSAFEPATH=1 ../$(BIN)/opensqt-mm status --watch --config market_maker.toml

test: install page lint ## linters, every test but the long ones, and coverage of at least 90 %
	@rm -f .coverage .coverage.*
	cd web && npm test --silent
	@PYTHONSAFEPATH=1 $(BIN)/coverage run -m pytest -m "not soak and not bench" -n 2 --dist loadfile --ignore tests/e2e
	@# Those with processes of their own run one after the other: two at a time starve each other on two cores.
	@PYTHONSAFEPATH=1 $(BIN)/coverage run -m pytest -m "not soak and not bench" tests/e2e
	@$(BIN)/coverage combine --quiet && $(BIN)/coverage report --skip-covered --skip-empty

soak: install ## whole recordings through stalls, drops and crashes (minutes); OPENSQT_DATA names their folder
	@PYTHONSAFEPATH=1 $(BIN)/python -m pytest -m soak

lint: install page ## ruff, flake8-async, mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/flake8-async --enable ASYNC1 --disable ASYNC110,ASYNC114,ASYNC124,ASYNC127 $$(git ls-files '*.py' ':!tests')
	cd web && npm run --silent check
	$(BIN)/mypy $(addsuffix /src,$(DISTRIBUTIONS)) tests demo

pins: ## write constraints.txt anew from what the distributions ask for
	printf -- '-e ./%s\n' $(DISTRIBUTIONS) | cat - requirements-dev.in | $(BIN)/uv pip compile --quiet --upgrade \
	  --no-emit-index-url --no-header --no-annotate --python-version 3.11 - | grep -v '^-e ' > constraints.txt.new
	mv constraints.txt.new constraints.txt

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
