#!/bin/sh
# Builds CoreDNS with Go's own module proxy into a cache outside the repository and prints the path of the program.
# Usage: bench/rivals/coredns.sh [VERSION...]   The first version that builds is kept; a second run costs nothing.
set -eu

cache="${XDG_CACHE_HOME:-$HOME/.cache}/headless-dns-bench"
program="$cache/bin/coredns"

if [ -x "$program" ]; then
  echo "$program"
  exit 0
fi
if ! command -v go >/dev/null 2>&1; then
  echo "CoreDNS is not on PATH and Go is not here to build it" >&2
  exit 1
fi

[ $# -gt 0 ] || set -- v1.15.0 v1.14.7 v1.14.6
mkdir -p "$cache/bin"
for version in "$@"; do
  echo "building CoreDNS $version (some minutes)" >&2
  if CGO_ENABLED=0 GOTOOLCHAIN=auto GOBIN="$cache/bin" nice -n 10 go install "github.com/coredns/coredns@$version" >&2; then
    echo "$program"
    exit 0
  fi
done
echo "no version of CoreDNS could be built: $*" >&2
exit 1
