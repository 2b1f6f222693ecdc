# Each target says what it does in README.md, "Commands". Nothing here needs root or a network, once set up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP = $(VENV)/.$(1)-$(shell cksum requirements/$(1).txt | cut -d' ' -f1)
RUN := $(call STAMP,run)
DEV := $(call STAMP,dev)
PACKAGES := client common gateway inference
CODE := $(PACKAGES) tests bench deploy
REQUESTS := 20000

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev setup-peers run renew calibrate test test-browser chaos test-containers bench sweep-peers scale \
  collection load limit throughput durability soak accuracy check format lock clean

help:
	@sed -n 's/^\([a-z-]*\):.*## /  make \1|/p' Makefile | column -t -s'|'

setup: $(RUN) ## the virtual environment, from the lock file, with the command pictor in it; does nothing when it is current
setup-dev: $(DEV)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "Pictor needs Python 3.11, 3.12 or 3.13; name one with: make PYTHON=python3.12 run" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "no virtual environment; on Debian: apt install python3-venv" >&2; exit 1; }

# A stamp carries its lock file's checksum in its name, so a changed lock file installs again.
$(RUN): | $(VENV)/bin/python
	@echo "Installing what Pictor needs into $(VENV) (about a minute, once) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index -e . # the command
	@rm -f $(VENV)/.run-* && touch $@

$(DEV): $(RUN)
	@echo "Installing what the tests need into $(VENV) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@rm -f $(VENV)/.dev-* && touch $@

# Apart from the rest: the peers want hundreds of packages, and none of them may decide what Pictor runs with.
# Triton's build starts with Debian's own Python 3.11 alone; where that is missing, Triton is left out.
PEERS_STAMP = .venv-$(1)/.$(1)-$(shell cksum requirements/$(1).txt | cut -d' ' -f1)
TRITON_PYTHON := /usr/bin/python3.11
PEERS := $(call PEERS_STAMP,peers) $(if $(wildcard $(TRITON_PYTHON)),$(call PEERS_STAMP,peers-triton))
setup-peers: $(PEERS) ## the products that Pictor is measured beside, in .venv-peers and .venv-peers-triton
$(PEERS): | $(DEV)
	@echo "Installing into $(@D) ..."
	@$(BIN)/uv venv --quiet --clear --python $(if $(findstring triton,$@),$(TRITON_PYTHON),$(BIN)/python) $(@D)
	@$(BIN)/uv pip install --quiet --require-hashes --python $(@D)/bin/python \
	  -r requirements/$(@D:.venv-%=%).txt
	@touch $@

run: $(RUN) ## setup, then server, workers and gateway; prints the address when ready; Ctrl-C ends it
	@exec $(BIN)/python -m common

renew: $(RUN) ## a running Pictor's workers and gateways, replaced in turn; nobody notices
	@$(BIN)/python -m common.renew

calibrate: $(RUN) ## finds out how many workers of how many threads do best here, and has them used; a minute or two
	@$(BIN)/python -m inference calibrate

test: $(DEV) ## setup, then unit and integration tests, integration under both engines where one has a part in it
	@$(BIN)/python -m pytest -n 2 --no-loadscope-reorder tests/containers/test_files.py tests \
	  --ignore tests/chaos --ignore tests/browser

test-browser: $(DEV) ## the pages in Chromium, by each way a person has; screenshots in tests/browser/shots; under 6 minutes
	@$(BIN)/python -m pytest tests/browser

chaos: $(DEV) ## processes killed, connections cut, Redis stopped and filled, under load; under 6 minutes
	@$(BIN)/python -m pytest tests/chaos

test-containers: $(DEV) ## builds the four images, runs docker-compose.yml, classifies; needs Docker, or root on Debian
	@$(BIN)/python -m pytest tests/containers

check: $(DEV) ## format, lint, types
	@$(BIN)/black --check --quiet $(CODE) || { echo "run: make format" >&2; exit 1; }
	@$(BIN)/isort --check --quiet $(CODE) || { echo "run: make format" >&2; exit 1; }
	@$(BIN)/ruff check --quiet $(CODE)
	@$(BIN)/mypy
	@$(BIN)/hadolint gateway/Dockerfile inference/Dockerfile
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec docker-compose.yml

bench: $(DEV) ## Pictor beside the limit and its peers, in turns; report and plots in bench/results; 20 minutes
	@$(BIN)/python -m bench

sweep-peers: $(DEV) ## each peer's configurations in turns, the fastest kept in bench/peers/best.json; NAMES="mosec ray" for these
	@$(BIN)/python -m bench.peers.sweep $(NAMES)

scale: $(DEV) ## rate and cost as workers, gateways, backlog and images grow; an engine that only waits; 5 minutes
	@$(BIN)/python -m bench.scale

collection: $(DEV) ## pictor classify, local and through a server, beside the limit; a person's wait meanwhile; then kill -9, and a million files; 25 minutes
	@$(BIN)/python -m bench.collection
	@$(BIN)/python -m bench.killed
	@$(BIN)/python -m bench.ledger

load: $(DEV) ## Locust against a running Pictor, 30 s; report in bench/results/load.html
	@mkdir -p bench/results
	@$(BIN)/python -m locust -f bench/locustfile.py --headless -u 20 -r 5 -t 30s --only-summary \
	  --host http://127.0.0.1:$${PICTOR_PORT:-8000} --html bench/results/load.html

limit: $(DEV) ## the in-process limit: decode and infer on all cores, no server
	@$(BIN)/python -m bench.limit

throughput: $(DEV) ## a running Pictor under 32 clients, in turns with the limit
	@$(BIN)/python -m bench.throughput --with-limit --rounds 5 --at-least-ratio 0.65

durability: $(DEV) ## what each PICTOR_DURABILITY costs, and what a crash of Redis loses; 3 minutes
	@$(BIN)/python -m bench.durability

soak: $(DEV) ## 20,000 requests to a system of its own: memory flat, nothing left behind; REQUESTS=n for others
	@$(BIN)/python -m bench.soak --requests $(REQUESTS)

accuracy: $(DEV) ## make accuracy FOLDER=...: labelled pictures through a running Pictor
	@$(BIN)/python -m bench.accuracy $(FOLDER) --keras --engines

format: $(DEV) ## formats the code as make check wants it
	@$(BIN)/isort --quiet $(CODE)
	@$(BIN)/black --quiet $(CODE)

# The lock files hold hashes and no index address. Each part's image installs the same versions as the rest.
LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-header --no-annotate pyproject.toml
PINNED = -c requirements/dev.txt
lock: $(DEV) ## the lock files anew, from pyproject.toml
	$(LOCK) --extra gateway --extra inference --extra embedded --extra client --extra test --extra dev -o requirements/dev.txt
	$(LOCK) $(PINNED) --extra gateway --extra inference --extra embedded --extra client -o requirements/run.txt
	$(LOCK) $(PINNED) --extra gateway -o requirements/gateway.txt
	$(LOCK) $(PINNED) --extra inference -o requirements/inference.txt
	$(LOCK) $(PINNED) --extra gateway --extra embedded --extra test -o requirements/gateway-test.txt
	$(LOCK) $(PINNED) --extra inference --extra embedded --extra test -o requirements/inference-test.txt
	$(LOCK) $(PINNED) --extra inference --extra embedded --extra peers -o requirements/peers.txt
	$(LOCK) --extra peers-triton -o requirements/peers-triton.txt

clean: ## removes what was installed and cached, never your data
	rm -rf $(VENV) .venv-peers .venv-peers-triton .mypy_cache .ruff_cache .pytest_cache
