#!/bin/bash
# lint.sh - both compilers with -Werror, every header alone, formatting, and a
# small set of clang-tidy's checks.  LINT_TIDY=0 leaves the last one out.
set -u
export LC_ALL=C
cd "$(dirname "$0")/.." || exit 2
tests/deps.sh lint || exit 1
# The generated headers must be there.
make --no-print-directory -s B=build build/gen/wire/settle.pb-c.h build/gen/coordinator/record.pb-c.h >/dev/null || exit 1

mapfile -t sources < <(ls base/*.c wire/*.c saga/*.c coordinator/*.c participant/*.c adapters/*.c \
	cli/*.c tests/*/*.c bench/*.c 2>/dev/null)
mapfile -t headers < <(ls include/*.h base/*.h wire/*.h saga/*.h coordinator/*.h participant/*.h adapters/*.h \
	cli/*.h tests/*/*.h bench/*.h 2>/dev/null)
# The flags are the Makefile's own, so that they cannot differ.
flags=$(make --no-print-directory -s -f - print-flags <<'MK'
include Makefile
print-flags:
	@echo $(CPPFLAGS) -std=c11 $(WARN) -O1
MK
)
bad=0
jobs=$(nproc)

each() { # runs the command once for each file named on standard input
	xargs -P "$jobs" -n 1 "$@" || bad=1
}

# Plugins know nothing of ours but their header.
mapfile -t plugins < <(ls tests/plugins/*.c examples/plugin/*.c)
mapfile -t ours < <(printf '%s\n' "${sources[@]}" | grep -v '^tests/plugins/')
alone="-std=c11 -Iinclude -DBAD=WRONG_ABI -Wall -Wextra -Wshadow -Wconversion -Wpedantic"

for cc in gcc clang; do
	echo "lint: $cc -Werror, ${#sources[@]} files"
	# shellcheck disable=SC2086 # words
	each $cc $flags -Werror -fsyntax-only < <(printf '%s\n' "${ours[@]}")
	# shellcheck disable=SC2086
	each $cc $flags -DSETTLE_CRASH_POINTS -Werror -fsyntax-only < <(grep -l '"base/crash' "${ours[@]}")
	# shellcheck disable=SC2086
	each $cc $alone -Werror -fsyntax-only < <(printf '%s\n' "${plugins[@]}")
done

echo "lint: ${#headers[@]} headers alone"
# shellcheck disable=SC2086
each gcc $flags -Werror -Wno-unused-const-variable -fsyntax-only -x c < <(printf '%s\n' "${headers[@]}")

echo "lint: clang-format"
clang-format --dry-run -Werror "${sources[@]}" "${headers[@]}" || bad=1

if [ "${LINT_TIDY:-1}" = 1 ]; then
	echo "lint: clang-tidy"
	checks='-*,bugprone-*,-bugprone-easily-swappable-parameters,-bugprone-narrowing-conversions'
	checks+=',-bugprone-reserved-identifier,-bugprone-assignment-in-if-condition'
	checks+=',-bugprone-implicit-widening-of-multiplication-result,-bugprone-macro-parentheses'
	checks+=',-bugprone-branch-clone,-bugprone-sizeof-expression'
	checks+=',-bugprone-misplaced-widening-cast,-bugprone-not-null-terminated-result'
	# The programs only: a test may do what a program must not.
	# shellcheck disable=SC2086
	printf '%s\n' "${sources[@]}" | grep -v '^tests/\|^bench/' |
		xargs -P "$jobs" -I{} clang-tidy -quiet -checks="$checks" -warnings-as-errors='*' \
			{} -- $flags 2>/dev/null || bad=1 # of the pipe's end, in this shell
fi

longest=$(wc -l "${sources[@]}" "${headers[@]}" | awk '$2 != "total" && $1 > 500 {print "lint: " $2 " has " $1 " lines"}')
if [ -n "$longest" ]; then
	echo "$longest"
	bad=1
fi
[ $bad -eq 0 ] && echo "lint: ok"
exit $bad
