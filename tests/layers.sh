#!/bin/sh
# layers.sh - fails on an include against the arrows of docs/architecture.md.
#
# Each folder has a pattern of what it may include of ours; anything else that
# begins with one of our folders is against the arrows.  Only main.c files choose
# implementations, so they alone may also include adapters/.
set -eu
export LC_ALL=C
cd "$(dirname "$0")/.."

own='include|base|wire|saga|coordinator|participant|adapters|cli|tests|bench'
bad=0

# check PATTERN FILE… - what the files may include of ours
check() {
	allowed=$1
	shift
	for f; do
		[ -e "$f" ] || continue
		grep -nE "^[[:space:]]*#[[:space:]]*include[[:space:]]*\"" "$f" | while IFS= read -r l; do
			n=${l%%:*}
			header=$(printf '%s\n' "$l" | sed -E 's/^[^"]*"([^"]*)".*/\1/')
			case $header in
			*/*) ;;
			*) echo "$f:$n: \"$header\" names no folder"; continue ;;
			esac
			printf '%s\n' "$header" | grep -qE "^($own)/" || {
				echo "$f:$n: \"$header\" is in no folder of ours"; continue; }
			printf '%s\n' "$header" | grep -qE "^($allowed)" ||
				echo "$f:$n: must not include \"$header\""
		done
	done
}

report=$(
	check 'base/' base/*.[ch]
	check 'base/|wire/' wire/*.[ch]
	check 'base/|saga/' saga/*.[ch]
	check 'base/|wire/|saga/|coordinator/' coordinator/*.[ch]
	for f in participant/*.[ch]; do
		case $f in
		participant/main.c) check 'base/|wire/|participant/|adapters/' "$f" ;;
		*) check 'base/|wire/|participant/' "$f" ;;
		esac
	done
	check 'nothing' include/*.h
	check 'base/|wire/frame\.h$|participant/adapter\.h$|adapters/|include/settle_plugin\.h$' \
		adapters/*.[ch]
	check 'base/|saga/|cli/' cli/*.[ch]
	# What only one module may know, wherever it lives.
	for f in base/*.[ch] wire/*.[ch] saga/*.[ch] coordinator/*.[ch] participant/*.[ch] \
		adapters/*.[ch] cli/*.[ch]; do
		[ -e "$f" ] || continue
		case $f in
		wire/frame*.c) ;;
		*) grep -HnE '#[[:space:]]*include.*settle\.pb-c\.h' "$f" |
			sed 's/$/  (only wire\/frame.c knows the generated frames)/' || true ;;
		esac
		# The core is what includes core.h, and what that rests on.
		case $f in
		coordinator/txn.[ch] | coordinator/core.h | coordinator/state.h | coordinator/engine.h | \
			coordinator/ports.h | saga/*) ;;
		*) grep -q '"coordinator/core\.h"' "$f" || continue ;;
		esac
		grep -HnE '#[[:space:]]*include[[:space:]]*[<"](uv|sqlite3|nng/.*|microhttpd|base/mailbox|time|sys/socket)\.h[>"]|\<clock_[a-z]+_us\(' "$f" |
			sed 's/$/  (the core does no I\/O and reads no clock)/' || true
	done
)
if [ -n "$report" ]; then
	printf '%s\n' "$report"
	bad=1
fi
[ $bad -eq 0 ] && echo "layers: ok"
exit $bad
