# Every target sets up what it needs: a fresh clone with an empty home is enough.
PYTHON ?= python3
VENV   ?= .venv
# How many tests run at once: as many as CI has cores.
WORKERS ?= 2
BIN    := $(VENV)/bin

# The tests start thousands of Pythons: without bytecode, each would compile anew whatever it imports.
export PYTHONDONTWRITEBYTECODE :=

.DELETE_ON_ERROR:
.PHONY: setup azurite shells demo test test-fast fuzz scale lint format bench clean

setup: $(VENV)/.ready

$(VENV)/pyvenv.cfg:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.ready: pyproject.toml .ci/install.py | $(VENV)/pyvenv.cfg
	PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python .ci/install.py
	touch $@

# Azure's emulator for the tests. Where there is no npm its tests are skipped, with that reason.
azurite: $(VENV)/azurite/.ready

# It needs the folder alone: npm and pip work, and wait, at the same time.
$(VENV)/azurite/.ready: tests/azurite/package.json | $(VENV)/pyvenv.cfg
	mkdir -p $(@D)
	cp $< $(@D)/
	if ! command -v npm >/dev/null; then echo "no npm: Azure's tests will be skipped"; else \
	  (cd $(@D) && npm install --no-package-lock --ignore-scripts --no-audit --no-fund --loglevel=error) && touch $@ \
	  || echo "npm could not install it: Azure's tests will be skipped"; fi

# Shells that completion is tested in. Where they cannot be installed, their tests are skipped, with that reason.
shells:
	@missing=; for one in zsh fish; do command -v $$one >/dev/null || missing="$$missing $$one"; done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq >/dev/null 2>&1 \
	  && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $$missing >/dev/null 2>&1; \
	then exit 0; fi; \
	echo "no$$missing here, and no way to install that: completion in it will not be tested"

demo: setup
	$(BIN)/conjoin demo

test: setup azurite shells
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --durations=25 --durations-min=5

test-fast: setup azurite shells
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not slow and not network"

# Properties alone, with twenty times the examples, others each time (docs/testing.md): half an hour or more.
fuzz: setup
	HYPOTHESIS_PROFILE=fuzz $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m hypothesis

# More of what the tests show with one or with few: sizes, races, kills, containers (docs/testing.md).
scale: setup azurite shells
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m scale --durations=25 --durations-min=5

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup
	$(BIN)/python -m benchmarks.run

clean:
	rm -rf $(VENV) build dist src/*.egg-info
