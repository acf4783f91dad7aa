# Paths are relative, so that a checkout may lie in a folder with spaces in its name.
PYTHON := $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
UV := $(BIN)/uv
LOCK := $(UV) pip compile --quiet --generate-hashes --no-emit-index-url --no-annotate --no-header --python-version 3.11 --python-platform x86_64-unknown-linux-gnu --no-emit-package charseq-client

.PHONY: help install dev browser wheels run test test-fast test-all mutants sweep docs reference pictures bench cluster peers lint prose format lock check-lock clean

help: ## shows this
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

install: .venv/installed ## makes .venv with exactly what requirements.lock names

# Byte code is compiled once, here: TensorFlow's import takes 6 s with it and 13 s without, in every process.
.venv/installed: requirements.lock requirements-uv.lock pyproject.toml client/pyproject.toml Makefile
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and f"CPython 3.11 is needed, this is {sys.version.split()[0]}: install python3.11")'
	"$(PYTHON)" -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-uv.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --require-hashes --compile-bytecode -r requirements.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable client --editable .
	@touch $@

dev: .venv/dev-installed ## adds the development tools

.venv/dev-installed: .venv/installed requirements-dev.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --require-hashes -r requirements-dev.lock
	@touch $@

browser: .browser/installed ## adds TensorFlow.js and its converter, for --set browser.export=true

# The converter asks for another TensorFlow than the pipeline, and for JAX: an environment of its own.
.browser/installed: .venv/installed requirements-browser.lock components/browser/package-lock.json
	"$(PYTHON)" -m venv .browser/venv
	$(UV) pip install --no-config --quiet --python .browser/venv/bin/python --no-deps --require-hashes -r requirements-browser.lock
	cp components/browser/package.json components/browser/package-lock.json .browser/
	npm ci --prefix .browser --silent --ignore-scripts
	@touch $@

# What an earlier build has left would go into the wheels.
wheels: install ## builds the wheels of charseq and of its client into dist/
	rm -rf build client/build dist
	$(UV) build --quiet --wheel --no-build-isolation --python $(BIN)/python --out-dir dist client
	$(UV) build --quiet --wheel --no-build-isolation --python $(BIN)/python --out-dir dist .
	rm -rf build client/build

run: install ## trains, gates, pushes and serves the sums model, and asks it a few sums
	$(BIN)/charseq run sums
	$(BIN)/python -m pipeline.demo 12+34 7+8 99+99 5+60

cluster: install ## makes a kind cluster with Kubeflow, runs sums on it and asks the model (Docker, kind, 16 GB, an hour)
	k8s/kind/run.sh

# Three files at a time on two cores: servers and other processes that tests start are waited for. tests/conftest.py says which
# tests stay together, and that the longest begin first.
test: dev ## runs the tests, 11 minutes on 2 cores
	$(BIN)/python -m pytest -m "not slow" -n 3 --no-loadscope-reorder

test-fast: dev ## runs the tests that start no process and train nothing
	$(BIN)/python -m pytest -m "not slow and not e2e and not model" --no-processes -n 2 --no-loadscope-reorder

test-all: dev ## runs the slow tests as well
	$(BIN)/python -m pytest

# The variable spares an advertisement. Not --quiet: it hides warnings also from `strict`.
docs: dev reference ## builds the documentation as a site, without a network: site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build
	@echo "To read it: python3 -m http.server -d site -b 127.0.0.1 8000"

pictures: dev ## makes the pictures of the documentation from real runs, which runs/pictures keeps (Chromium, 10 minutes)
	$(BIN)/python -m docs.tools.pictures runs/pictures

reference: dev ## writes the pages of the reference that come from the code
	$(BIN)/charseq settings --markdown > docs/settings.md
	$(BIN)/charseq errors --markdown > docs/errors.md
	$(BIN)/python -m docs.tools.commands

mutants: dev ## changes the gate, publishing and the splits in many ways, and says which change no test notices
	$(BIN)/mutmut run --max-children 2
	$(BIN)/mutmut results

sweep: dev ## kills runs of every family at 60 moments, and cuts their power at half of them (superuser; docs/tests.md)
	$(BIN)/python -m tests.sweep --power

