#!/bin/bash
# fuzz.sh BUILD SECONDS JOBS TARGET… - runs each target for so many seconds of wall time in JOBS
# processes, and prints one line for each: executions, coverage, findings.
#
# What is new stays in BUILD/fuzz/TARGET for the next run, findings in BUILD/fuzz/found/TARGET.
set -u
export LC_ALL=C
[ $# -ge 4 ] || { echo "usage: fuzz.sh BUILD SECONDS JOBS TARGET…" >&2; exit 2; }
build=$1
time=$2
jobs=$3
shift 3
cd "$(dirname "$0")/../.." || exit 2

# No input of a few KiB may take longer or more: what is not counted shows here.
limits='-timeout=20 -rss_limit_mb=2048 -malloc_limit_mb=512'
export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1

bad=0
for target in "$@"; do
	program=$build/tests/fuzz/fuzz-$target
	kept=tests/fuzz/corpus/$target
	learnt=$build/fuzz/$target
	found=$build/fuzz/found/$target
	log=$build/fuzz/$target.log
	mkdir -p "$learnt" "$found"
	before=$(find "$found" -type f | wc -l)
	dict=
	[ -f "tests/fuzz/dict/$target.dict" ] && dict=-dict=tests/fuzz/dict/$target.dict
	: >"$log"
	pids=
	for ((i = 0; i < jobs; i++)); do
		# shellcheck disable=SC2086 # lists of options
		"$program" $limits $dict -max_len=4000 -len_control=20 -max_total_time="$time" -reload=1 \
			-print_final_stats=1 -artifact_prefix="$found/" "$learnt" "$kept" \
			>"$log.$i" 2>&1 </dev/null &
		pids="$pids $!"
	done
	failed=0
	for pid in $pids; do
		wait "$pid" || failed=1
	done
	cat "$log".[0-9]* >"$log"
	rm -f "$log".[0-9]*
	runs=$(awk '/number_of_executed_units/ {n += $2} END {print n + 0}' "$log")
	covered=$(grep -oE 'cov: [0-9]+' "$log" | sort -k2n | tail -1)
	new=$(($(find "$found" -type f | wc -l) - before))
	printf '%-12s %10d runs  %-12s %d found\n' "$target" "$runs" "$covered" "$new"
	if [ $failed -ne 0 ]; then
		bad=1
		grep -vE '^#|fuzzer::|INFO' "$log" | tail -n 60
		echo "to replay: $build/tests/fuzz/fuzz-$target $found/…"
	fi
done
exit $bad
