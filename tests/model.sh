#!/bin/bash
# model.sh BUILD_DIR [quick|rules|protocol] - checks docs/model with spin: the protocol must pass, and each rule
# left out of it must be missed.  Prints a line per run, and ends with 1 if any is not as it should be.
#
# quick: two branches in the small, and two rules left out; seconds.
# rules, protocol: only that part.
# ONLY=pattern: those runs whose name has it.  Trails are left in BUILD_DIR/model/<run>.
set -u
export LC_ALL=C
build=$1
part=${2-}
here=$(cd "$(dirname "$0")/.." && pwd)/docs/model
mkdir -p "$build/model" || exit 2
out=$(cd "$build/model" && pwd)
bad=0
fast= # of the compiler: what is small is checked sooner than optimised

# ok; a property; or why there is no verdict.
verdict() {
	if grep -q '^pan: wrote' pan.txt; then
		sed -nE 's/^pan:1: assertion violated ([a-z_]+).*/\1/p; s/^pan:1: non-progress cycle.*/cycle/p
			s/^pan:1: invalid end state.*/stops/p' pan.txt | head -1
	elif grep -q 'errors: 0' pan.txt && ! grep -qE 'search depth too small|out of memory|memory limit' pan.txt; then
		echo ok
	else
		echo open
	fi
}

# run NAME EXPECTED "FLAGS OF THE MODEL" [SAFETY|NP]
# EXPECTED: ok, or the property that must be missed.  NP: no cycle either.
run() {
	local name=$1 want=$2 dir=$out/$1 got loop= states depth began

	case $name in *"${ONLY-}"*) ;; *) return ;; esac
	rm -rf "$dir"
	mkdir -p "$dir"
	cd "$dir" || exit 2
	began=$SECONDS
	# shellcheck disable=SC2086 # words
	if ! spin -a $3 "$here/settle.pml" >spin.txt 2>&1 ||
		! gcc "-O${fast:-0}" -w -DVECTORSZ=1024 -DMEMLIM=3000 -DCOLLAPSE -DNOFAIR -D"${4:-SAFETY}" -o pan pan.c 2>gcc.txt; then
		echo "$name: does not compile: see $dir"
		bad=1
		return 0
	fi
	[ "${4-}" = NP ] && loop=-l
	timeout "${LIMIT:-600}" ./pan -m100000 -w24 -n $loop >pan.txt 2>&1
	got=$(verdict)
	states=$(sed -nE 's/^ *([0-9.e+]+) states, stored.*/\1/p' pan.txt)
	depth=$(sed -nE 's/.*depth reached ([0-9]+).*/\1/p' pan.txt)
	[ "$got" = "$want" ] || bad=1
	printf '%-22s %9s states  depth %4s  %4d s  %-14s %s\n' "$name" "${states:-?}" "${depth:-?}" \
		$((SECONDS - began)) "$got" "$([ "$got" = "$want" ] && echo as expected || echo "EXPECTED $want")"
}


alone="-DN=2 -DEPOCHS=1 -DCRASHES=0"
agents="-DN=2 -DEPOCHS=1 -DCRASHES=1"
epochs="-DN=2 -DEPOCHS=2 -DCRASHES=0"
both="-DN=2 -DEPOCHS=2 -DCRASHES=1 -DFAULTS=0 -DOLD_DIES"
single="-DN=1 -DEPOCHS=2 -DCRASHES=1"

