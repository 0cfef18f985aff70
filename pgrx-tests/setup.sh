#!/bin/sh
# Installs what building and running raw_ops needs and this machine lacks. Does nothing, quickly, where all is there.
#   setup.sh              to build, run the demo and the end-to-end tests
#   setup.sh --dev        also what only tests need: Prometheus, PgBouncer, Chromium to look at the page, and what a German
#                         locale is made of
#   setup.sh --schema     also cargo-pgrx, which generates the install script
#   setup.sh --pg-config  prints the pg_config in use
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/pgrx-tests/lib.sh"

# The version of cargo-pgrx must be that of pgrx in Cargo.toml.
wanted=$(sed -n 's/^pgrx *= *"=*\([0-9.]*\)".*/\1/p' "$root/Cargo.toml")
default_major=15
updated=no

main() {
    case "${1:-}" in
        "") system ;;
        --dev) system; dev; fetch_prometheus; fetch_pgbouncer ;;
        --schema) system; cargo_pgrx ;;
        --pg-config) find_pg_config || die "no PostgreSQL server found" "make setup" ;;
        *) die "unknown option $1" "setup.sh [--dev | --schema | --pg-config]" ;;
    esac
}

system() {
    have cargo || die "Rust is not installed" "install Rust 1.95 or newer with rustup, then run this again"
    install_tools
    install_postgres
    say "Everything is here: $("$(find_pg_config)" --version), $(cargo --version)"
}

install_tools() {
    missing=
    have cc || missing="$missing gcc libc6-dev"
    have make || missing="$missing make"
    have pkg-config || missing="$missing pkg-config"
    # For the example that `make up` prints.
    have curl || missing="$missing curl"
    has_libclang || missing="$missing libclang-dev"
    # shellcheck disable=SC2086 # a list of names
    [ -z "$missing" ] || install $missing
}

has_libclang() {
    [ -n "${LIBCLANG_PATH:-}" ] || ls /usr/lib/llvm-*/lib/libclang*.so* >/dev/null 2>&1 \
        || ls /usr/lib/*/libclang*.so* >/dev/null 2>&1
}

# The server, its headers and pg_cron, all of one version.
install_postgres() {
    if pg_config=$(find_pg_config); then
        major=$(pg_major "$pg_config")
    else
        pg_config=
        update
        major=$(wanted_major)
    fi
    missing=
    [ -n "$pg_config" ] && [ -x "$("$pg_config" --bindir)/postgres" ] || missing="$missing postgresql-$major"
    [ -n "$pg_config" ] && [ -f "$("$pg_config" --includedir-server)/postgres.h" ] || missing="$missing postgresql-server-dev-$major"
    [ -n "$pg_config" ] && [ -f "$("$pg_config" --pkglibdir)/pg_cron.so" ] || missing="$missing postgresql-$major-cron"
    [ -n "$missing" ] || return 0
    # The distribution's packages cannot complete a PostgreSQL that came from elsewhere.
    if [ -n "$pg_config" ]; then
        case $("$pg_config" --bindir) in
            /usr/lib/postgresql/*) ;;
            *) die "$pg_config belongs to a PostgreSQL without server headers or without pg_cron" \
                "install both for it, or unset PG_CONFIG to use the one of the distribution" ;;
        esac
    fi
    no_main_cluster
    # shellcheck disable=SC2086 # a list of names
    install $missing
    find_pg_config >/dev/null || die "PostgreSQL $major was installed but no pg_config describes it" "set PG_CONFIG"
}

# PostgreSQL 15 where the distribution has it, else the version it has.
wanted_major() {
    if apt-cache show "postgresql-$default_major" >/dev/null 2>&1; then
        echo "$default_major"
    else
        found=$(apt-cache depends postgresql 2>/dev/null | sed -n 's/.*Depends: postgresql-\([0-9]*\)$/\1/p' | head -n 1)
        [ -n "$found" ] || die "this distribution has no PostgreSQL package" "install PostgreSQL 13 to 18 and set PG_CONFIG"
        echo "$found"
    fi
}

# Debian makes and starts a server on port 5432 with the package: nobody asked for that one. A machine that already has
# PostgreSQL's packages keeps its own setting.
no_main_cluster() {
    case $(dpkg-query -W -f '${Status}' postgresql-common 2>/dev/null) in
        *" installed") return 0 ;;
    esac
    install postgresql-common
    conf=/etc/postgresql-common/createcluster.conf
    as_root sed -i 's/^#* *create_main_cluster *=.*/create_main_cluster = false/' "$conf"
    grep -q '^create_main_cluster = false' "$conf" || echo 'create_main_cluster = false' | as_root tee -a "$conf" >/dev/null
}

