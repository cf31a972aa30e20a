#!/bin/bash
# bench-all.sh BUILD [quick] - every benchmark that has a goal, one after the other, and one
# table of all their figures at the end.  From make: `make bench`, `make bench-quick`.
#
# Each script is on its own: one that fails or hangs costs its figures only, is named at
# the end, and makes the exit status 1.  quick: short and few rounds, and nothing on stdout
# but the lines that machines read (name=… value=… unit=… goal=… ok=0/1).
set -u
export LC_ALL=C
build=${1:-build} quick=${2-} here=$(dirname "$0")
failed=()
declare -A running
[ -z "$quick" ] || export QUICK=1

# NAME, seconds that it may take, the same when quick, options; options when quick.
plan=(
	'2pc 240 50 | --loop 1,16 --settle 1,64 --warm-ms 200'
	'saga 150 20 --agent 1,64 --inprocess 64 | --agent 64 --inprocess 64 --warm-ms 200'
	'rest 60 15 |'
	'scale 200 25 |'
	'journal 150 20 |'
	'growth 400 40 |'
	'memory 120 40 |'
)
what() { # NAME
	case $1 in
	2pc_ratio_*) echo "transactions a second, to the loop's best; ${1##*_} in flight" ;;
	2pc_decided_p50_*) echo "the same, answered on the decision; ${1##*_} in flight" ;;
	2pc_p50_ratio_*) echo "median latency, to the loop's; ${1##*_} in flight" ;;
	saga_agent_*) echo "sagas of three empty steps over one agent; ${1##*_} in flight" ;;
	saga_inprocess_*) echo "the same on engine and journal alone; ${1##*_} in flight" ;;
	rest_empty_*) echo "empty workflows by REST; ${1##*_} connections" ;;
	scale_branches_*) echo "CPU a branch of ${1##*_} branches, to one of 2" ;;
	scale_agents_*_each_*)
		set -- $(echo "$1" | tr _ ' ')
		echo "the same; $5 in flight for each agent"
		;;
	scale_agents_*)
		set -- $(echo "$1" | tr _ ' ')
		echo "CPU a branch over $3 agents, to one agent; $5 in flight"
		;;
	journal_turn*) echo "the journal to SQLite alone; ${1##*turn} transactions a turn" ;;
	growth_*) echo 'the same load with many finished transactions, to none' ;;
	startup_*) echo 'from the start to the first poll answered' ;;
	memory_per_txn_replayed) echo 'the same, of one that a start read from the journal' ;;
	memory_*) echo 'resident memory of a transaction in flight' ;;
	esac
}

tmp=$(mktemp -d "${TMPDIR:-/tmp}/settle-bench-all.XXXXXX") || exit 1
finish() {
	trap - EXIT
	# `timeout` hands it on to the script, which ends what it started.
	for name in "${!running[@]}"; do
		kill "${running[$name]}" 2>/dev/null && wait "${running[$name]}"
	done
	rm -rf "$tmp"
}
trap 'trap "" INT TERM HUP; finish' EXIT # the first signal is enough
trap 'trap "" INT TERM HUP; exit 130' INT TERM HUP

# In the background, so that a signal is heard at once.
begin() { # NAME SECONDS OPTION…
	local name=$1 limit=$2
	shift 2
	timeout -k 20 "$limit" "$here/bench-$name.sh" "$build" "$@" >"$tmp/$name.out" \
		2>"$tmp/$name.err" </dev/null &
	running[$name]=$!
}
take_end() { # NAME SECONDS
	local name=$1 status out=$tmp/$1.out err=$tmp/$1.err
	wait "${running[$name]}"
	status=$?
	unset "running[$name]"
	[ $status != 124 ] || echo "it took more than $2 s" >>"$err"
	[ $status = 0 ] || failed+=("bench-$name: $(tail -n 1 "$err")")
	grep -a '^name=' "$out" >>"$tmp/figures"
	if [ -n "$quick" ]; then
		grep -a '^name=' "$out"
	else
		cat "$err" "$out"
	fi
}

began=$SECONDS
: >"$tmp/figures"
# It waits for ten seconds and computes for a fraction of one: beside the others, if quick.
[ -z "$quick" ] || begin memory 40
for row in "${plan[@]}"; do
	read -r name limit quick_limit options <<<"${row%%|*}"
	if [ -n "$quick" ]; then
		limit=$quick_limit options=${row#*|}
	else
		echo "==== bench-$name"
	fi
	# shellcheck disable=SC2086 # a list of words
	[ -n "${running[$name]-}" ] || begin "$name" "$limit" $options
	take_end "$name" "$limit"
done

table() {
	local line name value unit goal ok
	printf '\n%-30s %12s %-11s %-12s %-7s %s\n' figure value unit goal is what
	while read -r line; do
		name= value= unit= goal= ok=
		for word in $line; do
			case $word in
			name=* | value=* | unit=* | goal=* | ok=*) declare "$word" ;;
			esac
		done
		[ "$ok" = 1 ] && ok=reached || ok=missed
		printf '%-30s %12s %-11s %-12s %-7s %s\n' "$name" "$value" "$unit" "$goal" "$ok" \
			"$(what "$name")"
	done <"$tmp/figures"
	echo "took $((SECONDS - began)) s"
}
[ -n "$quick" ] || table
[ ${#failed[@]} = 0 ] || { printf 'bench: failed: %s\n' "${failed[@]}" >&2; exit 1; }
