# figures.sh - for the benchmarks' scripts, which source it: medians, and the lines that
# machines read.

median() { # NUMBER…
	printf '%s\n' "$@" | sort -g |
		awk '{ n[NR] = $1 } END { print (n[int((NR + 1) / 2)] + n[int(NR / 2) + 1]) / 2 }'
}

# NAME VALUE UNIT GOAL, which is >=NUMBER or <=NUMBER; it is met by the value as it is
# printed.
figure() {
	awk -v name="$1" -v value="$2" -v unit="$3" -v goal="$4" 'BEGIN {
		most = substr(goal, 1, 2) == "<="
		value = sprintf(value >= 1000 ? "%.0f" : "%.3f", value)
		limit = substr(goal, 3) + 0
		ok = most ? value + 0 <= limit : value + 0 >= limit
		printf "name=%s value=%s unit=%s goal=%s ok=%d\n", name, value, unit, goal, ok
	}'
}

# The µs that a process has run on a CPU: the scheduler's count, of threads that are there.
cpu_us() { # PID
	cat "/proc/$1/task"/*/schedstat 2>/dev/null | awk '{ ns += $1 } END { printf "%.0f\n", ns / 1000 }'
}
