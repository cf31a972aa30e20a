#!/bin/sh
# seats.sh PHASE - seats on shows, kept in files: an exec resource with try, confirm
# and cancel for atomic groups, and with book and give-back for sagas.  Needs nothing
# but a POSIX shell and the usual tools.
#
#   $SEATS/total/SHOW    the number of seats that there are
#   $SEATS/held/KEY      "SHOW SEATS" of a reservation that waits for the decision
#   $SEATS/sold/KEY      the same, confirmed
#   $SEATS/gone/KEY      cancelled, or given back: what comes later is refused
#
# Every phase may run any number of times, at any time, and may be killed at any
# moment.  Two rules make that safe: all changes are made under one lock, which dies
# with the process; and each change is one rename of a file, or is found half-made and
# finished by the next run.  The number of free seats is not counted up and down, which
# could be done twice, but is what remains of the total when held and sold are added.
#
# The reservation is named by SETTLE_KEY, never by the gid alone: the same transaction
# may be tried again in another epoch, with another key.  A booking of a saga is named
# by transaction and step, which its action and its compensation have in common.
set -eu
PHASE=${1:-$SETTLE_PHASE}
: "${SEATS:=./seats}"
mkdir -p "$SEATS/total" "$SEATS/held" "$SEATS/sold" "$SEATS/gone"

# Keys are made of letters, digits, and . _ - : only, so they are good file names.
key=$SETTLE_KEY
[ "$SETTLE_PHASE" != call ] || key=$SETTLE_GID.$SETTLE_STEP
input=$(cat)

# One member of the arguments: "show" and "seats" hold no quotes in this example.
arg() {
	printf '%s' "$input" | sed -n "s/.*\"args\":{[^}]*\"$1\": *\"\{0,1\}\([A-Za-z0-9_-]*\).*/\1/p"
}

say() { # result, reason
	printf '{"result": "%s", "reason": "%s"}\n' "$1" "$2"
	exit 0
}

# The lock ends with the process that holds it, however that ends.
exec 9>>"$SEATS/lock"
flock 9

taken() { # seats of $1 that are held or sold
	cat "$SEATS"/held/* "$SEATS"/sold/* 2>/dev/null |
		awk -v show="$1" '$1 == show { n += $2 } END { print n + 0 }'
}

# What a show has left goes to $SEATS/$1, unless it is there already or was cancelled.
take() {
	[ ! -e "$SEATS/gone/$key" ] || say refused "this reservation was cancelled"
	if [ -e "$SEATS/$1/$key" ]; then # again: the same answer
		read -r show seats <"$SEATS/$1/$key"
		return
	fi
	show=$(arg show) seats=$(arg seats)
	case $show in '') say refused "which show?" ;; esac
	case $seats in '' | *[!0-9]* | 0*) say refused "how many seats?" ;; esac
	[ -e "$SEATS/total/$show" ] || say refused "there is no show $show"
	free=$(($(cat "$SEATS/total/$show") - $(taken "$show")))
	[ "$seats" -le "$free" ] || say refused "$free seats left on $show, $seats wanted"
	printf '%s %s\n' "$show" "$seats" >"$SEATS/tmp"
	sync "$SEATS/tmp"
	mv "$SEATS/tmp" "$SEATS/$1/$key"
	sync "$SEATS/$1"
}

case $PHASE in
prepare | book)
	if [ "$PHASE" = book ]; then take sold; else take held; fi
	printf '{"result": "done", "output": {"show": "%s", "seats": %s}}\n' "$show" "$seats"
	;;
commit)
	[ ! -e "$SEATS/held/$key" ] || mv "$SEATS/held/$key" "$SEATS/sold/$key"
	[ -e "$SEATS/sold/$key" ] || say retry "there is no such reservation"
	sync "$SEATS/sold" "$SEATS/held"
	;;
rollback | give-back)
	# First the mark, then the seats: a reserve that comes between finds the mark.  There
	# may be no seats: what is undone may never have been done.
	: >"$SEATS/gone/$key"
	sync "$SEATS/gone"
	rm -f "$SEATS/held/$key"
	[ "$PHASE" = rollback ] || rm -f "$SEATS/sold/$key"
	sync "$SEATS/held" "$SEATS/sold"
	;;
read)
	show=$(arg show)
	[ -e "$SEATS/total/$show" ] || say refused "there is no show $show"
	printf '{"free": %s}\n' "$(($(cat "$SEATS/total/$show") - $(taken "$show")))"
	;;
*)
	echo "seats.sh: no phase $PHASE" >&2
	exit 64
	;;
esac
