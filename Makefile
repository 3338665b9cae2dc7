# Everything from a fresh checkout: each target makes the environment it needs.
PYTHON ?= python3
BIN := .venv/bin
UV := $(shell command -v uv 2>/dev/null)
PIP := $(if $(UV),VIRTUAL_ENV=.venv uv pip install -q,$(BIN)/python -m pip install -q --disable-pip-version-check)
ARGS ?=
SIDE_BY_SIDE := -n auto --maxprocesses 4 --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help train test test-all lint format docs bench tensorboard clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22
	@echo '  ARGS passes arguments on: make train ARGS="dataset=mnist layer_type=fourier2d n=5"'

train: .venv/.installed ## train and test a high-order network (digits by default)
	$(BIN)/high-order-nets train $(ARGS)

test: .venv/.installed-dev ## the everyday tests, no network needed
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(ARGS)

test-all: .venv/.installed-all ## all tests: every torchvision classifier, the wheel in an empty environment
	$(BIN)/python -m pytest -m "slow or not slow" $(SIDE_BY_SIDE) $(ARGS)

lint: .venv/.installed-dev ## ruff, formatting, pyright and the direction of the imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/python -m pytest tests/test_architecture.py

format: .venv/.installed-dev ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: .venv/.installed-docs ## the site, into build/site; a warning or a link that leads nowhere is an error
	$(BIN)/python -m sphinx -q -W --keep-going -n -E -a -c docs -d build/doctrees . build/site $(ARGS)

bench: .venv/.installed-bench ## measure the layers (results/speed.md; ARGS=--quick: build/bench) and the data pipeline
	$(BIN)/python benchmarks/layers.py $(ARGS)
	$(BIN)/python benchmarks/data.py

tensorboard: .venv/.installed ## look at the runs
	$(BIN)/tensorboard --logdir outputs $(ARGS)

clean: ## remove the environment, not the runs
	rm -rf .venv

.venv/.installed: pyproject.toml constraints.txt
	$(if $(UV),test -d .venv || uv venv -q .venv,$(PYTHON) -m venv .venv)
	$(PIP) -c constraints.txt -e .
	@touch $@

.venv/.installed-dev: .venv/.installed
	$(PIP) -c constraints.txt -e ".[dev,peer]"
	@touch $@

.venv/.installed-all: .venv/.installed-dev
	$(PIP) -c constraints.txt -e ".[all]"
	@touch $@

.venv/.installed-bench: .venv/.installed
	$(PIP) -c constraints.txt -e ".[bench]"
	@touch $@

.venv/.installed-docs: .venv/.installed-dev
	$(PIP) -c constraints.txt -e ".[docs]"
	@touch $@
