#!/bin/bash
# bench-journal.sh BUILD [OPTION…] - the journal against SQLite alone, the same rows in the
# same batches (bench_journal.c, which gets the options). From make: `make bench-journal`.
# QUICK=1: a few seconds. Both write files next to each other in one temporary directory.
set -u
export LC_ALL=C
build=${1:-build}
shift
dir=$(mktemp -d "${TMPDIR:-/tmp}/settle-bench.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM HUP
rounds=41
[ -z "${QUICK-}" ] || rounds=9
echo "machine: $(nproc) cores, $(stat -f -c %T "$dir") in ${dir%/*}"
"$build/bench/bench_journal" --dir "$dir" --rounds "${ROUNDS:-$rounds}" "$@"
