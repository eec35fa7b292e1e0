#!/usr/bin/env bash
# Brings viem, a client that tests read `blockloom serve` with, and prints the
# folder of its modules.
#
#   scripts/viem.sh FOLDER
#
# Only the npm registry is asked, for what cli/tests/viem/package-lock.json pins.
# What is in FOLDER already is used as it is.
#
# Exit status: 0 it is there, 2 it cannot be had; the message says why.

set -euo pipefail

source=$(cd "$(dirname "$0")/../cli/tests/viem" && pwd)
for program in node npm; do
    if ! command -v "$program" >/dev/null 2>&1; then
        printf 'viem: %s is missing\n' "$program" >&2
        exit 2
    fi
done
version=$(sha256sum "$source/package-lock.json" | cut -c1-12)
folder="$1/viem-$version"
if [ ! -d "$folder" ]; then
    # Several tests may start at once: each installs for itself, one wins.
    mkdir -p "$1"
    partial=$(mktemp -d "$folder.XXXXXX")
    trap 'rm -rf "$partial"' EXIT
    cp "$source/package.json" "$source/package-lock.json" "$partial"
    if ! npm ci --ignore-scripts --omit=peer --no-audit --no-fund --loglevel=error \
        --prefix "$partial" >&2; then
        printf 'viem: npm cannot install what %s pins\n' "$source/package-lock.json" >&2
        exit 2
    fi
    mv -T "$partial" "$folder" 2>/dev/null || true
fi
printf '%s\n' "$folder/node_modules"
