# Every target is a thin door to a script or program under pgrx-tests/. Paths are quoted: the checkout may have spaces.
# PG_CONFIG=/path/to/pg_config chooses the PostgreSQL.

SHELL := /bin/sh
RUN := cargo run --quiet --release -p raw_ops_e2e --bin
.DEFAULT_GOAL := help
.PHONY: help setup build install demo test up down bench package schema fmt lint

help: ## Print these targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1\t\2/p' Makefile | while IFS="$$(printf '\t')" read -r name what; do printf '  make %-9s %s\n' "$$name" "$$what"; done

setup: ## Install what is missing (apt, by name)
	@pgrx-tests/setup.sh

build: setup ## Build the extension and the shim
	@pgrx-tests/build.sh

install: build ## Install the extension into the PostgreSQL of PG_CONFIG
	@pgrx-tests/install.sh

demo: ## Show everything at work on a private server, then stop it
	@$(call needs,demo)
	@$(MAKE) --no-print-directory install
	@$(call building); $(RUN) demo

test: ## Run every test
	@pgrx-tests/setup.sh --dev
	@pgrx-tests/test.sh

up: install ## Start PostgreSQL, raw_ops and the shim, and keep them running
	@$(call building); $(RUN) stack -- up

down: ## Stop and remove what `make up` started
	@$(RUN) stack -- down

bench: ## Measure, as ratios side by side
	@$(call needs,bench)
	@$(MAKE) --no-print-directory install
	@$(call building); $(RUN) bench

package: ## Make a .deb and a tarball
	@echo 'error: packaging is not built yet' >&2; echo 'next:  make install' >&2; exit 1

schema: build ## Write the generated install script anew (after changing SQL functions)
	@pgrx-tests/schema.sh

fmt: ## Format the code
	@cargo fmt --all

lint: setup ## Check format and lints
	@cargo fmt --all --check
	@PGRX_PG_CONFIG_PATH="$$(pgrx-tests/setup.sh --pg-config)" cargo clippy --workspace --all-targets -- -D warnings

needs = if [ ! -f pgrx-tests/src/bin/$(1).rs ] && [ ! -d pgrx-tests/src/bin/$(1) ]; then echo 'error: the $(1) is not built yet' >&2; exit 1; fi
building = echo '==> Building the programs that run it (the first time: a minute or two)'
