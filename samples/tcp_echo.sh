#!/bin/sh
# SPDX-License-Identifier: MIT
# Drives the sample tcp_echo: what is sent comes back, to our own client, to
# netcat, for a large message and for several clients at once, and SIGINT ends
# the server cleanly while a client is connected. Then again on two workers.
# shellcheck source=test/tap.sh
. "$(dirname "$0")/../test/tap.sh"

tap_tempdir
mkfifo "$tap_dir/said" "$tap_dir/quiet"

# start ARGUMENT...: sets server, line and port. The limits are there so that a
# program that hangs is reported. In the foreground timeout hands a signal on
# once; else twice, and the second would end the process.
start() {
  # shellcheck disable=SC2086 # A list of words.
  timeout --foreground 120 ${RUN_PROGRAM-} \
    "$top_builddir/samples/tcp_echo" "$@" \
    >"$tap_dir/said" 2>"$tap_dir/err" &
  server=$!
  exec 3<"$tap_dir/said"
  read -r line <&3
  port=${line##*:}
}

trap 'kill $server 2>/dev/null; rm -rf "$tap_dir"' EXIT
start 127.0.0.1:0

case $line in
  'listening on 127.0.0.1:'[1-9]*)
    tap_ok 'tcp_echo says where it listens'
    ;;
  *)
    echo "it said: $line" >>"$tap_dir/err"
    tap_not_ok 'tcp_echo says where it listens' "$tap_dir/err"
    tap_end
    ;;
esac

# shellcheck disable=SC2086 # A list of words.
timeout 60 ${RUN_PROGRAM-} \
  "$top_builddir/samples/tcp_client" "127.0.0.1:$port" \
  >"$tap_dir/client" 2>&1
status=$?
{
  diff -u "$top_srcdir/samples/tcp_client.out" "$tap_dir/client"
  test $status -eq 0 || echo "exit status $status"
} >"$tap_dir/bad"
tap_empty 'tcp_client prints what tcp_client.out says' "$tap_dir/bad"

# ask NAME: sends NAME.in, keeps what comes back in NAME.got.
ask() {
  timeout 60 nc -N 127.0.0.1 "$port" <"$tap_dir/$1.in" >"$tap_dir/$1.got"
}

# same TEXT NAME...
same() {
  text=$1
  shift
  for name; do
    cmp "$tap_dir/$name.in" "$tap_dir/$name.got" 2>&1
  done >"$tap_dir/bad"
  tap_empty "$text" "$tap_dir/bad"
}

ask_with_netcat() {
  printf 'hello\nworld\n' >"$tap_dir/small.in"
  ask small
  same 'two lines come back' small

  seq 1 200000 >"$tap_dir/large.in"
  ask large
  same 'more than a megabyte comes back' large

  ask_four 'four clients at once get their own bytes'
}

ask_four() {
  clients='one two three four'
  asking=
  for name in $clients; do
    seq -f "$name %g" 1 20000 >"$tap_dir/$name.in"
    ask "$name" &
    asking="$asking $!"
  done
  for pid in $asking; do
    wait "$pid"
  done
  # shellcheck disable=SC2086 # A list of words.
  same "$1" $clients
}

# A client that has been answered once and stays, so that SIGINT finds it.
stay_with_netcat() {
  mkfifo "$tap_dir/echoed"
  timeout 60 nc -N 127.0.0.1 "$port" <"$tap_dir/quiet" >"$tap_dir/echoed" &
  quiet=$!
  exec 4>"$tap_dir/quiet" 5<"$tap_dir/echoed"
  echo 'still here' >&4
  read -r line <&5
  test "$line" = 'still here' || echo "it got: $line" >"$tap_dir/line"
  tap_empty 'a client stays' "$tap_dir/line"
}

quiet=
if have nc && nc -h 2>&1 | grep -q -e '-N'; then
  ask_with_netcat
  stay_with_netcat
else
  tap_skip 'netcat gets its bytes' 'no netcat that knows -N'
fi

# stop NAME
stop() {
  kill -INT $server 2>/dev/null
  wait $server
  status=$?
  if test $status -eq 0 && test ! -s "$tap_dir/err"; then
    tap_ok "$1"
  else
    echo "exit status $status" >>"$tap_dir/err"
    tap_not_ok "$1" "$tap_dir/err"
  fi
}

stop 'SIGINT ends it cleanly'

if test -n "$quiet"; then
  exec 4>&-
  wait "$quiet"
  start --workers 2
  ask_four 'on two workers, too'
  stop 'SIGINT ends two workers cleanly'
fi
tap_end
