#!/bin/sh
# Builds the extension for the server of PG_CONFIG, and the shim. Needs no cargo-pgrx.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/pgrx-tests/lib.sh"
cd "$root"

pg_config=$(find_pg_config) || die "no PostgreSQL server found" "make setup"
major=$(pg_major "$pg_config")
say "Building raw_ops for PostgreSQL $major and the shim (the first time: some minutes)"
PGRX_PG_CONFIG_PATH=$pg_config cargo build --release -p raw_ops --no-default-features --features "pg$major"
cargo build --release -p edge-shim
