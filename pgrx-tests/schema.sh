#!/bin/sh
# The install script sql/raw_ops--<version>.sql is generated from the code by cargo-pgrx and committed, so that a
# newcomer builds without cargo-pgrx. sql/schema.sql, what setup() makes with it, is for reading; a test compares it.
#   schema.sh           writes both (and installs the extension into PG_CONFIG's server for it)
#   schema.sh --check   fails if the committed one differs from what the built library says
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/pgrx-tests/lib.sh"
cd "$root"

pg_config=$(find_pg_config) || die "no PostgreSQL server found" "make setup"
committed="sql/raw_ops--$(crate_version).sql"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Not the library that the tests were built with: its own functions would be in the script.
pgrx-tests/build.sh

PGRX_PG_CONFIG_PATH="$pg_config" cargo pgrx schema "pg$(pg_major "$pg_config")" --pg-config "$pg_config" --release \
    --skip-build -p raw_ops -o "$scratch/generated.sql" >"$scratch/log" 2>&1 || { cat "$scratch/log" >&2; exit 1; }
# Positions in the source change with every edit and say nothing to a database.
sed -e '/^-- src\//d' "$scratch/generated.sql" >"$scratch/clean.sql"

if [ "${1:-}" = --check ]; then
    # The generator does not promise an order.
    sort "$committed" >"$scratch/a"
    sort "$scratch/clean.sql" >"$scratch/b"
    diff "$scratch/a" "$scratch/b" >&2 || die "$committed is not what the code generates" "make schema, and commit it"
    say "$committed is what the code generates"
else
    cp "$scratch/clean.sql" "$committed"
    say "wrote $committed"
    pgrx-tests/build.sh schema
    pgrx-tests/install.sh
    "$(target_dir)/release/schema"
    say "wrote sql/schema.sql"
fi
