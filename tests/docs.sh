#!/bin/sh
# docs.sh - fails where a page of the documentation names what is not there: a file that it
# links to, a target of make, an event of the log; and on events that no page tells of.
set -eu
export LC_ALL=C
cd "$(dirname "$0")/.."

pages=$(find README.md docs examples tests -name '*.md')
code='base wire saga coordinator participant adapters'

# Links to files, as seen from the page's own folder; not those into a page or out of here.
links() {
	for page in $pages; do
		grep -oE '\]\([^)# ]+' "$page" | sed 's/^](//' | grep -v '^[a-z]*:' | sort -u |
			while IFS= read -r to; do
				[ -e "$(dirname "$page")/$to" ] || echo "$page: no file $to"
			done || true
	done
}

# `make x`, and what begins with it in an example.
targets() {
	# shellcheck disable=SC2086 # words
	awk '/^```/ { example = !example }
		example && /^make / || /`make / { print FILENAME ":" FNR "::" $0 }' $pages |
		grep -oE '^[^:]*:[0-9]+:|(:|`)make [a-z][a-z0-9-]*' | while IFS= read -r l; do
			case $l in
			*make\ build) ;; # a file under it
			*make\ *) grep -q "^${l##*make }:" Makefile ||
				echo "$at no target ${l##*make } in the Makefile" ;;
			*) at=$l ;;
			esac
		done
}

# What is given to log_event, also by way of complain and refuse (link.c), poll_refused (agent.c).
# An event is an argument that is nothing but words with hyphens.
events_of_code() {
	# shellcheck disable=SC2086
	find $code -name '*.c' ! -name 'crash*' -exec cat {} + | tr '\n\t' '  ' |
		grep -oE '(log_event\(|complain\(|poll_refused\(|refuse\(p, bytes)[^;]*;' |
		grep -oE '"[a-z]+(-[a-z]+)*"' | tr -d '"' | sort -u
}

events_of_docs() {
	sed -n '/^## The log/,$p' docs/operations.md | grep -E '^\| `' | cut -d'|' -f2 |
		grep -oE '`[a-z-]+`' | tr -d '`' | sort -u
}

events() {
	tmp=$(mktemp)
	events_of_docs >"$tmp"
	events_of_code | grep -vxFf "$tmp" |
		sed 's/.*/docs\/operations.md: says nothing of the event &/' || true
	events_of_code >"$tmp.code"
	grep -vxFf "$tmp.code" "$tmp" |
		sed 's/.*/docs\/operations.md: no program logs the event &/' || true
	rm -f "$tmp" "$tmp.code"
}

report=$(links; targets; events)
if [ -n "$report" ]; then
	printf '%s\n' "$report"
	exit 1
fi
echo "docs: ok"
