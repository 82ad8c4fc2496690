#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs a test by Automake's TAP driver, whose arguments it takes, and says in
# one line how it went, instead of one line for each of its cases. Of a test
# that failed it shows what its log has beside what went well.
set -u

directory=$(dirname "$0")
name=
log=
trs=
last=
for argument; do
  case $last in
    --test-name) name=$argument ;;
    --log-file) log=$argument ;;
    --trs-file) trs=$argument ;;
  esac
  last=$argument
done

sh "$directory/tap-driver.sh" "$@" >/dev/null
status=$?
test -f "$trs" || exit $status

said=$(${AM_TAP_AWK-awk} -v name="$name" '
  /^:test-result: / { count[$2]++ }
  END {
    bad = count["FAIL"] + count["XPASS"] + count["ERROR"]
    good = count["PASS"] + count["XFAIL"]
    word = bad ? "FAIL" : good ? "ok" : "skip"
    text = good + 0 " passed"
    if (count["SKIP"])
      text = text ", " count["SKIP"] " skipped"
    if (bad)
      text = text ", " bad " failed"
    printf "%-5s %-28s %s", word, name, text
  }' "$trs")

left_out=$(grep -a -c '^# left out: ' "$log")
test "$left_out" -eq 0 || said="$said, $left_out of them left out"

# A reason for what was skipped is short, and a failure needs its log.
case $said in
  FAIL*)
    said="$said
--- $log
$(grep -a -v -E '^(ok [0-9]|PASS: )' "$log" | tail -n 100)
---"
    ;;
  skip*)
    said="${said%0 passed*}$(sed -n 's/.*# SKIP //p' "$log" | head -n 1)"
    ;;
esac
# In one piece, for other tests end at the same time.
printf '%s\n' "$said"
exit $status
