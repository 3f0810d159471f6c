# Two commands a newcomer needs: `make run` and `make test`. Everything else serves who changes the code.
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
CORE := $(shell find media/core -type f 2>/dev/null)
PIP := $(BIN)/pip --disable-pip-version-check install --quiet

.PHONY: run test test-calls test-parts style types bench fuzz-sip lock clean

run: .stamps/core .stamps/models  ## install what is missing, then answer calls
	@exec $(BIN)/hotline run

test: .stamps/dev .stamps/core .stamps/models  ## the whole suite, from nothing
	@$(MAKE) --no-print-directory --jobs=2 --keep-going test-calls test-parts

test-calls:  ## whole calls against real clients: they mostly wait
	$(BIN)/pytest -m journey

test-parts:  ## all the rest, in what the calls leave of the processors: a real telephone has one of its own
	chrt --idle 0 $(BIN)/pytest -m "not journey"

style: .stamps/dev  ## formatting rules and the layer contract
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types: .stamps/dev .stamps/core  ## strict types
	$(BIN)/mypy

include media/core/fuzz/Makefile

SIP_TARGETS ?= sip sdp
fuzz-sip: .stamps/core  ## atheris on the SIP endpoint and the SDP reader, FUZZ_SECONDS (600) each
	@$(PIP) atheris==3.0.0
	@for target in $(SIP_TARGETS); do \
	    mkdir -p build/fuzz/found/$$target && \
	    $(BIN)/python -m tests.telephony.fuzz $$target -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -timeout=5 \
	        -print_final_stats=1 -artifact_prefix=build/fuzz/$$target- build/fuzz/found/$$target \
	        tests/wire/fuzz/$$target tests/wire/rfc4475 || exit 1; \
	done

bench: .stamps/dev .stamps/core .stamps/models  ## make bench NAME=call
	$(BIN)/python -m bench $(NAME)

lock: .stamps/python  ## choose versions anew
	$(PIP) uv
	$(BIN)/uv pip compile pyproject.toml --extra build -q --python-version 3.11 --no-header --no-annotate --generate-hashes -U -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --extra build --extra dev -q --python-version 3.11 --no-header --no-annotate --generate-hashes -c requirements.lock -o requirements-dev.lock

clean:  ## forget the build, keep the data
	rm -rf .stamps .venv build

.stamps/system: tools/packages-run.txt tools/system-packages
	@mkdir -p .stamps
	@tools/system-packages tools/packages-run.txt
	@touch $@

.stamps/system-test: tools/packages-test.txt tools/system-packages
	@mkdir -p .stamps
	@tools/system-packages tools/packages-test.txt
	@touch $@

.stamps/python: requirements.lock .stamps/system
	@echo "Installing the Python packages (a minute or two) …"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(PIP) --require-hashes -r requirements.lock
	@touch $@

.stamps/dev: requirements-dev.lock .stamps/python .stamps/system-test
	@echo "Installing the test tools …"
	@$(PIP) --require-hashes -r requirements-dev.lock
	@touch $@

.stamps/core: $(CORE) pyproject.toml .stamps/python
	@echo "Building the media core …"
	@$(PIP) --no-build-isolation --no-deps --editable .
	@touch $@

.stamps/models: server/models.py .stamps/core
	@$(BIN)/hotline models fetch
	@touch $@
