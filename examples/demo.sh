#!/bin/bash
# demo.sh BUILD - money moves between two PostgreSQL servers while every process is
# killed once; then a trip is booked (trip/part-two.sh).
#
# Everything lives in one temporary directory, on free ports; it is ended by process
# id and removed at the end, also after Ctrl-C.  KEEP=1 leaves it running, and prints
# what to type to play with it and to end it.
set -u
export LC_ALL=C
here=$(cd "$(dirname "$0")/.." && pwd)
build=${1:-build}
settled=$(realpath "$build/settled") && agent=$(realpath "$build/settle-agent") &&
	settle=$(realpath "$build/settle") || exit 1
for p in "$settled" "$agent" "$settle"; do
	[ -x "$p" ] || { echo "demo: $p is not built" >&2; exit 1; }
done
pg_bin=${PG_BIN:-}
for v in 15 16 17 18; do
	[ -n "$pg_bin" ] || [ ! -x /usr/lib/postgresql/$v/bin/postgres ] || pg_bin=/usr/lib/postgresql/$v/bin
done
[ -n "$pg_bin" ] || { echo "demo: no PostgreSQL server programs; set PG_BIN" >&2; exit 1; }

dir=$(mktemp -d /tmp/settle-demo.XXXXXX) || exit 1
chmod 711 "$dir"
owner=$(id -un)
as_owner=()
if [ "$(id -u)" = 0 ]; then # PostgreSQL does not run as root
	owner=postgres
	as_owner=(setpriv --reuid=postgres --regid=postgres --init-groups --)
fi

# ---- ending everything, whatever happens ----

cat >"$dir/stop" <<STOP
#!/bin/bash
# Ends this demo's processes, each by its id, and removes its directory.
dir=$dir
ours() { tr '\\0' ' ' 2>/dev/null <"/proc/\$1/cmdline" | grep -qF "\$dir"; }
for name in settled agent-a agent-b agent-trip train; do
	for pid in \$(cat "\$dir/\$name.pid" 2>/dev/null); do
		ours "\$pid" && kill -TERM "\$pid" 2>/dev/null && kill -CONT "\$pid" 2>/dev/null
	done
done
for name in settled agent-a agent-b agent-trip train bank-a bank-b; do
	pid=\$(cat "\$dir/\$name.pid" 2>/dev/null) || continue
	# The servers only when nobody is connected any more; -INT is their fast stop.
	case \$name in bank-*) ours "\$pid" && kill -INT "\$pid" 2>/dev/null ;; esac
	for _ in \$(seq 300); do
		[ -d "/proc/\$pid" ] && ours "\$pid" || break
		sleep 0.05
	done
	ours "\$pid" && kill -KILL "\$pid" 2>/dev/null
done
rm -rf "\$dir"
STOP
cat >"$dir/crash" <<CRASH
#!/bin/bash
# crash NAME - kill -9 of settled, agent-a, agent-b, agent-trip, train, bank-a or bank-b; starts it again.
dir=$dir
name=\${1:-}
[ -f "\$dir/\$name.command" ] || { sed -n 2p "\$0" >&2; exit 1; }
kill -KILL "\$(cat "\$dir/\$name.pid")"
# A server's old children hold its memory for a moment: then it is started once more.
for _ in \$(seq 50); do
	(cd / && eval "exec setsid \$(cat "\$dir/\$name.command")") </dev/null >>"\$dir/\$name.log" 2>&1 &
	echo \$! >"\$dir/\$name.pid"
	sleep 0.3
	kill -0 \$! 2>/dev/null && exit 0
