#!/bin/bash
# run.sh BUILD PROGRAM… - runs test programs one after another, shows what failed,
# and ends with the plain line `N passed, N failed`, counted over their checks.
#
# A program that crashes or exceeds its time counts as one failure.
# TEST_TIMEOUT (seconds, default 240) is the limit of each program.
set -u
export LC_ALL=C
[ $# -ge 1 ] || { echo "usage: run.sh BUILD PROGRAM…" >&2; exit 2; }
export BUILD=$1
shift
limit=${TEST_TIMEOUT:-240}

# Sanitizers: the first report ends the program, so that no report goes unseen.
# (A program without sanitizers does not read these.)
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0:exitcode=99:detect_stack_use_after_return=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
# Some tests fork a process that serves from one that has had threads.
export TSAN_OPTIONS=second_deadlock_stack=1:halt_on_error=1:exitcode=99:die_after_fork=0:suppressions=$PWD/tests/tsan.supp

out=$(mktemp -d /tmp/settle-run.XXXXXX) || exit 2
trap 'rm -rf "$out"' EXIT
trap 'exit 130' INT TERM HUP
# The user postgres must get through to its own directories in it.
chmod 711 "$out"
export TMPDIR=$out PG_TEMPLATE=$out/pg-template

passed=0
failed=0
began=$SECONDS
for program in "$@"; do
	name=${program#"$BUILD"/tests/}
	log=$out/log
	start=$SECONDS
	# CK_VERBOSITY=normal prints the line `…%: Checks: N, Failures: N, Errors: N`.
	CK_VERBOSITY=normal timeout --foreground --kill-after=10 "$limit" "$program" >"$log" 2>&1 </dev/null
	status=$?
	sums=$(sed -nE 's/^[0-9]+%: Checks: ([0-9]+), Failures: ([0-9]+), Errors: ([0-9]+)$/\1 \2 \3/p' "$log")
	checks=0
	bad=0
	while read -r c f e; do
		[ -n "$c" ] || continue
		checks=$((checks + c))
		bad=$((bad + f + e))
	done <<<"$sums"
	# A program that fails keeps nothing: its servers' logs would fill the disk.
	rm -rf "$out"/settle-test.*
	note=
	if [ $status -eq 124 ] || [ $status -eq 137 ]; then
		note=" (ended after $limit s)"
	elif [ $status -ne 0 ]; then
		note=" (exit status $status)"
	elif [ $checks -eq 0 ]; then
		note=" (no check ran)"
	fi
	if [ -n "$note" ] && [ $bad -eq 0 ]; then
		bad=1
		checks=$((checks + 1))
	fi
	passed=$((passed + checks - bad))
	failed=$((failed + bad))
	if [ $bad -eq 0 ]; then
		printf 'ok    %-34s %4d checks %4d s\n' "$name" "$checks" $((SECONDS - start))
	else
		printf 'FAIL  %-34s %4d checks, %d failed%s\n' "$name" "$checks" "$bad" "$note"
		tail -n 200 "$log" | sed 's/^/      | /'
	fi
done
echo "took $((SECONDS - began)) s"
echo "$passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
