#!/bin/bash
# bench-memory.sh BUILD [OPTION…] - what a transaction in flight takes of memory
# (bench_memory.c, which gets the options). From make: `make bench-memory`.
# QUICK=1: 50,000 transactions instead of 100,000.
set -u
export LC_ALL=C
build=${1:-build}
shift
dir=$(mktemp -d "${TMPDIR:-/tmp}/settle-bench.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM HUP
n=100000
[ -z "${QUICK-}" ] || n=50000
"$build/bench/bench_memory" --data "$dir/journal" --transactions "$n" "$@"
