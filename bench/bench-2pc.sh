#!/bin/bash
# bench-2pc.sh BUILD [OPTION…] - two-phase commit over two PostgreSQL servers: Settle
# against a loop written by hand, in interleaved rounds (bench_2pc.c, which gets the
# options).  From make: `make bench-2pc ROUNDS=5 WINDOW_MS=10000 POOL=24`.
#
# Servers, journal and programs live in one temporary directory and on free ports;
# they are ended by process id.  The servers have their standard durability.
set -u
export LC_ALL=C
build=${1:-build}
shift
rounds=${ROUNDS:-5} window_ms=${WINDOW_MS:-2000}
[ -z "${QUICK-}" ] || rounds=3 window_ms=600
pool=${POOL:-16} finishers=${FINISHERS:-4} lock_timeout=2s
settled=$(realpath "$build/settled") agent=$(realpath "$build/settle-agent")
bench=$(realpath "$build/bench/bench_2pc")
pg_bin=${PG_BIN:-}
for v in 15 16 17 18; do
	[ -n "$pg_bin" ] || [ ! -x /usr/lib/postgresql/$v/bin/postgres ] || pg_bin=/usr/lib/postgresql/$v/bin
done
die() {
	echo "bench-2pc: $*" >&2
	exit 1
}
[ -n "$pg_bin" ] || die 'no PostgreSQL server programs; set PG_BIN'

dir=$(mktemp -d "${TMPDIR:-/tmp}/settle-bench.XXXXXX") || exit 1
chmod 711 "$dir"
owner=$(id -un) as_owner=()
if [ "$(id -u)" = 0 ]; then # PostgreSQL does not run as root
	owner=postgres
	as_owner=(setpriv --reuid=postgres --regid=postgres --init-groups --)
fi

finish() {
	trap - EXIT
	end TERM bench agent-a agent-b settled
	end INT pg-a pg-b # the fast stop
	rm -rf "$dir"
}
. "$(dirname "$0")/processes.sh"

# ---- the two servers: on Unix sockets, as both sides reach them alike ----

server_make() { # NAME
	mkdir -m 700 "$dir/$1" && chown "$owner" "$dir/$1" || return 1
	mkdir -m 755 "$dir/$1.sock" && chown "$owner" "$dir/$1.sock" || return 1
	(cd / && "${as_owner[@]}" "$pg_bin/initdb" -D "$dir/$1" -U postgres -A trust \
		-E UTF8 --locale=C) >"$dir/$1.log" 2>&1 || { tail -n 5 "$dir/$1.log" >&2; return 1; }
	"${as_owner[@]}" tee -a "$dir/$1/postgresql.conf" >/dev/null <<-CONF
		listen_addresses = ''
		unix_socket_directories = '$dir/$1.sock'
		max_prepared_transactions = 256
		max_connections = 300
		autovacuum = off  # the benchmark does it itself, between the runs
	CONF
}
server_make pg-a || die 'initdb failed'
server_make pg-b || die 'initdb failed'
for s in pg-a pg-b; do
	start $s "${as_owner[@]}" "$pg_bin/postgres" -D "$dir/$s"
done
for s in pg-a pg-b; do
	await $s "$pg_bin/pg_isready" -q -h "$dir/$s.sock"
done

# ---- the coordinator and the agents ----

start_settled
for x in a b; do
	cat >"$dir/agent-$x.yaml" <<-CONF
		agent: agent-$x
		cluster: bench
		coordinator: $agents
		window: 256
		resources:
		  bank-$x:
		    adapter: postgres
		    connection: "host=$dir/pg-$x.sock user=postgres dbname=postgres"
		    pool: $pool
		    finishers: $finishers
		    lock_timeout: $lock_timeout
		    operations:
		      debit:
		        sql: UPDATE account SET balance = balance - \$2 WHERE id = \$1 AND balance >= \$2
		        args: [id, amount]
		        expect_rows: 1
		      credit:
		        sql: UPDATE account SET balance = balance + \$2 WHERE id = \$1
		        args: [id, amount]
		        expect_rows: 1
	CONF
	start agent-$x "$agent" --config "$dir/agent-$x.yaml"
done

# ---- the runs ----

echo "machine: $(nproc) cores, $("$pg_bin/postgres" --version), $(stat -f -c %T "$dir") in ${dir%/*}," \
	"pool=$pool finishers=$finishers lock_timeout=$lock_timeout"
watch=()
for name in settled agent-a agent-b pg-a pg-b; do
	watch+=(--process "$name=${pid[$name]}")
done
"$bench" --a "host=$dir/pg-a.sock user=postgres dbname=postgres" \
	--b "host=$dir/pg-b.sock user=postgres dbname=postgres" --rest-port "$rest_port" \
	--rounds "$rounds" --window-ms "$window_ms" --lock-timeout $lock_timeout \
	--sync-file "$dir/sync" "${watch[@]}" "$@" &
pid[bench]=$!
wait "${pid[bench]}"
status=$?
[ $status = 0 ] || tail -n 3 "$dir"/settled.log "$dir"/agent-?.log >&2
unset "pid[bench]"
exit $status
