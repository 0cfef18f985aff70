#!/bin/sh
# Runs every test: of functions alone, inside a backend, and end to end on private servers. They share one build.
#   test.sh              all
#   test.sh FILTER…      those whose path holds one of these words
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/pgrx-tests/lib.sh"
cd "$root"

pg_config=$(find_pg_config) || die "no PostgreSQL server found" "make setup"
export PGRX_PG_CONFIG_PATH="$pg_config"

pgrx-tests/build.sh tests
pgrx-tests/install.sh
say "Running the tests"
# Twice as many at a time as there are cores: half of the time a test waits.
export RUST_TEST_THREADS="${RUST_TEST_THREADS:-$(($(nproc) * 2))}"
# shellcheck disable=SC2046 # a list of options
cargo test $(test_options "$(pg_major "$pg_config")") -- "$@"
say "All tests passed. What is installed is a test build; 'make install' replaces it."
