#!/bin/sh
# Breaks one rule after the other, by the patches in tests/sim/mutants, in a copy of the
# sources, and says which seed of the simulator is the first to notice each.
#   tests/sim/mutants.sh BUILD_DIR [SEEDS [PATTERN]]
# Ends with 1 if a rule was broken and SEEDS histories (10000) did not notice.
set -eu

build=$1
seeds=${2:-10000}
pattern=${3:-}
copy=$build/mutants
missed=0

mkdir -p "$copy"
cp -Rp Makefile base wire saga coordinator participant adapters cli include docs tests "$copy"
for patch in tests/sim/mutants/*"$pattern"*.patch; do
	name=$(basename "$patch" .patch)
	files=$(sed -n 's|^+++ b/||p' "$patch")
	for file in $files; do rm -f "$copy/build/${file%.c}.o"; done
	patch -s -d "$copy" -p1 <"$patch"
	make -s -C "$copy" B=build build/tests/sim/sim
	if timeout 600 "$copy/build/tests/sim/sim" 1 "$seeds" >"$copy/$name.txt" 2>&1; then
		echo "$name: NOT NOTICED by $seeds histories"
		missed=1
	else
		how=$(sed -n 's/^BROKEN by seed //p' "$copy/$name.txt" | tail -1)
		echo "$name: seed ${how:-? it hung or died}"
	fi
	for file in $files; do
		cp -p "$file" "$copy/$file"
		rm -f "$copy/build/${file%.c}.o"
	done
done
exit $missed
