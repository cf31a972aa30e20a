#!/bin/bash
# bench-saga.sh BUILD [OPTION…] - sagas of three empty steps: through `settled` and one
# agent with the noop adapter, and on engine and journal alone, in interleaved rounds
# (bench_saga.c, which gets the options).  From make: `make bench-saga ROUNDS=5`.
#
# Journals and programs live in one temporary directory and on free ports; they are
# ended by process id.  Both journals are as durable as always.
set -u
export LC_ALL=C
build=${1:-build}
shift
rounds=${ROUNDS:-5} window_ms=${WINDOW_MS:-1500}
[ -z "${QUICK-}" ] || rounds=3 window_ms=500
settled=$(realpath "$build/settled") agent=$(realpath "$build/settle-agent")
settle=$(realpath "$build/settle") bench=$(realpath "$build/bench/bench_saga")
die() {
	echo "bench-saga: $*" >&2
	exit 1
}
dir=$(mktemp -d "${TMPDIR:-/tmp}/settle-bench.XXXXXX") || exit 1
finish() {
	trap - EXIT
	end TERM bench agent settled
	rm -rf "$dir"
}
. "$(dirname "$0")/processes.sh"

start_settled
cat >"$dir/agent.yaml" <<-CONF
	agent: agent
	cluster: bench
	coordinator: $agents
	window: 1024
	resources:
	  nothing:
	    adapter: noop
	    operations:
	      step: {}
CONF
start agent "$agent" --config "$dir/agent.yaml"
cat >"$dir/chain.yaml" <<-'WORKFLOW'
	workflow: chain
	steps:
	  - name: one
	    resource: nothing
	    operation: step
	    compensate: none
	  - name: two
	    after: one
	    resource: nothing
	    operation: step
	    compensate: none
	  - name: three
	    after: two
	    resource: nothing
	    operation: step
	    compensate: none
WORKFLOW
SETTLE_SERVER=http://127.0.0.1:$rest_port "$settle" publish "$dir/chain.yaml" >/dev/null ||
	die 'the workflow is not taken'

echo "machine: $(nproc) cores, $(stat -f -c %T "$dir") in ${dir%/*}"
"$bench" --data "$dir/inprocess" --workflow "$dir/chain.yaml" --rest-port "$rest_port" \
	--rounds "$rounds" --window-ms "$window_ms" --sync-file "$dir/sync" \
	--process "settled=${pid[settled]}" --process "agent=${pid[agent]}" "$@" &
pid[bench]=$!
wait "${pid[bench]}"
status=$?
[ $status = 0 ] || tail -n 3 "$dir"/settled.log "$dir"/agent.log >&2
unset "pid[bench]"
exit $status
