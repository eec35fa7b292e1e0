#!/usr/bin/env bash
# Brings what building blockloom needs besides Rust: a C++ compiler and
# libclang (RocksDB is compiled from source and its bindings are generated
# while building), and make.
#
#   scripts/setup.sh           install what is missing, asking before sudo
#   scripts/setup.sh --check   only say what is missing
#
# Exit status: 0 everything is there, 2 something is missing and was not
# installed; the message then names the command that would install it.

set -euo pipefail

say() { printf 'setup: %s\n' "$*" >&2; }

has() { command -v "$1" >/dev/null 2>&1; }

# A compiler without the C++ standard library is as good as none, so this
# compiles a header instead of looking for a program name.
has_cxx() {
    local cxx="${CXX:-c++}"
    has "$cxx" && printf '#include <vector>\n' | "$cxx" -x c++ -fsyntax-only - 2>/dev/null
}

has_cc() {
    local cc="${CC:-cc}"
    has "$cc" && printf '#include <stdint.h>\n' | "$cc" -x c -fsyntax-only - 2>/dev/null
}

# Prints the folders in which the binding generator would look for libclang.
libclang_dirs() {
    if [ -n "${LIBCLANG_PATH:-}" ]; then
        if [ -d "$LIBCLANG_PATH" ]; then
            printf '%s\n' "$LIBCLANG_PATH"
        else
            dirname "$LIBCLANG_PATH"
        fi
        return
    fi
    if has llvm-config; then llvm-config --libdir 2>/dev/null || true; fi
    if has ldconfig; then
        ldconfig -p 2>/dev/null | sed -n 's|.*=> \(.*\)/libclang[-.][^/]*$|\1|p' | sort -u
    fi
    local dir
    for dir in /usr/lib/llvm-*/lib /usr/lib/*-linux-gnu /usr/lib64 /usr/lib64/llvm*/lib64 \
        /usr/local/lib /usr/lib /opt/homebrew/opt/llvm/lib /usr/local/opt/llvm/lib \
        /Library/Developer/CommandLineTools/usr/lib; do
        if [ -d "$dir" ]; then printf '%s\n' "$dir"; fi
    done
}

has_libclang() {
    local dir file
    while IFS= read -r dir; do
        for file in "$dir"/libclang.so* "$dir"/libclang-[0-9]*.so* "$dir"/libclang.dylib; do
            if [ -e "$file" ]; then return 0; fi
        done
    done < <(libclang_dirs)
    return 1
}

# libclang brings no stddef.h of its own; without the compiler's header folder
# every C header the generator reads ends in an error.
has_clang_headers() {
    if has "${CLANG_PATH:-clang}"; then return 0; fi
    local dir file
    while IFS= read -r dir; do
        for file in "$dir"/clang/*/include/stddef.h; do
            if [ -e "$file" ]; then return 0; fi
        done
    done < <(libclang_dirs)
    return 1
}

# Prints the Debian package of every missing piece, each once.
missing_packages() {
    {
        if ! has_cxx; then echo g++; fi
        if ! has_cc; then echo gcc libc6-dev; fi
        if ! has_libclang || ! has_clang_headers; then echo libclang-dev; fi
        if ! has make; then echo make; fi
    } | tr ' ' '\n' | sort -u | paste -s -d ' ' -
}

check_rust() {
    PATH="$HOME/.cargo/bin:$PATH"
    if has cargo; then return; fi
    say "Rust is missing: install rustup from https://rustup.rs and run this again"
    say "(the exact toolchain is in rust-toolchain.toml; rustup fetches it by itself)"
    exit 2
}

# Prints the command prefix that may install packages, or fails.
privilege() {
    if [ "$(id -u)" = 0 ]; then return 0; fi
    if ! has sudo; then return 1; fi
    # Without a terminal nobody can answer, and CI must not hang on a question.
    if [ ! -t 0 ]; then return 1; fi
    local answer
    read -r -p "setup: install $1 with sudo apt-get? [y/N] " answer
    case "$answer" in
        y | Y | yes | YES) echo sudo ;;
        *) return 1 ;;
    esac
}

install_packages() {
    local packages="$1" prefix
    if ! has apt-get; then
        say "missing: $packages (Debian names)"
        say "install a C++ compiler, libclang with its headers and make with this system's package manager"
        exit 2
    fi
    local by_hand="apt-get update && apt-get install --yes $packages"
    if ! prefix=$(privilege "$packages"); then
        say "missing: $packages"
        say "install with: sudo sh -c '$by_hand'"
        exit 2
    fi
    say "installing $packages"
    # shellcheck disable=SC2086 # prefix may be empty, packages are several words
    $prefix apt-get update --quiet >&2 \
        && $prefix env DEBIAN_FRONTEND=noninteractive \
            apt-get install --yes --quiet --no-install-recommends $packages >&2 \
        || { say "apt-get failed; by hand: $by_hand"; exit 2; }
}

main() {
    check_rust
    local packages
    packages=$(missing_packages)
    if [ -z "$packages" ]; then return; fi
    if [ "${1:-}" = --check ]; then
        say "missing: $packages"
        exit 2
    fi
    install_packages "$packages"
    packages=$(missing_packages)
    if [ -n "$packages" ]; then
        say "still missing after the installation: $packages"
        say "if libclang is in an unusual place, set LIBCLANG_PATH to its folder"
        exit 2
    fi
}

main "$@"
