#!/bin/bash
# bench-rest.sh BUILD - a published workflow without steps, submitted by REST with
# `wait: finished`, from `wrk` with CLIENTS=64 connections on one thread; the median of
# ROUNDS=5 of WINDOW_S=2 seconds each.  Every answer is durable: begun and ended in one forced
# batch.  From make: `make bench-rest`; QUICK=1: few and short rounds.
#
# The first, unmeasured round reads every answer; in the others the coordinator's own count
# of what was committed is held against wrk's.
set -u
export LC_ALL=C
build=${1:-build} here=$(dirname "$0")
rounds=${ROUNDS:-5} window_s=${WINDOW_S:-2} clients=${CLIENTS:-64}
[ -z "${QUICK-}" ] || rounds=3 window_s=1
settled=$(realpath "$build/settled") settle=$(realpath "$build/settle")
script=$(realpath "$here/empty.lua")
die() {
	echo "bench-rest: $*" >&2
	exit 1
}
command -v wrk >/dev/null || die 'there is no wrk: tests/deps.sh bench installs it'
dir=$(mktemp -d "${TMPDIR:-/tmp}/settle-bench.XXXXXX") || exit 1
finish() {
	trap - EXIT
	end TERM wrk settled
	rm -rf "$dir"
}
. "$here/processes.sh"
. "$here/figures.sh"

start_settled
export SETTLE_SERVER=http://127.0.0.1:$rest_port
printf 'workflow: empty\nsteps: []\n' >"$dir/empty.yaml"
"$settle" publish "$dir/empty.yaml" >/dev/null || die 'the workflow is not taken'

committed() {
	"$settle" --json stats | sed -n 's/.*"since_start":{[^}]*"committed":\([0-9]*\).*/\1/p'
}
# Sets the words of wrk's line as variables, and the CPU time of both in µs a request.
TIMEFORMAT='%U %S'
round() { # SECONDS
	local cpu before line word
	before=$(committed) cpu=$(cpu_us "${pid[settled]}")
	{ time wrk -t1 -c"$clients" -d"${1}s" -s "$script" "$SETTLE_SERVER" >"$dir/wrk"; } \
		2>"$dir/time" || die "wrk failed: $(cat "$dir/wrk" "$dir/time")"
	cpu=$(($(cpu_us "${pid[settled]}") - cpu))
	line=$(grep '^wrk ' "$dir/wrk") || die "wrk says: $(cat "$dir/wrk")"
	requests=0 us=0 errors=1 read=0 p50_ms=0 p99_ms=0
	for word in ${line%% wrong=*}; do
		case $word in
		requests=* | us=* | errors=* | read=* | p50_ms=* | p99_ms=*) declare -g "$word" ;;
		esac
	done
	[ "$errors" = 0 ] && [ "$requests" -gt 0 ] && [ "${line##* wrong=}" = '' ] ||
		die "not every answer was 201 and committed: $line"
	done=$(($(committed) - before))
	[ "$done" -ge "$requests" ] || die "$requests answers, but only $done were committed"
	rate=$(awk "BEGIN { print $requests / $us * 1e6 }")
	settled_us=$(awk "BEGIN { print $cpu / $done }")
	wrk_us=$(awk "{ print (\$1 + \$2) * 1e6 / $requests }" "$dir/time")
}

echo "machine: $(nproc) cores, $(stat -f -c %T "$dir") in ${dir%/*}, clients=$clients"
export CHECK=1
round 1
echo "read $read answers: each was 201 and committed"
unset CHECK
rates=() settleds=() wrks=()
for ((i = 1; i <= rounds; i++)); do
	round "$window_s"
	printf 'run round=%d rest per_second=%.0f p50=%s p99=%s settled_us=%.1f wrk_us=%.1f\n' \
		"$i" "$rate" "$p50_ms" "$p99_ms" "$settled_us" "$wrk_us"
	rates+=("$rate") settleds+=("$settled_us") wrks+=("$wrk_us")
done
printf 'cpu rest clients=%d us_per_transaction: settled=%.1f wrk=%.1f\n' "$clients" \
	"$(median "${settleds[@]}")" "$(median "${wrks[@]}")"
figure "rest_empty_$clients" "$(median "${rates[@]}")" per_second '>=20000'
