#!/bin/sh
# Runs every test: of functions alone, inside a backend, and end to end on private servers.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/pgrx-tests/lib.sh"
cd "$root"

pg_config=$(find_pg_config) || die "no PostgreSQL server found" "make setup"
major=$(pg_major "$pg_config")
export PGRX_PG_CONFIG_PATH="$pg_config"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

say "1/4 Tests of the shim"
cargo test -p edge-shim

# Both the plain tests of functions and those that run inside a backend of a server which cargo-pgrx starts.
# cargo-pgrx writes over the installed library; a server that has it mapped would crash. Unlinked, it keeps the old one.
as_root rm -f "$("$pg_config" --pkglibdir)/raw_ops.so"
say "2/4 Tests of the extension inside PostgreSQL $major (the first time: some minutes of building)"
if [ "$(id -u)" -eq 0 ]; then
    chmod 755 "$scratch"
    mkdir -m 700 "$scratch/pgdata" "$scratch/bin"
    chown postgres: "$scratch/pgdata"
    # cargo-pgrx calls sudo to become another user, even as root; a bare Debian has none.
    if ! have sudo; then
        cat >"$scratch/bin/sudo" <<'SUDO'
#!/bin/sh
if [ "$1" = -u ]; then
    user=$2
    shift 2
    exec runuser -u "$user" -- env "$@"
fi
exec env "$@"
SUDO
        chmod 755 "$scratch/bin/sudo"
    fi
    PATH="$PATH:$scratch/bin" cargo pgrx test "pg$major" --package raw_ops --runas postgres --pgdata "$scratch/pgdata" \
        --no-default-features --features "pg$major"
else
    # The test library goes into the server's directories, as an installed one does.
    if ! { [ -w "$("$pg_config" --pkglibdir)" ] && [ -w "$("$pg_config" --sharedir)/extension" ]; }; then
        die "the tests inside PostgreSQL need to write into $("$pg_config" --pkglibdir)" "run 'make test' as root, or set PG_CONFIG to a PostgreSQL of your own"
    fi
    cargo pgrx test "pg$major" --package raw_ops --no-default-features --features "pg$major"
fi

say "3/4 Building and installing what will run"
pgrx-tests/build.sh --tests
pgrx-tests/schema.sh --check
pgrx-tests/install.sh

say "4/4 End-to-end tests on private servers"
# A program of the tests waits for the server: optimising it costs minutes and saves none.
cargo test --release -p raw_ops_e2e --config profile.release.package.raw_ops_e2e.opt-level=0
say "All tests passed."
