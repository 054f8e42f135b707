# `make demo` runs everything on simulated data; `make test` runs every test. Both install what is missing into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DISTRIBUTIONS := opensqt_core opensqt_exchanges/binance opensqt_mm opensqt_live plugins/sim
STAMP := $(VENV)/.installed

.PHONY: help install demo test lint soak pins clean
help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(STAMP) ## install every distribution, editable, into .venv

$(STAMP): constraints.txt requirements-dev.in $(addsuffix /pyproject.toml,$(DISTRIBUTIONS))
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --constraint constraints.txt uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt \
	  $(addprefix --editable ,$(DISTRIBUTIONS)) --requirement requirements-dev.in
	@touch $@

demo: install ## a simulated exchange and the market maker trading on it; Ctrl-C ends both
	@PYTHONSAFEPATH=1 $(BIN)/python demo/run.py

test: install lint ## linters, every test but the long ones, and coverage of at least 90 %
	@rm -f .coverage .coverage.*
	@PYTHONSAFEPATH=1 $(BIN)/coverage run -m pytest -m "not soak and not bench" -n 2 --dist loadfile
	@$(BIN)/coverage combine --quiet && $(BIN)/coverage report --skip-covered --skip-empty

soak: install ## whole recordings through stalls, drops and crashes (minutes); OPENSQT_DATA names their folder
	@PYTHONSAFEPATH=1 $(BIN)/python -m pytest -m soak

lint: install ## ruff, flake8-async, mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/flake8-async --enable ASYNC1 --disable ASYNC110,ASYNC114,ASYNC124,ASYNC127 $$(git ls-files '*.py' ':!tests')
	$(BIN)/mypy $(addsuffix /src,$(DISTRIBUTIONS)) tests demo

pins: ## write constraints.txt anew from what the distributions ask for
	printf -- '-e ./%s\n' $(DISTRIBUTIONS) | cat - requirements-dev.in | $(BIN)/uv pip compile --quiet --upgrade \
	  --no-emit-index-url --no-header --no-annotate --python-version 3.11 - | grep -v '^-e ' > constraints.txt.new
	mv constraints.txt.new constraints.txt

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
