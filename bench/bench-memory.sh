#!/bin/bash
# bench-memory.sh BUILD [OPTION…] - what a transaction in flight takes of memory: one that was
# begun (bench_memory.c, which gets the options), and one that a start of `settled` took from
# its journal. From make: `make bench-memory`.
# QUICK=1: 50,000 transactions instead of 100,000.
set -u
export LC_ALL=C
build=${1:-build}
shift
settled=$(realpath "$build/settled")
dir=$(mktemp -d "${TMPDIR:-/tmp}/settle-bench.XXXXXX") || exit 1
n=100000
[ -z "${QUICK-}" ] || n=50000
die() {
	echo "bench-memory: $*" >&2
	exit 1
}
finish() {
	trap - EXIT
	end TERM bench full idle
	rm -rf "$dir"
}
here=$(dirname "$0")
. "$here/processes.sh"
. "$here/figures.sh"
resident() { # NAME
	echo $(($(cut -d ' ' -f 2 "/proc/${pid[$1]}/statm") * $(getconf PAGESIZE)))
}

# A coordinator on an empty journal, and one on a journal with `n` unfinished transactions.
# They are looked at when bench_memory is through: it waits for longer than the five seconds
# of quiet after which a coordinator gives back what it does not need.
"$build/bench/bench_fill" --data "$dir/full.journal" --unfinished "$n" || exit 1
start_settled idle
start_settled full
"$build/bench/bench_memory" --data "$dir/journal" --transactions "$n" "$@" &
pid[bench]=$!
wait "${pid[bench]}" || exit 1
unset "pid[bench]"
idle=$(resident idle) full=$(resident full)
echo "replayed transactions=$n idle=$((idle >> 20)) full=$((full >> 20)) MiB resident"
figure memory_per_txn_replayed "$(((full - idle) / n))" bytes '<=1024'
