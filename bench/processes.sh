# processes.sh - for the benchmarks' scripts, which source it: processes are started in
# order and ended in the reverse one, by process id.  The script sets `dir` (for logs)
# and `settled` (the program), and has the functions `die` and `finish`, which ends what
# it started.

declare -A pid
end() { # SIGNAL NAME… - asks them all, then waits for each, for 20 s at most
	local signal=$1 name tries
	shift
	for name; do
		[ -z "${pid[$name]-}" ] || kill "-$signal" "${pid[$name]}" 2>/dev/null
	done
	for name; do
		for tries in {1..400}; do
			[ -n "${pid[$name]-}" ] && kill -0 "${pid[$name]}" 2>/dev/null || continue 2
			sleep 0.05
		done
		kill -KILL "${pid[$name]}"
	done
}
# A second signal must not end the script before it has ended what it started (`timeout`
# always sends two).
trap 'trap "" INT TERM HUP; finish' EXIT
trap 'trap "" INT TERM HUP; exit 130' INT TERM HUP

start() { # NAME COMMAND… - in a session of its own, so that Ctrl-C is ours alone
	local name=$1
	shift
	(cd / && exec setsid "$@") </dev/null >"$dir/$name.log" 2>&1 &
	pid[$name]=$!
}
await() { # NAME COMMAND… - until the command succeeds, for 30 s
	local name=$1 end=$((SECONDS + 30))
	shift
	until "$@" >/dev/null 2>&1; do
		if [ $SECONDS -ge $end ] || ! kill -0 "${pid[$name]}" 2>/dev/null; then
			tail -n 5 "$dir/$name.log" >&2
			die "$name does not start"
		fi
		sleep 0.05
	done
}

# A coordinator, on free ports: its own are in rest_port and agents afterwards.
started() { grep -q settled-started "$dir/$1.log"; }
start_settled() { # [NAME]
	local name=${1:-settled}
	cat >"$dir/$name.yaml" <<-CONF
		data: $dir/$name.journal
		cluster: bench
		listen: 127.0.0.1:0
		agents: ${AGENTS:-ipc://$dir/$name.agents}
	CONF
	start "$name" "$settled" --config "$dir/$name.yaml"
	await "$name" started "$name"
	rest_port=$(sed -n 's/.*settled-started.* rest=127.0.0.1:\([0-9]*\).*/\1/p' "$dir/$name.log")
	agents=$(sed -n 's/.*settled-started.* agents=\([^ ]*\).*/\1/p' "$dir/$name.log")
}
