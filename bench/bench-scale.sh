#!/bin/bash
# bench-scale.sh BUILD [OPTION…] - the CPU time that a branch costs `settled`, with 2 to 16
# branches a transaction and over 1 to 100 agents, in interleaved rounds (bench_scale.c, which
# gets the options).  From make: `make bench-scale ROUNDS=5 WINDOW_MS=700`.  QUICK=1: short.
#
# What shares a frame is cheaper than what does not; so the agents are compared with one
# transaction in flight (nobody shares), with 64, and with 1,600 (all frames are well filled);
# and with 16 in flight for each agent, one or a hundred.
#
# For each number of agents there is a coordinator of its own, idle while the others are
# measured, and one process that is all its agents.
set -u
export LC_ALL=C
build=${1:-build}
shift
rounds=${ROUNDS:-5} window_ms=${WINDOW_MS:-700} quick=() numbers='1 10 100'
[ -z "${QUICK-}" ] || rounds=3 window_ms=250 quick=(--quick --warm-ms 100)
settled=$(realpath "$build/settled") bench=$(realpath "$build/bench/bench_scale")
die() {
	echo "bench-scale: $*" >&2
	exit 1
}
dir=$(mktemp -d "${TMPDIR:-/tmp}/settle-bench.XXXXXX") || exit 1
finish() {
	trap - EXIT
	for n in $numbers; do
		end TERM bench "crew-$n" "settled-$n"
	done
	rm -rf "$dir"
}
. "$(dirname "$0")/processes.sh"

targets=()
for n in $numbers; do
	start_settled "settled-$n"
	start "crew-$n" "$bench" --crew "$n" --url "$agents"
	targets+=(--settled "$n=$rest_port=${pid[settled-$n]}")
done
echo "machine: $(nproc) cores, $(stat -f -c %T "$dir") in ${dir%/*}"
"$bench" "${targets[@]}" --rounds "$rounds" --window-ms "$window_ms" "${quick[@]}" "$@" &
pid[bench]=$!
wait "${pid[bench]}"
status=$?
[ $status = 0 ] || tail -n 3 "$dir"/*.log >&2
unset "pid[bench]"
exit $status
