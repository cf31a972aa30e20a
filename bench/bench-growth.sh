#!/bin/bash
# bench-growth.sh BUILD - what ten million finished transactions in the journal cost: the same
# load on an empty journal and on that one (bench_growth.c), then, with 100,000 unfinished ones
# added, how long `settled` takes to start on it (bench_startup.c). From make:
# `make bench-growth`, `make bench-startup`.
#   FILL=1000000   so many finished transactions instead (284 bytes of disk each)
#   ONLY=startup   the second part alone;  ONLY=growth  the first
#   QUICK=1        a few seconds: 100,000 finished ones, few rounds
set -u
export LC_ALL=C
build=${1:-build}
only=${ONLY:-all}
fill=10000000 rounds=40 starts=7
[ -z "${QUICK-}" ] || fill=100000 rounds=8 starts=3
fill=${FILL:-$fill}
settled=$(realpath "$build/settled")
dir=$(mktemp -d "${TMPDIR:-/tmp}/settle-bench.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM HUP

echo "machine: $(nproc) cores, $(stat -f -c %T "$dir") in ${dir%/*}"
"$build/bench/bench_fill" --data "$dir/full" --finished "$fill" || exit 1
if [ "$only" != startup ]; then
	name=growth_10m
	[ "$fill" = 10000000 ] || name=growth_$fill
	"$build/bench/bench_growth" --full "$dir/full" --empty "$dir/empty" --name "$name" \
		--rounds "${ROUNDS:-$rounds}" --window-ms 200 || exit 1
fi
if [ "$only" != growth ]; then
	"$build/bench/bench_fill" --data "$dir/full" --unfinished 100000 || exit 1
	cat >"$dir/settled.yaml" <<-CONF
		data: $dir/full
		cluster: bench
		listen: 127.0.0.1:0
		agents: ipc://$dir/agents
		max_in_flight: 1000000
		drain: 0s
		log_level: error
	CONF
	"$build/bench/bench_startup" --settled "$settled" --config "$dir/settled.yaml" \
		--agents "$dir/agents" --journal "$dir/full/settle.db" --rounds "$starts" || exit 1
fi
