#!/bin/sh
# deps.sh [lint|fuzz|model|bench] - installs the Debian packages that are missing, and only those.
#
# Does nothing, fast, when all is there.  As root or with a passwordless sudo it
# installs; otherwise it prints the one command to type, and fails.
set -eu
export LC_ALL=C

packages='
	gcc make libc6-dev pkg-config
	libuv1-dev libnng-dev libsqlite3-dev libpq-dev
	libprotobuf-c-dev protobuf-c-compiler
	libmicrohttpd-dev libcurl4-openssl-dev libjansson-dev
	libyaml-dev uthash-dev nettle-dev liblua5.4-dev
	check postgresql-15 python3-yaml python3-jsonschema
	python3-protobuf protobuf-compiler
'
case ${1-} in
lint) packages="$packages clang clang-format clang-tidy" ;;
fuzz) packages="$packages clang libclang-rt-14-dev" ;;
model) packages="$packages spin" ;;
bench) packages="$packages wrk" ;;
esac

missing=
for p in $packages; do
	case $(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null || true) in
	installed*) ;;
	*) missing="$missing $p" ;;
	esac
done
[ -n "$missing" ] || exit 0
missing=${missing# }

if [ "$(id -u)" = 0 ]; then
	as_root=
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
	as_root='sudo -n'
else
	echo "These packages are missing. Type this, then try again:" >&2
	command -v sudo >/dev/null && become='sudo sh -c' || become='su -c'
	echo "  $become 'apt-get update && apt-get install --no-install-recommends $missing'" >&2
	exit 1
fi

# The server's package would create a cluster of its own and start it; the suite
# and the demo only need the programs.  Said for the time of this installation.
conf_dir=/etc/postgresql-common/createcluster.d
conf=$conf_dir/settle-no-main-cluster.conf
case " $missing " in
*' postgresql-15 '*)
	$as_root mkdir -p $conf_dir
	echo 'create_main_cluster = false' | $as_root tee $conf >/dev/null
	trap '$as_root rm -f $conf' EXIT
	trap 'exit 1' HUP INT TERM
	;;
esac

echo "deps: installing $missing" >&2
apt() {
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@"
}
apt update
# shellcheck disable=SC2086 # a list of words
apt install -y --no-install-recommends $missing >/dev/null