# One rule after the other is left out.
rules() {
	run no-suspects gone_for_good "$alone -DNO_SUSPECTS"
	run send-first by_decision "$alone -DSEND_FIRST"
	[ "$part" = quick ] && return
	run no-tombstone gone_for_good "$alone -DNO_TOMBSTONE"
	run no-grave-of-refused gone_for_good "$alone -DNO_GRAVE"
	run unknown-is-no gone_for_good "$alone -DUNKNOWN_IS_NO"
	run silence-is-gone gone_for_good "$alone -DSILENCE_IS_GONE"
	run vote-missing all_or_none "$alone -DHASTY_COMMIT -DATOMICITY_ALONE"
	run undecided-is-abort all_or_none "$alone -DASKED_IN_VAIN -DATOMICITY_ALONE"
	run two-writers-told one_answer "$epochs -DTWO_WRITERS"
	run forgets-commit all_or_none "$alone -DFORGETS_COMMIT"
	run first-is-done done_is_done "$alone -DHEALED -DFAULTS=0 -DHAND -DFIRST_IS_DONE"
	run no-fence gone_for_good "$agents -DNO_FENCE"
	run prepare-again once_only "$agents -DPREPARE_AGAIN"
	run unknown-is-commit by_decision "$epochs -DUNKNOWN_IS_COMMIT"
	run commit-of-any-try by_decision "$epochs -DANY_TRY"
	run no-epoch-check newest_only "$epochs -DNO_EPOCH_CHECK"
	run epoch-not-raised all_or_none "$epochs -DSAME_EPOCH -DATOMICITY_ALONE"
	run rollback-unforced one_answer "$epochs -DABORT_UNFORCED"
	run two-writers all_or_none "$epochs -DTWO_WRITERS -DATOMICITY_ALONE"
	run repeat-as-first no_hazard "$both -DREPEAT_AS_FIRST"
	run no-vouching no_hazard "-DN=2 -DEPOCHS=2 -DCRASHES=1 -DFAULTS=0 -DNO_VOUCHING"
	run once-unmarked gone_for_good "$single -DONCE_UNMARKED"
	run once-not-forbidden gone_for_good "$single -DONCE_UNFORBIDDEN"
	run once-unforced by_decision "$single -DONCE_UNFORCED"
	run no-inquiry nothing_left "$epochs -DHEALED -DFAULTS=0 -DNO_INQUIRY"
	run no-resend it_ends "$alone -DHEALED -DNO_RESEND"
	run no-deadline it_ends "$alone -DHEALED -DNO_DEADLINE"
}

# The protocol itself.
protocol() {
	run 2-alone ok "$alone"
	run 2-alone-ends ok "$alone -DHEALED" NP
	[ "$part" = quick ] && return
	fast=2
	run 1-once ok "-DN=1 -DEPOCHS=3 -DCRASHES=2"
	run 1-once-accepted ok "-DN=1 -DEPOCHS=3 -DCRASHES=1 -DACCEPT"
	run 1-once-ends ok "-DN=1 -DEPOCHS=2 -DCRASHES=1 -DHEALED" NP
	run 2-by-hand ok "$alone -DHEALED -DFAULTS=0 -DHAND" NP
	run 2-agents-crash ok "$agents -DFAULTS=2"
	run 2-old-coordinator ok "$epochs"
	run 2-accepted ok "$epochs -DACCEPT"
	run 2-epochs-aside ok "$epochs -DNO_EPOCH_CHECK -DEPOCHS_ASIDE"
	run 2-both-crash ok "$both"
	run 2-all ok "-DN=2 -DEPOCHS=2 -DCRASHES=1 -DFAULTS=0"
	run 2-ends ok "$epochs -DHEALED" NP
	run 2-all-ends ok "-DN=2 -DEPOCHS=2 -DCRASHES=1 -DHEALED" NP
	run 3-agents-crash ok "-DN=3 -DEPOCHS=1 -DCRASHES=1"
	run 3-epochs ok "-DN=3 -DEPOCHS=2 -DCRASHES=0 -DFAULTS=0 -DOLD_DIES"
	run 3-ends ok "-DN=3 -DEPOCHS=1 -DCRASHES=1 -DHEALED" NP
}

case $part in
rules) rules ;;
protocol) protocol ;;
quick) rules && protocol ;;
*) # beside one another
	(rules && exit $bad) >"$out/rules.txt" 2>&1 &
	protocol
	wait $! || bad=1
	cat "$out/rules.txt"
	;;
esac
[ $bad -eq 0 ] && echo "model: ok" || echo "model: not as expected"
exit $bad
