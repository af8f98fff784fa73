# Two commands do all the set-up: `make quick` and `make test`.
SHELL := /bin/bash
CARGO ?= cargo
JOBS  ?= $(shell nproc)

.PHONY: help quick smoke build test check fmt lint deny tools python slurm test-condor validate-generator

help:
	@echo "make quick   build, run the quick campaign, print where the report is"
	@echo "make test    build and pass all tests"
	@echo "make check   formatting, lints with warnings denied, all tests"
	@echo "make test-condor   the smoke campaign on a real HTCondor (root, 0.6 GB in target/condor)"
	@echo "make deny    licences and advisories of the dependencies (installs cargo-deny)"

quick: build
	@target/debug/mctune run pipelines/juno.yaml --profile quick --jobs $(JOBS)

smoke: build
	@target/debug/mctune run pipelines/juno.yaml --profile smoke --jobs $(JOBS)

build: tools
	$(CARGO) build --locked

test: tools python slurm
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

# Some tests read our files with pandas and pyarrow. Without Python 3 or a package index they are skipped, visibly.
PYTHON ?= $(CURDIR)/target/python/bin/python
python:
	@test -x $(PYTHON) && $(PYTHON) -c 'import pandas, pyarrow' 2>/dev/null || { \
	  python3 -m venv target/python && $(PYTHON) -m pip install --quiet --disable-pip-version-check pandas pyarrow; } \
	  || echo "no Python with pandas and pyarrow: the tests that need them are skipped"

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
