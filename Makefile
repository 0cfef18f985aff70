# Every target is a thin door to a script or program under pgrx-tests/. Paths are quoted: the checkout may have spaces.
# PG_CONFIG=/path/to/pg_config chooses the PostgreSQL.

SHELL := /bin/sh
RUN = "$${CARGO_TARGET_DIR:-target}/release/$(1)"
.DEFAULT_GOAL := help
.PHONY: help setup build install demo test up down bench package schema schema-check generator fmt lint

help: ## Print these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' Makefile | while IFS="$$(printf '\t')" read -r name what; do printf '  make %-13s %s\n' "$$name" "$$what"; done

setup: ## Install what is missing (apt, by name)
	@pgrx-tests/setup.sh

build: setup ## Build the extension and the shim
	@pgrx-tests/build.sh

install: build ## Install the extension into the PostgreSQL of PG_CONFIG
	@pgrx-tests/install.sh

demo: setup ## Show everything at work on a private server, then stop it
	@pgrx-tests/build.sh demo
	@pgrx-tests/install.sh
	@$(call RUN,demo)

test: ## Run every test
	@pgrx-tests/setup.sh --dev
	@pgrx-tests/test.sh

up: setup ## Start PostgreSQL, raw_ops and the shim, and keep them running
	@pgrx-tests/build.sh stack
	@pgrx-tests/install.sh
	@$(call RUN,stack) up

down: ## Stop and remove what `make up` started
	@if [ -x $(call RUN,stack) ]; then $(call RUN,stack) down; else echo 'Nothing is running: make up was never called here.'; fi

bench: setup ## Measure, as ratios side by side
	@pgrx-tests/build.sh bench
	@pgrx-tests/install.sh
	@$(call RUN,bench)

package: ## Make a .deb and a tarball
	@echo 'error: packaging is not built yet' >&2; echo 'next:  make install' >&2; exit 1

schema: generator ## Write the generated install script and sql/schema.sql anew (after changing SQL functions, tables or views)
	@pgrx-tests/schema.sh

schema-check: generator ## Fail if the install script is not what the code generates
	@pgrx-tests/schema.sh --check

generator:
	@pgrx-tests/setup.sh --schema

fmt: ## Format the code
	@cargo fmt --all

lint: setup ## Check format and lints
	@cargo fmt --all --check
	@PGRX_PG_CONFIG_PATH="$$(pgrx-tests/setup.sh --pg-config)" cargo clippy --release --workspace --all-targets -- -D warnings
