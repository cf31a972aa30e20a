#!/bin/sh
# run.sh [BUILD] - books seats at examples/http/seats.py: once to success, once refused.
set -eu
cd "$(dirname "$0")/../.."
build=${1:-build}
dir=$(mktemp -d /tmp/settle-seats.XXXXXX)
pids=
trap 'kill $pids 2>/dev/null || true; wait; rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM

sed "s|build/settle-data|$dir/data|" examples/settled.yaml >"$dir/settled.yaml"
sed "s|build/seats-ledger|$dir/ledger|" examples/http/agent.yaml >"$dir/agent.yaml"
python3 examples/http/seats.py 7490 "$dir/seats.db" & pids="$pids $!"
"$build"/settled --config "$dir/settled.yaml" 2>"$dir/settled.log" & pids="$pids $!"
"$build"/settle-agent --config "$dir/agent.yaml" 2>"$dir/agent.log" & pids="$pids $!"
# await COMMAND… - until it succeeds, ten seconds at most
await() {
	tries=0
	until "$@" >/dev/null 2>&1; do
		tries=$((tries + 1))
		[ $tries -lt 100 ] || { cat "$dir"/*.log; exit 1; }
		sleep 0.1
	done
}
seats() { python3 -c 'import urllib.request as u; print(u.urlopen("http://127.0.0.1:7490/seats").read().decode())'; }
served() { "$build"/settle resources | grep -q 'seats .*ready'; }

await seats
await served

book() { "$build"/settle submit examples/http/book.yaml "$@"; }

echo "== ann books 12A and 3C"
book --input customer=ann --input out=12A --input back=3C
echo "== ben wants 14B, and 3C, which is taken: he gets neither"
book --input customer=ben --input out=14B --input back=3C && exit 1
echo "== the service's own list"
seats
