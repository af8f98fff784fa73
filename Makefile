# Two commands do all the set-up: `make quick` and `make test`.
SHELL := /bin/bash
CARGO ?= cargo
JOBS  ?= $(shell nproc)

.PHONY: help quick smoke build test check fmt lint deny tools python validate-generator bench-estimators bench-inference

help:
	@echo "make quick   build, run the quick campaign, print where the report is"
	@echo "make test    build and pass all tests"
	@echo "make check   formatting, lints with warnings denied, all tests"
	@echo "make deny    licences and advisories of the dependencies (installs cargo-deny)"

quick: build
	@target/debug/mctune run pipelines/juno.yaml --profile quick --jobs $(JOBS)

smoke: build
	@target/debug/mctune run pipelines/juno.yaml --profile smoke --jobs $(JOBS)

build: tools
	$(CARGO) build --locked

test: tools python
	MCTUNE_TEST_PYTHON=$(PYTHON) $(CARGO) test --locked --workspace

check: fmt lint test

fmt:
	$(CARGO) fmt --all --check

lint: tools
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

deny:
	command -v cargo-deny >/dev/null || $(CARGO) install --locked cargo-deny
	cargo deny check

# The generator against the published densities: 12 points x 5 sources x 1 M events, a minute or two. Prints the tables of
# docs/generator.md, draws its figures, fails when a comparison lies outside its bound.
validate-generator: tools
	$(CARGO) run --locked -p mctune-stages --example validate_generator -- 1 docs

# Our estimators and PyTorch's side by side, about ten minutes; PyTorch's wheel from PyPI takes some 5 GB of disk.
bench-estimators: tools
	$(CARGO) build --locked -p mctune-stages --example estimator_speed
	@test -x target/bench-python/bin/python || python3 -m venv target/bench-python
	target/bench-python/bin/python -m pip install --quiet --disable-pip-version-check torch numpy safetensors
	target/bench-python/bin/python benches/estimators/compare.py target/debug/examples/estimator_speed target/bench-estimators

# Likelihoods and fits beside PyTorch, iminuit, emcee and ultranest (benches/inference); PEER is a Python that has them.
PEER ?= $(PYTHON)
bench-inference: tools
	$(CARGO) build --locked --workspace --example inference_speed
	target/debug/examples/inference_speed prepare target/inference-data.json
	target/debug/examples/inference_speed > target/inference-ours.json
	$(PEER) benches/inference/peer.py target/inference-data.json > target/inference-peer.json
	$(PEER) benches/inference/compare.py target/inference-ours.json target/inference-peer.json

# Some tests read our files with pandas and pyarrow. Without Python 3 or a package index they are skipped, visibly.
PYTHON ?= $(CURDIR)/target/python/bin/python
python:
	@test -x $(PYTHON) && $(PYTHON) -c 'import pandas, pyarrow' 2>/dev/null || { \
	  python3 -m venv target/python && $(PYTHON) -m pip install --quiet --disable-pip-version-check pandas pyarrow; } \
	  || echo "no Python with pandas and pyarrow: the tests that need them are skipped"

# What a fresh Debian machine with rustup lacks: a C compiler (blake3 and mimalloc contain C and assembler).
tools:
	@command -v $(CARGO) >/dev/null || { echo "cargo is missing: install Rust 1.95 or later from https://rustup.rs"; exit 1; }
	@command -v cc >/dev/null || { echo "installing a C compiler"; \
	  SUDO=$$([ $$(id -u) = 0 ] || echo sudo); $$SUDO apt-get update -qq && $$SUDO apt-get install -y -qq gcc libc6-dev; }
