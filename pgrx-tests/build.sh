#!/bin/sh
# Builds for the server of PG_CONFIG; needs no cargo-pgrx.
#   build.sh            the extension and the shim
#   build.sh --tests    the same, with the provider that is made up for the tests
#   build.sh PROGRAM    also demo, stack, bench or schema; all in one go, so that no core idles
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/pgrx-tests/lib.sh"
cd "$root"

pg_config=$(find_pg_config) || die "no PostgreSQL server found" "make setup"
major=$(pg_major "$pg_config")
more=
what="raw_ops for PostgreSQL $major and the shim"
features="raw_ops/pg$major"
if [ "${1:-}" = --tests ]; then
    features="$features,raw_ops/example_provider,edge-shim/example_provider"
elif [ $# -gt 0 ]; then
    more="-p raw_ops_e2e --bin $1"
    what="$what, and the program that runs them"
fi
say "Building $what (the first time: some minutes)"
# shellcheck disable=SC2086 # words or none
PGRX_PG_CONFIG_PATH=$pg_config cargo build --release -p raw_ops -p edge-shim --lib --bin edge-shim $more \
    --no-default-features --features "$features"
