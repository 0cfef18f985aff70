#!/bin/sh
# Builds for the server of PG_CONFIG; needs no cargo-pgrx.
#   build.sh            the extension and the shim
#   build.sh PROGRAM    also demo, stack, bench or schema; all in one go, so that no core idles
#   build.sh tests      every test; the extension and the shim as the tests need them
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/pgrx-tests/lib.sh"
cd "$root"

pg_config=$(find_pg_config) || die "no PostgreSQL server found" "make setup"
major=$(pg_major "$pg_config")
export PGRX_PG_CONFIG_PATH="$pg_config"
what="raw_ops for PostgreSQL $major and the shim"
if [ "${1:-}" = tests ]; then
    say "Building $what, and every test (the first time: some minutes)"
    # shellcheck disable=SC2046 # a list of options
    exec cargo build $(test_options "$major")
fi
more=
if [ $# -gt 0 ]; then
    more="-p raw_ops_e2e --bin $1"
    what="$what, and the program that runs them"
fi
say "Building $what (the first time: some minutes)"
# shellcheck disable=SC2086 # words or none
cargo build --release -p raw_ops -p edge-shim --lib --bin edge-shim $more \
    --no-default-features --features "raw_ops/pg$major"
