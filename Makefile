# make serve   installs what serving needs, builds the sample index if there is none, serves it
# make test    installs everything, then lint, types, the import rule and all tests
# Both can be run again at any time; PORT and POSEBANK_* variables override the defaults.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.DEFAULT_GOAL := help
.PHONY: help serve test check install-serve install-test clean

help:
	@sed -n '1,3s/^# //p' Makefile

serve: $(VENV)/.installed-serve
	@$(BIN)/posebank serve --sample examples

test: $(VENV)/.installed-test check
	@$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile $(PYTEST_ARGS)

check: $(VENV)/.installed-test
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

install-serve: $(VENV)/.installed-serve
install-test: $(VENV)/.installed-test

# A stamp, because an interrupted run leaves a python without pip.
$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Posebank needs Python 3.11 or newer; name one with: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
	  echo "No virtual environment could be made: this folder must be writable; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@touch $@

# The full set holds the serving set, so a later `make serve` finds its work done.
$(VENV)/.installed-serve: pyproject.toml constraints.txt | $(VENV)/.made
	@echo "Installing Posebank for serving into $(VENV) (about 400 MB) ..."
	@$(INSTALL) -e .
	@touch $@

$(VENV)/.installed-test: pyproject.toml constraints.txt | $(VENV)/.made
	@echo "Installing Posebank with training and tests into $(VENV) (about 2 GB) ..."
	@$(INSTALL) -e '.[test]'
	@touch $@ $(VENV)/.installed-serve

clean:
	rm -rf $(VENV) .posebank .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info
