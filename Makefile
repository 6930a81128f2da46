# Two commands matter: make run, make test. The rest is for developers.
PYTHON ?= python3
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
INSTANCE ?= instance
WORKERS ?= 2

.PHONY: run test drill guards guards-check lint sizes bench wheel wheel-check clean

run: $(INSTALLED)
	@test -f $(INSTANCE)/demo-accounts.txt || $(BIN)/biobank --instance $(INSTANCE) demo
	@cat $(INSTANCE)/demo-accounts.txt
	@echo "Open http://127.0.0.1:$(PORT)/   (stop with Ctrl-C)"
	@$(BIN)/biobank --instance $(INSTANCE) serve --port $(PORT) --workers $(WORKERS)

# Everything but the drills, on SQLite and on a real PostgreSQL; browser tests need Debian's Chromium and say so when it is missing.
test: $(INSTALLED)
	$(BIN)/python -m pytest -m "not drill" -n 2 --dist loadgroup --junitxml=build/tests.xml
	$(BIN)/python .ci/lanes.py build/tests.xml

# Real servers under load, races and faults, in a short form. BIOBANK_DRILL=full make drill: with the full numbers.
drill: $(INSTALLED)
	$(BIN)/python -m pytest -m drill -n 2 --dist loadgroup --junitxml=build/drills.xml
	$(BIN)/python .ci/lanes.py build/drills.xml

# Each race test once more with its guard taken out of a copy, and the state machine with planted faults: all have to fail. build/guards.txt
guards: $(INSTALLED)
	$(BIN)/python .ci/guards.py

# Runs nothing: every race test has a row, and what the rows take out is still there.
guards-check: $(INSTALLED)
	$(BIN)/python .ci/guards.py --check

lint: $(INSTALLED)
	$(BIN)/ruff check biobank tests benchmarks .ci
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python .ci/sizes.py

sizes: $(INSTALLED)
	$(BIN)/python .ci/sizes.py

bench: $(INSTALLED)
	$(BIN)/python -m benchmarks

wheel: $(INSTALLED)
	$(BIN)/python -m build --wheel --outdir dist

wheel-check: $(INSTALLED)
	.ci/wheel.sh

# pip before 25.1 does not know dependency groups.
$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable . --group dev
	touch $@

clean:
	rm -rf $(VENV) build dist instance
