#!/usr/bin/env bash
# Brings anvil, the node that tests fetch blocks from, or cast, a client that they
# ask with, and prints where it is.
#
#   scripts/anvil.sh FOLDER [anvil|cast]
#
# The npm package carries the program, so nothing but the npm registry is asked;
# its version is pinned here. What is in FOLDER already is used as it is.
#
# Exit status: 0 it is there, 2 it cannot be had; the message says why.

set -euo pipefail

version=1.7.1
name=${2:-anvil}
folder="$1/$name-$version"

program() { find "$folder" -path "*/bin/$name" -type f 2>/dev/null | head -n 1; }

if [ -z "$(program)" ]; then
    if ! command -v npm >/dev/null 2>&1; then
        printf '%s: npm is missing\n' "$name" >&2
        exit 2
    fi
    # Several tests may start at once: each installs for itself, one wins.
    mkdir -p "$1"
    partial=$(mktemp -d "$folder.XXXXXX")
    trap 'rm -rf "$partial"' EXIT
    if ! npm install --ignore-scripts --no-save --no-audit --no-fund --loglevel=error \
        --prefix "$partial" "@foundry-rs/$name@$version" >&2; then
        printf '%s: npm cannot install @foundry-rs/%s@%s\n' "$name" "$name" "$version" >&2
        exit 2
    fi
    mv -T "$partial" "$folder" 2>/dev/null || true
fi
program=$(program)
if [ -z "$program" ]; then
    printf '%s: @foundry-rs/%s@%s has no program for this machine\n' "$name" "$name" "$version" >&2
    exit 2
fi
printf '%s\n' "$program"
