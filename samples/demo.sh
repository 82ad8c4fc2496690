#!/bin/sh
# SPDX-License-Identifier: 0BSD
# Shows tcp_echo at work: starts it on a free port, talks to it with netcat,
# stops it. Run it in the build directory, or let "./bootstrap demo" do so.
set -eu

program=${1-samples/tcp_echo}
if test ! -x "$program"; then
  echo "demo.sh: $program is not built (make samples)" >&2
  exit 1
fi
if ! command -v nc >/dev/null; then
  echo 'demo.sh: needs netcat' >&2
  exit 1
fi

dir=$(mktemp -d)
server=
trap 'test -z "$server" || kill $server 2>/dev/null; rm -rf "$dir"' EXIT
mkfifo "$dir/said"

echo "\$ $program 127.0.0.1:0 &"
"$program" 127.0.0.1:0 >"$dir/said" &
server=$!
exec 3<"$dir/said"
if ! read -r line <&3; then
  echo "demo.sh: $program did not start" >&2
  exit 1
fi
echo "$line"
port=${line##*:}

say() {
  printf '%s\n' "$1" >"$dir/message"
  echo "\$ echo '$1' | nc -N 127.0.0.1 $port"
  nc -N 127.0.0.1 "$port" <"$dir/message" >"$dir/answer"
  cat "$dir/answer"
  cmp -s "$dir/message" "$dir/answer" || {
    echo 'demo.sh: that is not what was sent' >&2
    exit 1
  }
}

say 'hello, fluv'
say 'one task per connection, each on its own stack'

echo "\$ kill -INT %1; wait"
kill -INT $server
status=0
wait $server || status=$?
server=
cat <&3
echo "tcp_echo ended with status $status"
exit $status
