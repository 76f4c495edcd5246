# make demo: from nothing to a scored recording.   make test: everything that CI checks.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Byte code is written as modules are imported: a few of the thousands that torch and scipy bring.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile
DEMO := out/demo
AGE := --age-weeks 13 --gestation 39+2 --sex female --birth-weight 3300

# NVIDIA's ONNX parser and builder, on the CPU: 96 MB, x86_64, NVIDIA's own licence. For tests only; never shipped.
NVIDIA := tensorrt-rtx-cu13-libs==1.7.1.116 tensorrt-rtx-cu13-bindings==1.7.1.116

.PHONY: demo test clean

demo: $(VENV)/.demo
	@echo "== pose network: fetch (35 MB, once), convert, prove"
	$(BIN)/fidgety bundle build
	@echo "== score the phantom recording"
	$(BIN)/fidgety score fidgety/demo/sample.mp4 $(AGE) --out $(DEMO) --force

test: $(VENV)/.test
	$(BIN)/fidgety bundle build
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	MYPY_NUM_WORKERS=2 $(BIN)/mypy
	OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m pytest -n 2 --dist loadfile --durations=25

# The base install and what exports the pose network; no torch.
$(VENV)/.demo: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "fidgety needs Python 3.10 or newer: make PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --editable '.[export]'
	touch $@

# torch comes first and pinned: any other spelling pulls gigabytes of GPU libraries.
$(VENV)/.test: $(VENV)/.demo
	$(PIP) torch==2.13.0
	$(PIP) --editable '.[export,train,cluster,dev]'
	$(PIP) --no-deps --only-binary=:all: $(NVIDIA) || echo "NVIDIA's parser cannot be had here: its tests are skipped"
	touch $@

clean:
	rm -rf out build dist .pytest_cache .mypy_cache .ruff_cache
