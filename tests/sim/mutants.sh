#!/bin/bash
# Breaks one rule after the other, by the patches in tests/sim/mutants, in copies of the
# sources, and holds the simulator to noticing each within the seeds that
# tests/sim/mutants/bounds allows it.
#   tests/sim/mutants.sh BUILD_DIR [PATTERN]           all, or those whose name has PATTERN in it
#   tests/sim/mutants.sh BUILD_DIR --one NAME FIRST COUNT   that one, its history shown
# BOUND allows all of them that many seeds instead, for measuring anew.
# JOBS (default: one per core) work at once; SHRINK is how long each history may be
# shrunk, in seconds (default 10).  Ends with 1 if a rule was broken and nobody noticed.
set -eu
export LC_ALL=C

root=$PWD
patches=$root/tests/sim/mutants
build=$1
work=$build/mutants
jobs=${JOBS:-$(nproc)}
export SHRINK=${SHRINK:-10}
unset MAKEFLAGS MFLAGS MAKELEVEL

die() {
	echo "mutants: $*" >&2
	exit 2
}

# A copy of the sources, with what was built of them.
lane_new() {
	local lane=$1 part
	mkdir -p "$lane/build/tests"
	cp -Rp Makefile base wire saga coordinator participant adapters cli include docs tests "$lane"
	for part in base wire saga coordinator participant adapters cli gen tests/lib tests/sim libsettle.a libharness.a; do
		if [ "$build" = build ] && [ -e "build/$part" ]; then
			rm -rf "$lane/build/$part"
			cp -Rp "build/$part" "$lane/build/$part"
		fi
	done
}

files_of() { sed -n 's|^+++ b/||p' "$1"; }

lane_mutate() {
	local lane=$1 patch=$2 file
	for file in $(files_of "$patch"); do
		[ -e "$lane/$file" ] || die "$(basename "$patch"): there is no $file any more: write the patch anew"
	done
	patch -s -d "$lane" -p1 --fuzz=1 <"$patch" >"$lane/patch.log" 2>&1 ||
		die "$(basename "$patch") no longer applies: write it anew. $(tail -n 1 "$lane/patch.log")"
	make -s -C "$lane" B=build build/tests/sim/sim >"$lane/make.log" 2>&1 ||
		die "$(basename "$patch") does not compile: $(grep -m1 error "$lane/make.log")"
}

lane_restore() {
	local lane=$1 patch=$2 file
	for file in $(files_of "$patch"); do
		cp -p "$root/$file" "$lane/$file"
		rm -f "$lane/build/${file%.*}.o" "$lane/$file.orig"
		# A header's users are made anew.
		case $file in *.h) rm -rf "$lane/build"; mkdir "$lane/build" ;; esac
	done
}

bound_of() {
	awk -v name="$1" '$1 == name { print $2 }' "$patches/bounds"
}

try() {
	local lane=$1 patch=$2 name bound out how
	name=$(basename "$patch" .patch)
	bound=${BOUND:-$(bound_of "$name")}
	[ -n "$bound" ] || die "$name has no line in tests/sim/mutants/bounds"
	out=$work/$name.txt
	lane_mutate "$lane" "$patch"
	if (cd "$lane" && JOBS=1 timeout 900 build/tests/sim/sim 1 "$bound") >"$out" 2>&1; then
		echo "$name: NOT NOTICED by $bound histories"
		return 1
	fi
	how=$(sed -n 's/^BROKEN by seed //p' "$out" | head -n 1)
	[ -n "$how" ] || die "$name: the simulator ended without a verdict, see $out"
	echo "$name: seed $how$(sed -n 's/^shrunk \(.*\) lines to \([0-9]*\) by.*/ (shrunk \1 to \2 lines)/p' "$out")"
	lane_restore "$lane" "$patch"
}

# Each lane takes the next patch that nobody has taken.
lane_run() {
	local lane=$work/lane$1 patch bad=0
	lane_new "$lane"
	shift
	for patch in "$@"; do
		mkdir "$work/taken/$(basename "$patch")" 2>/dev/null || continue
		(try "$lane" "$patch") || { bad=1; lane_restore "$lane" "$patch"; }
	done
	return $bad
}

mkdir -p "$work"
if [ "${2:-}" = --one ]; then
	patch=$patches/$3.patch
	[ -e "$patch" ] || die "there is no $3; there are: $(cd "$patches" && echo *.patch | sed 's/\.patch//g')"
	lane=$work/one
	rm -rf "$lane"
	lane_new "$lane"
	lane_mutate "$lane" "$patch"
	cd "$lane"
	SHRINK=60 build/tests/sim/sim "$4" "$5" && exit
	echo "(there: in $lane, where the rule is broken)"
	exit 1
fi

set -- "$patches"/*"${2:-}"*.patch
[ -e "$1" ] || die "no mutant has that in its name"
rm -rf "$work"/taken "$work"/lane*
mkdir "$work/taken"
pids=
for lane in $(seq "$jobs"); do
	lane_run "$lane" "$@" &
	pids="$pids $!"
done
failed=0
for pid in $pids; do wait "$pid" || failed=1; done
rm -rf "$work"/taken "$work"/lane*
[ $failed -eq 0 ] || die "not every broken rule was noticed"
echo "$# broken rules, each noticed within its bound"
