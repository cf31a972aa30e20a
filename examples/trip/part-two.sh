#!/bin/bash
# part-two.sh - the second part of `make demo`: a trip booked over a SQLite file, a
# command and a web service, paid by two-phase commit over the two PostgreSQL servers.
#
# Read by examples/demo.sh, whose servers, functions and variables it uses.
# shellcheck disable=SC2154,SC2034

trip_dir=$dir/trip
trip_price=400
trips=0 # booked and paid, as the clients were told

# The files of this folder, with the places and ports of this run.
trip_setup() {
	mkdir -p "$trip_dir/theatre/total"
	echo 40 >"$trip_dir/theatre/total/hamlet"
	sed -e "s|build/trip|$trip_dir|g" -e "s|examples/exec|$here/examples/exec|g" \
		-e "s|127.0.0.1:7481|127.0.0.1:${port[agents]}|" \
		-e "s|127.0.0.1:7490|127.0.0.1:${port[train]}|" \
		-e '/^agent:/a cluster: demo' "$here/examples/trip/agent.yaml" >"$dir/agent-trip.yaml"
	sql bank-a "INSERT INTO account VALUES ('tess', 1000)"
	sql bank-b "INSERT INTO account VALUES ('agency', 0)"
	train_start
	start agent-trip "$agent" --config "$dir/agent-trip.yaml"
	"$settle" agents --wait hotel,theatre,train >/dev/null || die 'the agent of the trip did not connect'
}
train_start() {
	start train /usr/bin/python3 "$here/examples/http/seats.py" "${port[train]}" "$trip_dir/train.db"
	until_true 15 'the train service starts' eval ": 3<>/dev/tcp/127.0.0.1/${port[train]}"
}

# trip_ask GID ROOM SEAT PRICE - sets `ask`, the command that books and shows the steps as they run
trip_ask() {
	ask=("$settle" submit trip --watch --gid "$1" --input guest=tess
		--input room="$2" --input seat="$3" --input price="$4")
}

# What the resources themselves hold, against what the clients were told.
trip_check() {
	local tess agency count
	/usr/bin/python3 "$here/examples/trip/left.py" "$trip_dir" || die 'the resources cannot be read'
	tess=$(sql bank-a "SELECT balance FROM account WHERE id = 'tess'")
	agency=$(sql bank-b "SELECT balance FROM account WHERE id = 'agency'")
	say "   banks    tess has $tess, the agency $agency"
	count=$(/usr/bin/python3 "$here/examples/trip/left.py" "$trip_dir" --count)
	[ "$count" = "$trips $trips $((2 * trips)) $trips" ] ||
		die "$trips trips were booked, but rooms, confirmations, tickets, seats are $count"
	[ "$agency $((tess + agency))" = "$((trips * trip_price)) 1000" ] ||
		die "$trips trips were paid, but the money is not where it should be"
}

# Two steps are done, and the third has been sent: the moment of the crash.
trip_in_the_middle() {
	local events
	events=$("$settle" events "$1")
	grep -q 'hotel .*done' <<<"$events" && grep -q 'theatre .*done' <<<"$events" &&
		grep -q 'train .*begins' <<<"$events"
}

trip_story() {
	local pid client status ask

	title 'A trip: a hotel (SQLite), a theatre (a command), a train (a service), both banks'
	trip_setup
	"$settle" publish "$here/examples/trip/trip.yaml" || die 'the workflow was not published'
	trip_check

	title 'tess books: all three at once, then the money, then the hotel confirms'
	trip_ask trip-1 2 12A $trip_price
	"${ask[@]}" || die 'the trip was not booked'
	trips=1
	trip_check

	title 'tess wants a trip for more than she has: room, tickets and seat are given back'
	trip_ask trip-2 3 14B 4000
	"${ask[@]}"
	[ $? = 2 ] || die 'the trip should have been rolled back'
	trip_check

	title 'The coordinator is killed in the middle: the train is made to wait for that'
	kill -STOP "$(pid_of train)"
	trip_ask trip-3 4 3C $trip_price
	"${ask[@]}" &
	client=$!
	clients=("$client")
	until_true 20 'hotel and theatre are booked' trip_in_the_middle trip-3
	pid=$(pid_of settled)
	kill -KILL "$pid" || die 'the coordinator does not run'
	until_true 10 'the coordinator dies' gone "$pid"
	say "   kill -9 the coordinator (process $pid): two steps are done, one is under way"
	kill -CONT "$(pid_of train)"
	say '   ... and starts again'
	coordinator_start
	wait "$client"
	status=$?
	clients=()
	[ $status = 0 ] || die "the trip was not booked: exit status $status"
	trips=2

	title 'What is left of the trips'
	trip_check
	until_true 20 'the last prepared transaction ends' nothing_prepared
	! "$settle" list --status stuck --json | grep -q '"gid"' || die 'a transaction is stuck'
	say '   two trips, each booked once and paid once; of the refused one nothing is left'
}
