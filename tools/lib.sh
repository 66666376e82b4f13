# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# For tools/check and tools/demo: the packages they need, and how many jobs to run.

# What building weir and its tests takes.
# shellcheck disable=SC2034 # for who sources this
WEIR_BUILD_PACKAGES=(
    gcc libc6-dev cmake ninja-build pkg-config python3
    librdkafka-dev librocksdb-dev libjansson-dev liblua5.4-dev libmicrohttpd-dev
    libzstd-dev liblz4-dev libsnappy-dev zlib1g-dev libxxhash-dev
    libcurl4-openssl-dev libjemalloc-dev libcmocka-dev
)

# need_packages TOOL PACKAGE...: installs the Debian packages that are missing, and says so. Where that cannot be
# done it names them and stops with status 2.
need_packages() {
    local tool=$1 missing=() package sudo=()
    shift
    if ! command -v dpkg-query >/dev/null; then
        echo "$tool: this is not a Debian system; install what these Debian packages hold, then see README.md:" >&2
        printf '  %s\n' "$@" >&2
        exit 2
    fi
    for package in "$@"; do
        if [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" != installed ]; then
            missing+=("$package")
        fi
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" != 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "$tool: missing packages, and neither root nor sudo to install them: ${missing[*]}" >&2
            exit 2
        fi
        sudo=(sudo)
    fi
    echo "$tool: installing ${missing[*]}" >&2
    local log
    log=$(mktemp)
    if ! "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive sh -c \
        'apt-get -qq update && exec apt-get -qq install -y --no-install-recommends "$@"' sh "${missing[@]}" \
        </dev/null >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        echo "$tool: apt-get could not install: ${missing[*]}" >&2
        exit 2
    fi
    rm -f "$log"
}

# How many jobs at once: a compiler of C takes little memory, so one for each processor.
jobs_default() {
    nproc 2>/dev/null || echo 2
}
