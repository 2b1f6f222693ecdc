# Each target says what it does in README.md, "Commands". Nothing here needs root or a network, once set up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP = $(VENV)/.$(1)-$(shell cksum requirements/$(1).txt | cut -d' ' -f1)
RUN := $(call STAMP,run)
DEV := $(call STAMP,dev)
PACKAGES := common gateway inference
CODE := $(PACKAGES) tests bench

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev run test test-containers load check format lock clean

help:
	@sed -n 's/^\([a-z-]*\):.*## /  make \1|/p' Makefile | column -t -s'|'

setup: $(RUN) ## the virtual environment, from the lock file; does nothing when it is current
setup-dev: $(DEV)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Pictor needs Python 3.11 or newer; name one with: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# A stamp carries its lock file's checksum in its name, so a changed lock file installs again.
$(RUN): | $(VENV)/bin/python
	@echo "Installing what Pictor needs into $(VENV) (about a minute, once) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
	@rm -f $(VENV)/.run-* && touch $@

$(DEV): $(RUN)
	@echo "Installing what the tests need into $(VENV) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@rm -f $(VENV)/.dev-* && touch $@

run: $(RUN) ## setup, then server, workers and gateway; prints the address when ready; Ctrl-C ends it
	@exec $(BIN)/python -m common

clean: ## removes what was installed and cached, never your data
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