done
exit 1
CRASH
chmod +x "$dir/stop" "$dir/crash"
keep=
clients=()
finish() {
	trap - EXIT
	[ ${#clients[@]} = 0 ] || kill "${clients[@]}" 2>/dev/null
	[ -n "$keep" ] || "$dir/stop"
}
trap finish EXIT
trap 'echo; echo "Interrupted: ending everything."; exit 130' INT TERM HUP
die() {
	echo "demo: $*" >&2
	[ ! -s "$dir/settled.log" ] || tail -n 5 "$dir"/settled.log "$dir"/agent-*.log >&2
	exit 1
}

# ---- small things ----

say() { printf '%s\n' "$*"; }
title() { printf '\n== %s\n' "$*"; }

# until_true SECONDS WHAT COMMAND… - waits for the command to succeed
until_true() {
	local end=$((SECONDS + $1)) what=$2
	shift 2
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || die "$what: not within the time"
		sleep 0.05
	done
}
port_free() { # below the ports that the system hands out itself
	local p
	while :; do
		p=$((20000 + RANDOM % 12000))
		if ! (exec 3<>"/dev/tcp/127.0.0.1/$p") 2>/dev/null && [[ " ${ports[*]-} " != *" $p "* ]]; then
			echo $p
			return
		fi
	done
}
# start NAME COMMAND… - in a session of its own, so that Ctrl-C is ours alone
start() {
	local name=$1
	shift
	printf '%q ' "$@" >"$dir/$name.command"
	(cd / && exec setsid "$@") </dev/null >>"$dir/$name.log" 2>&1 &
	echo $! >"$dir/$name.pid"
	disown
}
pid_of() { cat "$dir/$1.pid"; }
gone() { [ ! -d "/proc/$1" ] || grep -q '^State:.*Z' "/proc/$1/status" 2>/dev/null; }
sql() { # BANK SQL - the answer, bare
	"$pg_bin/psql" -X -q -A -t -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "${port[$1]}" -U bank -d bank -c "$2"
}
admin() {
	"$pg_bin/psql" -X -q -A -t -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "${port[$1]}" -U postgres -d "$3" -c "$2"
}

# ---- the two banks ----

declare -A port
ports=()
for b in bank-a bank-b settled agents train; do
	port[$b]=$(port_free)
	ports+=("${port[$b]}")
done

bank_make() { # BANK ACCOUNT…
	local b=$1
	shift
	mkdir -m 700 "$dir/$b" && chown "$owner" "$dir/$b"
	(cd / && "${as_owner[@]}" "$pg_bin/initdb" -D "$dir/$b" -U postgres -A trust -N -E UTF8 \
		--locale=C) >"$dir/$b.initdb" 2>&1 || { cat "$dir/$b.initdb" >&2; return 1; }
	"${as_owner[@]}" tee -a "$dir/$b/postgresql.conf" >/dev/null <<-CONF
		listen_addresses = '127.0.0.1'
		port = ${port[$b]}
		unix_socket_directories = ''
		max_prepared_transactions = 64
		max_connections = 64
		shared_buffers = 16MB
		cluster_name = '$b of $dir'
	CONF
}
bank_start() {
	for _ in $(seq 100); do
		start "$1" "${as_owner[@]}" "$pg_bin/postgres" -D "$dir/$1"
		while ! gone "$(pid_of "$1")"; do
			admin "$1" 'SELECT 1' postgres >/dev/null 2>&1 && return
			sleep 0.05
		done
		# After kill -9 the old children hold its memory for a moment.
		sleep 0.05
	done
	tail -n 5 "$dir/$1.log" >&2
	die "$1 does not start"
}
# A trigger notes every change, so that the two sides can be held against each other.
bank_fill() {
	local b=$1 name
	shift
	admin "$b" 'CREATE ROLE bank LOGIN' postgres
	admin "$b" 'CREATE DATABASE bank OWNER bank' postgres
	sql "$b" "CREATE TABLE account (id text PRIMARY KEY, balance bigint NOT NULL CHECK (balance >= 0));
		CREATE TABLE movement (amount bigint NOT NULL);
		CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
		\$\$BEGIN INSERT INTO movement VALUES (abs(new.balance - old.balance)); RETURN new; END\$\$;
		CREATE TRIGGER note AFTER UPDATE ON account FOR EACH ROW EXECUTE FUNCTION note()"
	for name; do
		sql "$b" "INSERT INTO account VALUES ('$name', 1000000)"
	done
}

# ---- the coordinator and the agents ----

coordinator_start() {
	start settled "$settled" --config "$dir/settled.yaml"
	until_true 15 'settled starts' "$settle" --server "http://127.0.0.1:${port[settled]}" stats
}
agent_config() { # LETTER OPERATIONS
	cat >"$dir/agent-$1.yaml" <<-CONF
		agent: agent-$1
		cluster: demo
		coordinator: tcp://127.0.0.1:${port[agents]}
		resources:
		  bank-$1:
		    adapter: postgres
		    connection: "host=127.0.0.1 port=${port[bank-$1]} user=bank dbname=bank"
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
}

# ---- what is shown ----

balances() {
	local a b
	a=$(sql bank-a 'SELECT sum(balance) FROM account') || die 'bank-a does not answer'
	b=$(sql bank-b 'SELECT sum(balance) FROM account') || die 'bank-b does not answer'
	printf '   bank-a %9s   bank-b %9s   together %s\n' "$a" "$b" $((a + b))
	together=$((a + b))
}
ended() { cat "$dir"/client.* 2>/dev/null | wc -l; }
more_ended() { [ "$(ended)" -ge "$1" ]; }

# One client: each transfer has an amount of its own, and its gid makes it safe to
# send it again when no answer came.
client() {
	local c=$1 n=0 amount status to
	local from=(alice anna adam ada) others=(bob bea ben bill)
	while [ ! -e "$dir/enough" ]; do
		n=$((n + 1))
		amount=$((n * 4 + c))
		to=${others[RANDOM % 4]}
		while :; do
			"$settle" submit "$here/examples/transfer.yaml" --gid "demo-$c-$n" --timeout 10s \
				--input from="${from[c]}" --input to="$to" --input amount=$amount \
				>/dev/null 2>&1
			status=$?
			case $status in
			0) echo "committed $amount" && break ;;
			2) echo "rolled_back $amount" && break ;;
			4) echo "stuck $amount" && break ;;
			esac
			sleep 0.1
		done >>"$dir/client.$c"
	done
}

