#!/bin/sh
# SPDX-License-Identifier: MIT
# Drives the sample server: curl gets its answers, also on a connection that is
# kept alive; a request that is under way at SIGINT is answered; so are those of
# wrk; under load no request is lost at SIGTERM; an idle connection does not
# delay the end; a second SIGINT ends the process.
# shellcheck source=test/tap.sh
. "$(dirname "$0")/../test/tap.sh"

tap_tempdir
mkfifo "$tap_dir/idle" "$tap_dir/head"

# start ARGUMENT...: sets server and port; what it says goes to the file said.
start() {
  rm -f "$tap_dir/said"
  mkfifo "$tap_dir/said"
  # shellcheck disable=SC2086 # A list of words.
  timeout --foreground 120 env FLUV_WORKERS=2 ${RUN_PROGRAM-} \
    "$top_builddir/samples/server" "$@" \
    >"$tap_dir/said" 2>"$tap_dir/err" &
  server=$!
  exec 3<"$tap_dir/said"
  read -r line <&3
  port=${line##*:}
}

# stop NAME WANT [SIGNAL]: sends the signal, SIGINT by default, and expects
# status 0 and the line WANT.
stop() {
  kill "-${3-INT}" $server
  wait $server
  status=$?
  {
    cat "$tap_dir/err"
    test $status -eq 0 || echo "exit status $status"
    read -r line <&3
    test "$line" = "$2" || echo "it said: $line"
  } >"$tap_dir/bad"
  tap_empty "$1" "$tap_dir/bad"
}

# ask_slow PATH: ask for what takes a while, and return when the head of the
# answer is there. Sets curl.
ask_slow() {
  : >"$tap_dir/trace" # of the last call
  timeout 60 curl -sSv "http://127.0.0.1:$port$1" \
    >"$tap_dir/slow" 2>"$tap_dir/trace" &
  curl=$!
  tries=0
  until grep -q '^< HTTP' "$tap_dir/trace" || test $tries -gt 1000; do
    sleep 0.01
    tries=$((tries + 1))
  done
}

# fresh FILE: requests with a connection for each, until one fails. Writes the
# answers and their HTTP status codes, and at the end the status of curl.
fresh() {
  status=0
  while test $status -eq 0; do
    timeout 60 curl -s -w '%{http_code}\n' "http://127.0.0.1:$port/"
    status=$?
  done >"$1"
  echo "curl: $status" >>"$1"
}

# kept FILE: the same, with many requests on a connection.
kept() {
  status=0
  while test $status -eq 0; do
    timeout 60 curl -s --fail-early -w '%{http_code}\n' \
      "http://127.0.0.1:$port/[1-1000]"
    status=$?
  done >"$1"
  echo "curl: $status" >>"$1"
}

# under_load: clients of both kinds, SIGTERM when each has some answers, and the
# end of the server and the clients. Each client gets only answers until it is
# refused (7): a request that was sent is answered. Where the server ends a kept
# connection, curl repeats the request on a new one.
under_load() {
  clients=
  for i in 1 2 3 4 5 6 7 8; do
    fresh "$tap_dir/load.$i" &
    clients="$clients $!"
    kept "$tap_dir/load.k$i" &
    clients="$clients $!"
  done
  for file in 1 2 3 4 5 6 7 8 k1 k2 k3 k4 k5 k6 k7 k8; do
    tries=0
    until test "$(grep -c 200 "$tap_dir/load.$file")" -ge 20 ||
      test $tries -gt 3000; do
      sleep 0.01
      tries=$((tries + 1))
    done
  done
  stop 'SIGTERM under load cuts off nobody' \
    'ended; connections cut off: 0' TERM
  # shellcheck disable=SC2086 # A list of words.
  wait $clients
  for file in "$tap_dir"/load.*; do
    awk '
      NR % 2 == 1 && $0 == "hello" { next }
      NR % 2 == 0 && $0 == "200" { answers++; next }
      { rest = rest " " $0 }
      END {
        if (rest != " 000 curl: 7" || answers < 20)
          print FILENAME ": " answers " answers, then" rest
      }' "$file"
  done >"$tap_dir/bad"
  tap_empty 'every request is answered until one is refused' "$tap_dir/bad"
}

server=
trap 'test -z "$server" || kill $server 2>/dev/null; rm -rf "$tap_dir"' EXIT
start

case $line in
  'listening on 127.0.0.1:'[1-9]*)
    tap_ok 'server says where it listens'
    ;;
  *)
    echo "it said: $line" >>"$tap_dir/err"
    tap_not_ok 'server says where it listens' "$tap_dir/err"
    tap_end
    ;;
esac

if have curl; then
  url=http://127.0.0.1:$port/
  timeout 60 curl -sS "$url" "$url" "$url" >"$tap_dir/got" 2>&1
  printf 'hello\nhello\nhello\n' | diff -u - "$tap_dir/got" >"$tap_dir/bad"
  tap_empty 'three requests of curl are answered' "$tap_dir/bad"

  ask_slow /slow
  stop 'SIGINT ends it, and cuts off nobody' 'ended; connections cut off: 0'
  wait $curl
  echo hello | diff -u - "$tap_dir/slow" >"$tap_dir/bad"
  tap_empty 'a request that was under way is answered' "$tap_dir/bad"
else
  tap_skip 'curl is answered' 'no curl'
  stop 'SIGINT ends it' 'ended; connections cut off: 0'
fi

if have curl; then
  start 127.0.0.1:0 3600000
  under_load
else
  tap_skip 'every request is answered until one is refused' 'no curl'
fi

# Forty connections kept alive, as fast as it goes, on both workers.
if have wrk; then
  start
  timeout 60 wrk -t 2 -c 40 -d 1 "http://127.0.0.1:$port/" >"$tap_dir/wrk" 2>&1
  {
    grep -e 'Socket errors' -e 'Non-2xx' "$tap_dir/wrk"
    grep -q '[1-9][0-9]* requests in' "$tap_dir/wrk" || cat "$tap_dir/wrk"
  } >"$tap_dir/bad"
  tap_empty 'wrk gets nothing but answers' "$tap_dir/bad"
  stop 'and is not in the way of the end' 'ended; connections cut off: 0'
else
  tap_skip 'wrk gets nothing but answers' 'no wrk'
fi

# One that neither asks nor goes.
if have nc; then
  start
  timeout 60 nc -N 127.0.0.1 "$port" <"$tap_dir/idle" >"$tap_dir/head" &
  idle=$!
  exec 4>"$tap_dir/idle" 5<"$tap_dir/head"
  printf 'GET / HTTP/1.1\r\n\r\n' >&4
  read -r line <&5
  stop 'an idle connection does not keep it' 'ended; connections cut off: 0'
  exec 4>&-
  wait $idle
else
  tap_skip 'an idle connection does not keep it' 'no netcat'
fi

# A request that takes very long, and a server that waits for it.
if have curl; then
  start 127.0.0.1:0 3600000
  ask_slow /slow/3600000
  kill -INT $server
  while kill -INT $server 2>/dev/null; do
    sleep 0.01
  done
  wait $server
  status=$?
  test $status -eq 130 || echo "exit status $status" >"$tap_dir/bad"
  tap_empty 'a second SIGINT ends the process' "$tap_dir/bad"
  wait $curl
fi
tap_end
