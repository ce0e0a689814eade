# make demo                       everything from nothing: environment, sample footage, the whole road, a report
# make demo FOOTAGE=~/Videos      the same with your own folder, sampled down to the same budget
# make test                       everything from nothing: environment, linters, types, tests; never needs root
# make test-all | bench | lint | clean

PYTHON ?= python3
VENV ?= .venv
RECIPE ?= recipes/tiny.toml
OUT ?= demo/$(if $(FOOTAGE),mine,samples)/library
RUN := $(VENV)/bin
ifeq ($(OS),Windows_NT)
RUN := $(VENV)/Scripts
endif

.PHONY: demo test test-all lint bench clean

demo:
	@$(PYTHON) scripts/install.py $(VENV) train features ocr parquet
	@$(RUN)/marey run $(RECIPE) --out $(OUT) $(if $(FOOTAGE),--footage "$(FOOTAGE)")

lint:
	@$(PYTHON) scripts/install.py $(VENV) train features meshes ocr parquet serve shots dev
	@$(RUN)/ruff check .
	@$(RUN)/ruff format --check .
	@$(RUN)/mypy

test: lint
	@OMP_NUM_THREADS=1 $(RUN)/python -m pytest -n auto -m "not slow"

test-all: lint
	@OMP_NUM_THREADS=1 $(RUN)/python -m pytest -n auto

bench:
	@$(PYTHON) scripts/install.py $(VENV) train features meshes ocr parquet serve shots dev
	@for script in benchmarks/bench_*.py; do echo "== $$script"; $(RUN)/python $$script || exit 1; done

clean:
	rm -rf $(VENV) demo build dist .pytest_cache .ruff_cache .mypy_cache
