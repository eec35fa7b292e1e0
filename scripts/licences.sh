#!/usr/bin/env bash
# Whether every crate that is linked in offers a licence from the list below.
# Needs nothing but cargo, and no network.
#
#   scripts/licences.sh
#
# Advisories are not checked: their database is not at hand without a network.

set -euo pipefail
cd "$(dirname "$0")/.."

# A choice ("A OR B", "A/B") needs one of these, a sum ("A AND B") all.
allowed='0BSD|Apache-2\.0|Apache-2\.0 WITH LLVM-exception|BSD-2-Clause|BSD-3-Clause|CC0-1\.0|ISC|MIT|MIT-0|Unicode-3\.0|Unlicense|Zlib'

tree=$("${CARGO:-cargo}" tree --workspace --locked --prefix none --edges normal,build --format '{l}|{p}')
crates=$(printf '%s\n' "$tree" | sed 's/ (\*)$//; /^$/d' | sort -u)

refused=0
while IFS='|' read -r licence crate; do
    IFS='&' read -ra all <<<"$(printf '%s' "$licence" | tr -d '()' | sed 's/ AND /\&/g')"
    fits=$([ ${#all[@]} -gt 0 ] && echo yes || echo no)
    for one in "${all[@]}"; do
        printf '%s' "$one" | sed 's/ OR \|\//\n/g' | grep -qxE "$allowed" || fits=no
    done
    if [ "$fits" = no ]; then
        printf 'licence of %s: "%s"\n' "$crate" "$licence" >&2
        refused=$((refused + 1))
    fi
done <<<"$crates"

printf '%s crates, %s without a licence from the list\n' "$(printf '%s\n' "$crates" | wc -l)" "$refused"
[ "$refused" -eq 0 ]