kill_and_restart() { # NAME WHAT HOW-TO-START…
	local name=$1 what=$2 pid before
	shift 2
	before=$(ended)
	until_true 40 'transfers go on' more_ended $((before + 12))
	pid=$(pid_of "$name")
	kill -KILL "$pid" 2>/dev/null || die "$what does not run"
	until_true 10 "$what dies" gone "$pid"
	printf '   kill -9 %-28s (process %s)' "$what" "$pid"
	"$@"
	printf ' ... started again; %s transfers have ended so far\n' "$(ended)"
}

# ---- the story ----

title 'Two PostgreSQL servers, a coordinator and two agents'
bank_make bank-a &
first=$!
bank_make bank-b || die 'initdb failed'
wait $first || die 'initdb failed'
bank_start bank-a
bank_start bank-b
bank_fill bank-a alice anna adam ada
bank_fill bank-b bob bea ben bill
cat >"$dir/settled.yaml" <<-CONF
	data: $dir/journal
	cluster: demo
	listen: 127.0.0.1:${port[settled]}
	agents: tcp://127.0.0.1:${port[agents]}
CONF
agent_config a
agent_config b
export SETTLE_SERVER=http://127.0.0.1:${port[settled]}
coordinator_start
start agent-a "$agent" --config "$dir/agent-a.yaml"
start agent-b "$agent" --config "$dir/agent-b.yaml"
"$settle" agents --wait bank-a,bank-b >/dev/null || die 'the agents did not connect'
balances
total=$together

title 'alice at bank-a pays bob at bank-b: both sides, or neither'
"$settle" submit "$here/examples/transfer.yaml" --gid first \
	--input from=alice --input to=bob --input amount=250 || die 'the transfer was not committed'
balances

title 'alice pays more than she has: bank-a refuses, so bank-b is rolled back as well'
"$settle" submit "$here/examples/transfer.yaml" --gid too-much \
	--input from=alice --input to=bob --input amount=99000000
[ $? = 2 ] || die 'it should have been rolled back'
balances

title 'Four clients pay without pause, and every process is killed once'
for c in 0 1 2 3; do
	client $c &
	clients[c]=$!
done
kill_and_restart settled 'the coordinator' coordinator_start
kill_and_restart agent-a 'the agent of bank-a' start agent-a "$agent" --config "$dir/agent-a.yaml"
kill_and_restart agent-b 'the agent of bank-b' start agent-b "$agent" --config "$dir/agent-b.yaml"
kill_and_restart bank-a 'the PostgreSQL of bank-a' bank_start bank-a
kill_and_restart bank-b 'the PostgreSQL of bank-b' bank_start bank-b
until_true 40 'transfers go on' more_ended $(($(ended) + 12))
touch "$dir/enough"
for c in 0 1 2 3; do
	wait "${clients[c]}"
done
clients=()

title 'What is left'
nothing_prepared() {
	[ "$(sql bank-a 'SELECT count(*) FROM pg_prepared_xacts')" = 0 ] &&
		[ "$(sql bank-b 'SELECT count(*) FROM pg_prepared_xacts')" = 0 ]
}
until_true 20 'the last prepared transaction ends' nothing_prepared
balances
{
	echo 250
	sed -n 's/^committed //p' "$dir"/client.*
} | sort -n >"$dir/told"
sql bank-a 'SELECT amount FROM movement' | sort -n >"$dir/moved-a"
sql bank-b 'SELECT amount FROM movement' | sort -n >"$dir/moved-b"
say "   $(ended) transfers: $(cat "$dir"/client.* | grep -c ^committed) committed," \
	"$(cat "$dir"/client.* | grep -c ^rolled_back) rolled back," \
	"$(cat "$dir"/client.* | grep -c ^stuck) stuck"
cmp -s "$dir/moved-a" "$dir/moved-b" || die 'the two banks moved different amounts'
cmp -s "$dir/told" "$dir/moved-a" || die 'what the clients were told is not what the banks did'
[ "$together" = "$total" ] || die "the sum was $total, and is $together"
say '   every committed one is on both sides, no other one on either; no prepared'
say "   transaction is left, and the sum is what it was: $total"

# shellcheck source=examples/trip/part-two.sh
. "$here/examples/trip/part-two.sh"
trip_story

if [ -n "${KEEP:-}" ]; then
	keep=1
	cat <<-PLAY

		Everything is still running. To play:

		  export SETTLE_SERVER=$SETTLE_SERVER
		  $settle submit $here/examples/transfer.yaml --input from=anna --input to=ben --input amount=42
		  $settle submit trip --watch --input guest=tess --input room=5 --input seat=1A --input price=100
		  $here/examples/trip/left.py $trip_dir
		  $settle list
		  $settle agents
		  $pg_bin/psql -h 127.0.0.1 -p ${port[bank-a]} -U bank bank -c 'SELECT * FROM account'
		  $pg_bin/psql -h 127.0.0.1 -p ${port[bank-b]} -U bank bank -c 'SELECT * FROM account'
		  $dir/crash settled    # kill -9, and started again; or agent-a, agent-b, agent-trip, train, bank-a, bank-b

		To end it and remove it:

		  $dir/stop
	PLAY
fi
