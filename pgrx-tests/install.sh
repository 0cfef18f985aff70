#!/bin/sh
# Copies the built extension into the directories of PG_CONFIG's server. A server that runs keeps the library it has
# loaded; new sessions and a restart take the new one.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/pgrx-tests/lib.sh"

pg_config=$(find_pg_config) || die "no PostgreSQL server found" "make setup"
library=$(target_dir)/release/libraw_ops.so
[ -f "$library" ] || die "the extension is not built ($library is missing)" "make build"
version=$(crate_version)
script=$root/sql/raw_ops--$version.sql
[ -f "$script" ] || die "the install script $script is missing" "make it with 'cargo pgrx schema' and commit it"

libraries=$("$pg_config" --pkglibdir)
extensions=$("$pg_config" --sharedir)/extension
run=
{ [ -w "$libraries" ] && [ -w "$extensions" ]; } || run=as_root

# put SOURCE DESTINATION MODE: written beside its place and renamed, so that nobody ever sees or has mapped half a file.
put() {
    $run cp -- "$1" "$2.new"
    $run chmod "$3" "$2.new"
    $run mv -f -- "$2.new" "$2"
}

scratch=$(mktemp)
trap 'rm -f "$scratch"' EXIT
sed "s/@CARGO_VERSION@/$version/" "$root/raw_ops.control" >"$scratch"

put "$library" "$libraries/raw_ops.so" 755
put "$scratch" "$extensions/raw_ops.control" 644
for file in "$root"/sql/raw_ops--*.sql; do
    put "$file" "$extensions/$(basename -- "$file")" 644
done
say "Installed raw_ops $version into $libraries and $extensions"