# A subject at a time, so that each can be made again alone (rm runs/bench/train.json), and then the page.
BENCHES := generate serve train data data-large pairs days pipeline series seq2seq pronunciations
BENCH_generate := generate
BENCH_serve := serve
BENCH_train := train --runs 7
BENCH_data := data --sums 100000 --text --runs 3
BENCH_data-large := data --sums 1000000 --sums 10000000 --runs 1
BENCH_pairs := pairs
BENCH_days := days
BENCH_pipeline := pipeline
BENCH_series := series
BENCH_seq2seq := seq2seq
BENCH_pronunciations := pronunciations --language bul --language fre --language hun --cmudict

bench: $(BENCHES:%=runs/bench/%.json) ## measures what it costs beside the peers, some two hours, and writes docs/performance.md
	cp runs/bench/*.json benchmarks/figures/
	$(BIN)/python -m benchmarks.measuring.page benchmarks/figures docs/performance.md

runs/bench/%.json: | install
	@mkdir -p runs/bench
	$(BIN)/charseq bench $(BENCH_$*) --json > $@.part
	mv $@.part $@

peers: .venv-peers/train/installed .venv-peers/serve/installed .venv-peers/series/installed .venv-peers/pairs/installed ## installs what the benchmarks are held beside, 8 GB

.venv-peers/%/installed: requirements-peers-%.lock | install
	"$(PYTHON)" -m venv .venv-peers/$*
	$(UV) pip install --quiet --python .venv-peers/$*/bin/python --no-deps --require-hashes -r $<
	@touch $@

lint: dev prose ## format, lint, types, prose
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

prose: dev ## finds sentences that must be read twice, in pages, docstrings, help and messages
	$(BIN)/python -m docs.tools.prose

format: dev ## formats the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: install ## refreshes the locks to the newest versions that pyproject.toml allows
	$(LOCK) --upgrade pyproject.toml -o requirements.lock
	$(LOCK) --upgrade --group dev -c requirements.lock -o requirements-dev.lock
	$(LOCK) --upgrade --group gpu -c requirements.lock -o requirements-gpu.lock
	$(LOCK) --upgrade --group peers-train -o requirements-peers-train.lock
	$(LOCK) --no-config --upgrade requirements-browser.in -o requirements-browser.lock
	$(LOCK) --upgrade --group peers-serve -o requirements-peers-serve.lock
	$(LOCK) --upgrade --group peers-series -o requirements-peers-series.lock
	$(LOCK) --upgrade --group peers-pairs -o requirements-peers-pairs.lock

check-lock: install ## shows that the locks are what pyproject.toml compiles to
	cp requirements.lock .venv/requirements.lock && cp requirements-dev.lock .venv/requirements-dev.lock
	$(LOCK) pyproject.toml -o .venv/requirements.lock
	diff requirements.lock .venv/requirements.lock
	$(LOCK) --group dev -c requirements.lock -o .venv/requirements-dev.lock
	diff requirements-dev.lock .venv/requirements-dev.lock
	cp requirements-gpu.lock .venv/requirements-gpu.lock
	$(LOCK) --group gpu -c requirements.lock -o .venv/requirements-gpu.lock
	diff requirements-gpu.lock .venv/requirements-gpu.lock
	cp requirements-peers-train.lock .venv/requirements-peers-train.lock
	$(LOCK) --group peers-train -o .venv/requirements-peers-train.lock
	diff requirements-peers-train.lock .venv/requirements-peers-train.lock
	cp requirements-browser.lock .venv/requirements-browser.lock
	$(LOCK) --no-config requirements-browser.in -o .venv/requirements-browser.lock
	diff requirements-browser.lock .venv/requirements-browser.lock
	cp requirements-peers-serve.lock .venv/requirements-peers-serve.lock
	$(LOCK) --group peers-serve -o .venv/requirements-peers-serve.lock
	diff requirements-peers-serve.lock .venv/requirements-peers-serve.lock
	cp requirements-peers-series.lock .venv/requirements-peers-series.lock
	$(LOCK) --group peers-series -o .venv/requirements-peers-series.lock
	diff requirements-peers-series.lock .venv/requirements-peers-series.lock
	cp requirements-peers-pairs.lock .venv/requirements-peers-pairs.lock
	$(LOCK) --group peers-pairs -o .venv/requirements-peers-pairs.lock
	diff requirements-peers-pairs.lock .venv/requirements-peers-pairs.lock

clean: ## removes what was installed and what runs have left
	rm -rf .venv .venv-peers .browser runs site
