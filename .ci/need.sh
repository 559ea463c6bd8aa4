# Sourced by ./run and ./test: is what they need there, and can it be put there?

# need PROGRAM PACKAGE: notes the Debian package of a program that is missing.
missing=()
need() {
    command -v "$1" >/dev/null 2>&1 || missing+=("$2")
}

# Installs what is missing where this is root on a machine with apt; says what to install where not.
install_missing() {
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "Installing: ${missing[*]}"
        without_daemons apt_install "${missing[@]}"
        missing=()
    else
        {
            echo "$0 needs programs that this machine does not have. Their Debian packages:"
            echo "    ${missing[*]}"
            echo "As root: apt-get update && apt-get install ${missing[*]}"
            echo "Elsewhere they have the same names or similar ones. Then run $0 again."
        } >&2
        exit 1
    fi
}

apt_install() {
    apt-get update -q >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >/dev/null
}

# A package may start its service at once (Redis, PostgreSQL). Nobody here wants it: this says no, and goes again.
without_daemons() {
    local policy=/usr/sbin/policy-rc.d status=0
    if [ -e "$policy" ] || [ ! -w "${policy%/*}" ]; then
        "$@"
        return
    fi
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    "$@" || status=$?
    rm -f "$policy"
    return "$status"
}

# A Rust toolchain of at least the version in Cargo.toml. Debian's own is too old, so apt cannot help.
need_rust() {
    if ! command -v cargo >/dev/null 2>&1 && [ -x "$HOME/.cargo/bin/cargo" ]; then
        PATH="$HOME/.cargo/bin:$PATH"
    fi
    local wanted have
    wanted=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
    # rustup may fetch the pinned toolchain now, and says so on standard error.
    have=$(cargo --version | cut -d' ' -f2) || true
    if [ "$(printf '%s\n' "$wanted" "${have:-0}" | sort -V | head -n1)" != "$wanted" ]; then
        {
            echo "$0 needs Rust $wanted or later; this machine has ${have:-none}."
            echo "Install it from https://rustup.rs, then run $0 again."
        } >&2
        exit 1
    fi
}
