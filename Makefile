# Needs only Python >= 3.11 and make: every target sets up what it uses. `make help` lists them.
PYTHON ?= python3
UV := .tools/bin/uv
RUN := $(UV) run --no-sync
CORE := packages/core/src/switchwise
READY := .venv/.ready
# One more than the cores: a fifth of the time of the tests is waiting, for other processes, leases that end, and a browser.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print((os.cpu_count() or 1) + 1)')

# Each worker begins with a part of its own, so that what a module sets up is set up once, and helps the others when it is done.
# One disturbed moment of a shared machine is no failure: the tests that fail beside others run once more, alone. A test that fails twice is one.
define tests
$(1) -n $(WORKERS) --dist worksteal $(2) || { echo "Once more, alone: the tests that failed beside others."; $(1) -n 0 -x -ra --last-failed --last-failed-no-failures none $(2); }
endef

.PHONY: adapters docs picture coverage help setup chaos demo test test-llamaindex test-newest test-oldest lock changes check lint types layers bench eval fix build wheels peers clean

help:  ## what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "switchwise needs Python >= 3.11; set PYTHON=")'
	$(PYTHON) -m venv .tools
	.tools/bin/pip install --quiet --disable-pip-version-check "uv>=0.9,<0.14"

# Compiled once: where Python may not write bytecode, each process that a test starts would compile its imports again, for 3 s.
$(READY): $(UV) pyproject.toml packages/core/pyproject.toml packages/langchain/pyproject.toml packages/llamaindex/pyproject.toml packages/loopback/pyproject.toml
	$(UV) sync --quiet --python $(PYTHON) --compile-bytecode
	@touch $(READY)

setup: $(READY)  ## the environment, in .venv

demo: $(READY)  ## a recorded agent run, each call routed
	$(RUN) python -m langchain_switchwise.demo $(ARGS)

test: $(READY) test-llamaindex  ## the tests
	$(call tests,$(RUN) pytest)

# LlamaIndex's Anthropic integration needs an older anthropic SDK than LangChain's users have: an environment of its own.
test-llamaindex: $(UV)
	UV_PROJECT_ENVIRONMENT=.venv-llamaindex $(UV) sync --quiet --python $(PYTHON) --no-default-groups --group llamaindex
	$(call tests,.venv-llamaindex/bin/python -m pytest,--disable-warnings tests/llamaindex/anthropic tests/clients/test_clients.py tests/clients/test_sdk.py)

# The versions that pip resolves today, without the pins: LlamaIndex and langchain-tests hold others back, so they are left out.
test-newest: $(UV)  ## the tests of core, clients and LangChain with the newest versions of everything
	$(UV) venv --quiet --allow-existing --python $(PYTHON) .venv-newest
	$(UV) pip install --quiet --no-config --upgrade --python .venv-newest \
	    -e "packages/core[anthropic,cli,openai,quality,redis,schema,yaml]" -e packages/loopback \
	    -e "packages/langchain[agents,anthropic,deepagents,openai]" hypothesis pytest pytest-asyncio pytest-timeout pytest-xdist vcrpy
	.venv-newest/bin/python -m pytest -n auto --disable-warnings --ignore tests/langchain/test_standard.py tests/core tests/clients tests/langchain

# The oldest versions that the packages allow; LlamaIndex and langchain-tests have lower bounds of their own and are left out.
test-oldest: $(UV)  ## the tests of core, clients and LangChain with the oldest versions that are allowed
	$(UV) venv --quiet --allow-existing --python $(PYTHON) .venv-oldest
	$(UV) pip install --quiet --no-config --resolution lowest-direct --python .venv-oldest \
	    -e "packages/core[anthropic,cli,openai,quality,schema,yaml]" -e packages/loopback \
	    -e "packages/langchain[agents,anthropic,deepagents,openai]"
	$(UV) pip install --quiet --no-config --python .venv-oldest hypothesis pytest pytest-asyncio pytest-timeout pytest-xdist redis "vcrpy<9"
	.venv-oldest/bin/python -m pytest -n auto --disable-warnings tests/core tests/clients tests/langchain \
	    --ignore tests/langchain/test_standard.py --ignore tests/langchain/test_drop_in.py

lock: $(UV)  ## write the tested versions to requirements.lock
	$(UV) export --quiet --no-hashes --no-annotate --no-header --all-packages --no-emit-workspace --output-file requirements.lock

docs: $(READY)  ## the site, in build/site; what it takes from the code is drawn first
	$(RUN) python tools/make_docs.py
	UV_PROJECT_ENVIRONMENT=.venv-docs $(UV) sync --quiet --python $(PYTHON) --only-group docs
	.venv-docs/bin/zensical build --clean --strict

picture: $(READY)  ## the picture of the README, from a run of the demo
	$(RUN) python tools/picture.py

changes: $(READY)  ## fold changes/*.md into CHANGELOG.md; VERSION=
	$(RUN) towncrier build --yes --version $(VERSION)

check: $(READY)  ## all that a submission must pass
	$(MAKE) --no-print-directory -j2 types lint layers build test-llamaindex
	$(call tests,$(RUN) pytest)

coverage: $(READY)  ## the branches that the tests take; by itself, since tracing doubles the time
	$(RUN) pytest -n $(WORKERS) --cov --cov-report=term

lint: $(READY)
	$(RUN) ruff format --check .
	$(RUN) ruff check .

types: $(READY)
	$(RUN) mypy $(CORE)
	$(RUN) mypy packages/langchain/src/langchain_switchwise
	$(RUN) mypy -p llama_index.llms.switchwise
	$(RUN) mypy packages/loopback/src/switchwise_loopback

layers: $(READY)
	$(RUN) lint-imports

build: $(READY)
	$(UV) build --quiet --all-packages --wheel --out-dir dist

adapters: $(READY)  ## what LangChain's adapter, LlamaIndex's and the clients do alike, as a table; and the page on portability, drawn
	$(RUN) python -m switchwise.testing.adapters --docs docs/design/portability.md
	$(RUN) python -m switchwise.testing.adapters

bench: $(READY)  ## cost of a decision, of the adapters, of the import; PEERS=1 adds other routers
	UV=$(UV) $(RUN) python tools/bench.py

eval: $(READY)  ## routers on the shared outcomes, with intervals and baselines, and the bars that they must reach
	@code=0; for set in strong_weak many_models agent_outcomes; do \
		$(RUN) switchwise eval $${SWITCHWISE_SHARED_DATA:-../shared/data}/$$set --bars tools/eval_bars.toml $(ARGS) || code=$$?; \
	done; exit $$code

wheels: $(READY)  ## each wheel alone in a fresh environment, with the first snippet of its README
	$(RUN) python tools/wheels.py $(ARGS)

peers: $(UV)  ## other people's tests, unmodified, bare and through switchwise; SUITES="..." for some of them
	.tools/bin/python tools/peers $(SUITES)

chaos: $(READY)  ## 5,000 agent steps with random faults through every door
	$(RUN) python tools/chaos $(ARGS)

fix: $(READY)  ## format, mend what the linter can, and draw the schema of configuration files and the tables of the docs
	$(RUN) python tools/make_config_schema.py
	$(RUN) python tools/make_docs.py
	$(RUN) ruff format .
	$(RUN) ruff check --fix .

clean:  ## remove all that was made
	rm -rf .venv .venv-llamaindex .venv-newest .venv-oldest .venv-docs .tools dist .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis
