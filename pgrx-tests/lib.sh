# What the scripts beside this file share. Sourced, not run.

say() { printf '==> %s\n' "$*"; }

die() {
    printf 'error: %s\n' "$1" >&2
    [ $# -gt 1 ] && printf 'next:  %s\n' "$2" >&2
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# Runs a command as root: directly, or through sudo.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif have sudo; then
        sudo "$@"
    else
        die "this needs root, and there is no sudo: $*" "run the same make target as root"
    fi
}

# The pg_config of a PostgreSQL whose server is installed: PG_CONFIG, else the one on PATH, else the newest Debian one.
find_pg_config() {
    if [ -n "${PG_CONFIG:-}" ]; then
        have "$PG_CONFIG" || die "PG_CONFIG=$PG_CONFIG is not a program" "give the path of pg_config, or unset PG_CONFIG"
        command -v "$PG_CONFIG"
        return
    fi
    for candidate in pg_config $(ls -d /usr/lib/postgresql/*/bin/pg_config 2>/dev/null | sort -t/ -k5,5nr); do
        if have "$candidate" && [ -x "$("$candidate" --bindir)/postgres" ]; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

# The major version a pg_config belongs to.
pg_major() { "$1" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/'; }

# Where cargo puts its output.
target_dir() { printf '%s' "${CARGO_TARGET_DIR:-$root/target}"; }

# The version of the extension: the first version in the root manifest.
crate_version() { sed -n 's/^version *= *"\(.*\)"/\1/p' "$root/Cargo.toml" | head -n 1; }

# What cargo is told to build and to run the tests, the same for both: other targets or features build dependencies anew.
# The extension then holds the functions of its tests, which no install script declares.
test_options() {
    printf '%s ' --release --workspace --lib --bins --tests --config pgrx-tests/tests.toml --no-default-features \
        --features "raw_ops/pg$1,raw_ops/pg_test,raw_ops/example_provider,edge-shim/example_provider"
}
