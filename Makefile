# Two commands do all the set-up: `make quick` and `make test`.
SHELL := /bin/bash
CARGO ?= cargo
JOBS  ?= $(shell nproc)

.PHONY: help quick smoke build test check fmt lint deny tools python browser test-gpu validate-generator bench-inference bench-estimators torture fuzz overhead behaviour slurm test-condor

help:
	@echo "make quick   build, run the quick campaign, print where the report is"
	@echo "make test    build and pass all tests"
	@echo "make check   formatting, lints with warnings denied, all tests"
	@echo "make torture kill writing processes 5000 times, play 2000 random histories of a store"
	@echo "make fuzz    ten minutes each on the pipeline parser and the journal reader (installs cargo-fuzz)"
	@echo "make test-condor   the smoke campaign on a real HTCondor (root, 0.6 GB in target/condor)"
	@echo "make test-gpu      the kernels for GPUs beside those of the processor (NVIDIA's driver, CUDA toolkit)"
	@echo "make deny    licences and advisories of the dependencies (installs cargo-deny)"
	@echo "make overhead, make behaviour   the engine beside ninja, make, Snakemake and DVC, as far as they are installed"

quick: build
	@target/debug/mctune run pipelines/juno.yaml --profile quick --jobs $(JOBS)

smoke: build
	@target/debug/mctune run pipelines/juno.yaml --profile smoke --jobs $(JOBS)

build: tools
	$(CARGO) build --locked

test: tools python browser slurm
	MCTUNE_TEST_PYTHON=$(PYTHON) $(CARGO) test --locked --workspace

check: fmt lint test

# On a machine with a GPU; CI has none.
test-gpu: tools
	$(CARGO) test --locked --workspace --features cuda --lib -- --ignored gpu

fmt:
	$(CARGO) fmt --all --check

lint: tools
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

deny:
	command -v cargo-deny >/dev/null || $(CARGO) install --locked cargo-deny
	cargo deny check

# The store under the worst that can happen to it, longer than the tests do: some four minutes on two cores.
torture: tools
	MCTUNE_TEST_KILLS=5000 MCTUNE_TEST_CASES=2000 $(CARGO) test --locked --workspace --test store -- --nocapture \
	  whatever_was_acknowledged_survives_sigkill what_was_acknowledged_is_there

# Coverage-guided, in a workspace of its own. libFuzzer needs flags that the stable compiler hides; what the code has in
# `unsafe` is too little for a sanitizer to be worth its price.
FUZZ_SECONDS ?= 600
FUZZ = cd fuzz && RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=../target/fuzz $(CARGO) fuzz run -s none
fuzz: tools
	command -v cargo-fuzz >/dev/null || $(CARGO) install --locked cargo-fuzz
	mkdir -p fuzz/corpus/journal fuzz/corpus/pipeline
	$(FUZZ) journal corpus/journal seeds/journal -- -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -timeout=20
	$(FUZZ) pipeline corpus/pipeline seeds/pipeline -- -max_total_time=$(FUZZ_SECONDS) -max_len=8192 -timeout=20 -dict=yaml.dict

# The generator against the published densities: 12 points x 5 sources x 1 M events, a minute or two. Prints the tables of
# docs/generator.md, draws its figures, fails when a comparison lies outside its bound.
validate-generator: tools
	$(CARGO) build --locked --workspace --example validate_generator
	target/debug/examples/validate_generator 1 docs

# Our estimators and PyTorch's side by side, about ten minutes; PyTorch's wheel from PyPI takes some 5 GB of disk.
bench-estimators: tools
	$(CARGO) build --locked --workspace --example estimator_speed
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

# Beside the peers that are on the PATH; see benches/README.md.
overhead: build
	python3 benches/overhead/overhead.py

behaviour: build
	python3 benches/behaviour/behaviour.py

# Some tests read our files with pandas and pyarrow, or talk to moto's S3. Without Python 3 or a package index they are
# skipped, visibly.
PYTHON ?= $(CURDIR)/target/python/bin/python
python:
	@test -x $(PYTHON) && $(PYTHON) -c 'import pandas, pyarrow, moto.server' 2>/dev/null || { \
	  python3 -m venv target/python && $(PYTHON) -m pip install --quiet --disable-pip-version-check pandas pyarrow 'moto[s3]' flask flask-cors; } \
	  || echo "no Python with pandas, pyarrow and moto: the tests that need them are skipped"

# One test looks at a report in Chromium. Where it cannot be had, that test is skipped, visibly.
browser:
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || { \
	  SUDO=$$([ $$(id -u) = 0 ] || echo sudo -n); \
	  $$SUDO apt-get update -qq && $$SUDO apt-get install -y -qq --no-install-recommends chromium; } >/dev/null 2>&1 \
	  || echo "no Chromium: the report is not looked at in a browser"

# Tests start a private Slurm on the loopback interface, and check generated scripts. Where its packages cannot be installed
# (no Debian, not root), these tests are skipped and say so. Installed services are not started.
slurm:
	@for program in slurmctld slurmd sbatch munged shellcheck; do command -v $$program >/dev/null || missing=1; done; \
	  [ -z "$$missing" ] || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && { \
	    echo "installing Slurm and shellcheck for the tests"; policy=/usr/sbin/policy-rc.d; \
	    [ -e $$policy ] || { printf '#!/bin/sh\nexit 101\n' > $$policy; chmod 755 $$policy; made=1; }; \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq \
	      --no-install-recommends slurmctld slurmd slurm-client munge shellcheck >/dev/null; code=$$?; \
	    [ -z "$$made" ] || rm -f $$policy; [ $$code = 0 ]; }; } \
	  || echo "no Slurm, or no shellcheck: the tests that need them are skipped"

# The smoke campaign through a real HTCondor, rescue file included: in a chroot with Debian's next release (0.6 GB, root).
CONDOR ?= $(CURDIR)/target/condor
test-condor: tools
	@command -v debootstrap >/dev/null || { apt-get update -qq && apt-get install -y -qq debootstrap; }
	tests/cluster/condor.sh make $(CONDOR)
	MCTUNE_TEST_CONDOR=$(CONDOR) $(CARGO) test --locked --workspace --test cluster condor -- --nocapture

# What a fresh Debian machine with rustup lacks: a C compiler (blake3 and mimalloc contain C and assembler).
tools:
	@command -v $(CARGO) >/dev/null || { echo "cargo is missing: install Rust 1.95 or later from https://rustup.rs"; exit 1; }
	@command -v cc >/dev/null || { echo "installing a C compiler"; \
	  SUDO=$$([ $$(id -u) = 0 ] || echo sudo); $$SUDO apt-get update -qq && $$SUDO apt-get install -y -qq gcc libc6-dev; }