update() {
    have apt-get || die "packages are missing and this is no Debian" \
        "install PostgreSQL 13 to 18 with server headers and pg_cron, libclang, a C compiler; then set PG_CONFIG"
    [ "$updated" = yes ] && return
    say "Reading the distribution's package lists (apt-get update)"
    as_root apt-get -q update >/dev/null || die "apt-get update failed" "look at the network and at /etc/apt"
    updated=yes
}

install() {
    update
    say "Installing $* (apt-get install)"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Options::=--force-confdef \
        -o Dpkg::Options::=--force-confold install --no-install-recommends "$@" >&2 ||
        die "apt-get could not install: $*" "run 'apt-get install $*' by hand to see why"
}

dev() {
    # Its fonts come with it: fontconfig depends on DejaVu.
    [ -n "${CHROMIUM:-}" ] || have chromium || install chromium
    # A test makes a locale of its own from it, to hear a server speak German.
    [ -f /usr/share/i18n/locales/de_DE ] || install locales
}

cargo_pgrx() {
    if [ "$(cargo pgrx --version 2>/dev/null)" != "cargo-pgrx $wanted" ]; then
        if ! pkg-config --exists openssl 2>/dev/null; then install libssl-dev; fi
        say "Building cargo-pgrx $wanted: 6 to 10 minutes on two cores, once"
        cargo install cargo-pgrx --version "$wanted" --locked
    fi
    pg_config=$(find_pg_config)
    major=$(pg_major "$pg_config")
    if ! grep -q "^pg$major *= *\"$pg_config\"" "${PGRX_HOME:-$HOME/.pgrx}/config.toml" 2>/dev/null; then
        say "Telling cargo-pgrx where PostgreSQL $major is"
        cargo pgrx init "--pg$major" "$pg_config"
    fi
}

# The tests let a real Prometheus read the metrics, and put a real PgBouncer between shim and server. The distribution's packages are
# also services, enabled and started, that nobody asked for: so their programs are unpacked among cargo's output and nothing is
# installed.
fetch_prometheus() {
    if have prometheus && have promtool; then return 0; fi
    [ -x "$(target_dir)/tools/prometheus/usr/bin/promtool" ] || unpack prometheus
}

fetch_pgbouncer() {
    if have pgbouncer || [ -x "$(target_dir)/tools/pgbouncer/usr/sbin/pgbouncer" ]; then return 0; fi
    apt-cache show pgbouncer >/dev/null 2>&1 || update
    # What else it needs, every server has: PostgreSQL needs the same.
    # shellcheck disable=SC2046 # a list of names
    unpack pgbouncer $(apt-cache depends pgbouncer 2>/dev/null | sed -n 's/^ *Depends: \(libevent-.*\|libc-ares.*\)$/\1/p')
}

# unpack NAME [PACKAGE…]: the package NAME, and others into the same directory
unpack() {
    have apt-get || die "$1 is missing and this is no Debian" "put its programs on the PATH"
    apt-cache show "$1" >/dev/null 2>&1 || update
    say "Fetching $* for the tests (apt-get download)"
    tools=$(target_dir)/tools
    mkdir -p "$tools"
    scratch=$(mktemp -d "$tools/$1.XXXXXX")
    # Root's apt would read as a user of its own, who may not enter here.
    (cd "$scratch" && apt-get -q -o APT::Sandbox::User=root download "$@" >/dev/null) ||
        { rm -rf "$scratch"; die "apt-get could not fetch $*" "run 'apt-get download $*' by hand to see why"; }
    for package in "$scratch"/*.deb; do
        dpkg-deb -x "$package" "$scratch/files"
    done
    rm -rf "${tools:?}/$1"
    mv "$scratch/files" "$tools/$1"
    rm -rf "$scratch"
}

main "$@"
