# make demo    set up, run two real agents under the hook, print what was traced
# make test    set up, check and test everything
# make test-long  run the tests that take minutes
# make matrix  test old and new versions of the SDKs, of braintrust, of wrapt and of Python
# make test-frameworks  test agents of five frameworks, each in an environment of its own
# make test-neighbours  test beside ddtrace, OpenTelemetry, langfuse and coverage, in an environment of its own
# make chaos   two minutes of calls while Braintrust flaps and processes are killed and forked
# make bench   set up, measure beside seven other tracers, each in an environment of its own, in a quarter of an hour

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
KIN := $(VENV)/.kin
# One more than there are processors, because many tests wait for a while.
WORKERS = $$($(BIN)/python -c 'import os; print(min((os.cpu_count() or 1) + 1, 5))')

.PHONY: demo test test-long lint matrix test-frameworks test-neighbours chaos bench clean

$(READY): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "bttrace needs Python 3.10 or newer; say which: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# Eight SDKs more, mcp and IPython, which only the tests need: a demo shall not wait for them.
$(KIN): $(READY) requirements-kin.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement requirements-kin.lock
	@touch $@

demo: $(READY)
	@echo "$$ bttrace run --exporter local examples/openai_agent.py"
	@$(BIN)/python examples/provider_server.py -- $(BIN)/bttrace run --exporter local examples/openai_agent.py
	@echo
	@echo "$$ bttrace run --exporter local examples/anthropic_agent.py"
	@$(BIN)/python examples/provider_server.py -- $(BIN)/bttrace run --exporter local examples/anthropic_agent.py
	@echo
	@echo "To send the same to Braintrust: BRAINTRUST_API_KEY=... $(BIN)/python examples/provider_server.py -- $(BIN)/bttrace run examples/openai_agent.py"

lint: $(READY)
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint $(KIN)
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal
	$(BIN)/python -m tests.quick

test-long: $(KIN)
	$(BIN)/python -m pytest -m long

matrix:
	$(PYTHON) -m tests.matrix

test-frameworks:
	$(PYTHON) -m tests.frameworks

test-neighbours:
	$(PYTHON) -m tests.neighbours

chaos: $(READY)
	$(BIN)/python -m tests.chaos --seconds 120

bench: $(READY)
	$(BIN)/python -m benchmarks


clean:
	rm -rf $(VENV) .matrix .bttrace .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist
