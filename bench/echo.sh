#!/bin/sh
# SPDX-License-Identifier: MIT
# Compares TCP echo servers in one run: rounds are interleaved, because figures
# drift with the machine and only their ratios within a round hold still.
set -eu

usage() {
  cat <<'END'
usage: echo.sh [options] [NAME=COMMAND]...

Measures bench/uv_echo in both its ways (uv_guide, uv_fast), samples/tcp_echo if
it is built, and every COMMAND given. A COMMAND is a line of shell that ends up
as one server process in the foreground; it takes a free port, prints
"listening on HOST:PORT" at once, and ends at SIGTERM.

  -b DIR      build directory (default: here, else the script's parent)
  -c CONFIGS  CONNECTIONSxBYTES, several in one argument
              (default: "1x64 50x64 1000x64 50x16384")
  -k ROUNDS   rounds of each server per config (default 5)
  -d SECONDS  measured time of a round (default 1)
  -w SECONDS  warm-up of a round (default 0.3)
  -p CPU,CPU  where the server and the load run (default 0,1)
  --syscalls  count system calls per request with strace instead
  -n NUMBER   requests that --syscalls counts over (default 20000)
  -h          this text

Prints per server: requests per second (median), server CPU us per request
(median and least), and the median over the rounds of its CPU per request
divided by that of uv_fast.
END
}

die() {
  echo "echo.sh: $*" >&2
  exit 2
}

# A zombie is not alive, though kill -0 would say so.
alive() {
  case $(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null) in
    '' | Z*) return 1 ;;
  esac
}

# The job may be a tracer: only the server itself is asked to end, and its
# process id may be known a moment after the job has started.
stop_server() {
  tries=0
  target=
  [ -n "$job" ] || return 0
  while alive "$job"; do
    if [ -z "$target" ]; then
      target=$(cat "$tmp/pid" 2>/dev/null) || target=
      [ -z "$target" ] || kill "$target" 2>/dev/null || :
    fi
    if [ "$tries" -gt 250 ]; then
      # shellcheck disable=SC2086 # empty if the server never came to be
      kill -KILL $target "$job" 2>/dev/null || :
    fi
    tries=$((tries + 1))
    sleep 0.02
  done
  wait "$job" 2>/dev/null || :
  job=
}

# shellcheck disable=SC2317 # the trap calls it
cleanup() {
  trap - EXIT INT TERM HUP
  if [ -n "$load" ]; then
    kill "$load" 2>/dev/null || :
    wait "$load" 2>/dev/null || :
  fi
  stop_server
  [ -z "$tmp" ] || rm -rf "$tmp"
}

# start_server COMMAND: sets job, address and the file pid.
start_server() {
  rm -f "$tmp/pid"
  : >"$tmp/log"
  (
    eval "set -- $1"
    # shellcheck disable=SC2016 # expanded by the inner shell
    set -- sh -c 'echo "$$" >"$0" && exec "$@"' "$tmp/pid" "$@"
    if [ "$mode" = syscalls ]; then
      set -- strace -c -f -o "$tmp/calls" "$@"
    fi
    exec taskset -c "$server_cpu" "$@"
  ) >"$tmp/log" 2>&1 &
  job=$!
  tries=0
  while :; do
    address=$(sed -n \
      's/^.*listening on \([^ ]*:[1-9][0-9]*\).*$/\1/p' "$tmp/log" |
      head -n 1)
    [ -z "$address" ] || return 0
    tries=$((tries + 1))
    if [ "$tries" -gt 500 ] || ! alive "$job"; then
      echo "echo.sh: $1: does not listen" >&2
      sed 's/^/  /' "$tmp/log" >&2
      stop_server
      return 1
    fi
    sleep 0.02
  done
}

# run_load CONFIG OPTIONS...: what it prints goes into the file out.
run_load() {
  connections=${1%x*}
  size=${1#*x}
  shift
  taskset -c "$load_cpu" "$bench/loadgen" -c "$connections" -s "$size" \
    "$@" "$address" >"$tmp/out" &
  load=$!
  status=0
  wait "$load" || status=$?
  load=
  return "$status"
}

# one_round CONFIG NAME COMMAND ROUND
one_round() {
  start_server "$3" || return 1
  status=0
  run_load "$1" -d "$seconds" -w "$warmup" -p "$(cat "$tmp/pid")" || status=$?
  stop_server
  [ "$status" -eq 0 ] || return 1
  awk -v row="$1 $2 $4" '
    $1 == "requests_per_second" { rate = $2 }
    $1 == "server_cpu_us_per_request" { cpu = $2 }
    END { print row, rate, cpu }' "$tmp/out" >>"$tmp/results"
}

# report CONFIG
report() {
  awk -v config="$1" '
    function median(values, n,    i, j, v) {
      for (i = 2; i <= n; i++) {
        v = values[i]
        for (j = i - 1; j >= 1 && values[j] > v; j--)
          values[j + 1] = values[j]
        values[j + 1] = v
      }
      if (n % 2)
        return values[(n + 1) / 2]
      return (values[n / 2] + values[n / 2 + 1]) / 2
    }
    $1 != config { next }
    !($2 in count) { names[++servers] = $2 }
    {
      count[$2]++
      rate[$2, $3] = $4
      cpu[$2, $3] = $5
      if ($3 > rounds)
        rounds = $3
    }
    END {
      for (s = 1; s <= servers; s++) {
        name = names[s]
        n = m = 0
        for (r = 1; r <= rounds; r++) {
          if (!((name, r) in cpu))
            continue
          rates[++n] = rate[name, r]
          cpus[n] = cpu[name, r]
          if (("uv_fast", r) in cpu && cpu["uv_fast", r] > 0)
            ratios[++m] = cpu[name, r] / cpu["uv_fast", r]
        }
        middle = median(cpus, n)
        printf "%-10s %-16s %11.0f %9.3f %9.3f", config, name,
          median(rates, n), middle, cpus[1]
        if (m > 0)
          printf " %9.3f\n", median(ratios, m)
        else
          printf " %9s\n", "-"
      }
    }' "$tmp/results"
}

compare() {
  printf '%-10s %-16s %11s %9s %9s %9s\n' \
    config server requests/s 'cpu us' 'least us' 'x uv_fast'
  for config in $configs; do
    round=0
    : >"$tmp/results"
    while [ "$round" -lt "$rounds" ]; do
      round=$((round + 1))
      for server; do
        one_round "$config" "${server%%=*}" "${server#*=}" "$round" || {
          echo "echo.sh: ${server%%=*} failed at $config" >&2
          failed=1
        }
      done
    done
    report "$config"
  done
}

# traced_run CONFIG COMMAND REQUESTS FILE
traced_run() {
  rm -f "$tmp/calls"
  start_server "$2" || return 1
  status=0
  run_load "$1" -n "$3" || status=$?
  stop_server
  [ "$status" -eq 0 ] || return 1
  mv "$tmp/calls" "$4"
}

# count_calls CONFIG NAME COMMAND: what a run with as many requests as
# connections needs is taken off, so start and accept do not count.
count_calls() {
  base=${1%x*}
  traced_run "$1" "$3" "$base" "$tmp/base" || return 1
  traced_run "$1" "$3" "$((base + requests))" "$tmp/full" || return 1
  awk -v row="$(printf '%-10s %-16s' "$1" "$2")" -v requests="$requests" '
    $1 !~ /^[0-9.]+$/ || $4 !~ /^[0-9]+$/ || $NF == "total" { next }
    FILENAME ~ /base$/ { calls[$NF] -= $4; next }
    { calls[$NF] += $4 }
    END {
      for (name in calls) {
        all += calls[name]
        each = calls[name] / requests
        if (each >= 0.0005 || each <= -0.0005)
          names[++n] = name
      }
      for (i = 2; i <= n; i++) {
        name = names[i]
        for (j = i - 1; j >= 1 && calls[names[j]] < calls[name]; j--)
          names[j + 1] = names[j]
        names[j + 1] = name
      }
      printf "%s %9.3f ", row, all / requests
      for (i = 1; i <= n; i++)
        printf " %s %.3f", names[i], calls[names[i]] / requests
      printf "\n"
    }' "$tmp/base" "$tmp/full"
}

count_all_calls() {
  printf '%-10s %-16s %9s  %s\n' config server calls/req 'of these'
  for config in $configs; do
    for server; do
      count_calls "$config" "${server%%=*}" "${server#*=}" || {
        echo "echo.sh: ${server%%=*} failed at $config" >&2
        failed=1
      }
    done
  done
}

check_arguments() {
  for config in $configs; do
    case $config in
      *[!0-9x]* | *x*x* | x* | *x | 0* | *x0*) die "bad config: $config" ;;
      *x*) ;;
      *) die "bad config: $config" ;;
    esac
  done
  for number in "$rounds" "$requests"; do
    case $number in
      '' | *[!0-9]* | 0*) die "not a number above 0: $number" ;;
    esac
  done
  for server; do
    case $server in
      *=?*) ;;
      *) die "NAME=COMMAND expected: $server" ;;
    esac
    case ${server%%=*} in
      '' | *[!A-Za-z0-9_.-]*) die "bad name: ${server%%=*}" ;;
    esac
  done
}

check_tools() {
  for program in uv_echo loadgen; do
    [ -x "$bench/$program" ] || die "$bench/$program is not built"
  done
  for cpu in "$server_cpu" "$load_cpu"; do
    taskset -c "$cpu" true || die "cannot run on CPU $cpu, see -p"
  done
  if [ "$mode" = syscalls ]; then
    command -v strace >/dev/null || die "strace is not installed"
  fi
}

job=
load=
tmp=
trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

failed=0
build=
configs='1x64 50x64 1000x64 50x16384'
rounds=5
seconds=1
warmup=0.3
cpus=0,1
requests=20000
mode=compare

while [ $# -gt 0 ]; do
  case $1 in
    --syscalls) mode=syscalls && shift && continue ;;
    -h | --help) usage && exit 0 ;;
    --) shift && break ;;
    -[bckdwpn]) [ $# -ge 2 ] || die "$1 needs an argument" ;;
    -*) usage >&2 && exit 2 ;;
    *) break ;;
  esac
  case $1 in
    -b) build=$2 ;;
    -c) configs=$2 ;;
    -k) rounds=$2 ;;
    -d) seconds=$2 ;;
    -w) warmup=$2 ;;
    -p) cpus=$2 ;;
    -n) requests=$2 ;;
  esac
  shift 2
done

if [ -z "$build" ]; then
  build=.
  [ -x bench/uv_echo ] || build=$(dirname "$0")/..
fi
bench=$build/bench
server_cpu=${cpus%%,*}
load_cpu=${cpus#*,}

check_arguments "$@"
check_tools
# shellcheck disable=SC2016 # expanded when the server is started
{
  if [ -x "$build/samples/tcp_echo" ]; then
    set -- 'tcp_echo="$build/samples/tcp_echo" 127.0.0.1:0' "$@"
  fi
  set -- 'uv_guide="$bench/uv_echo" guide' 'uv_fast="$bench/uv_echo" fast' "$@"
}

# A server with 1,000 connections needs more than the usual 1,024 files.
# shellcheck disable=SC3045 # dash, bash and busybox have it
if [ "$(ulimit -n)" != unlimited ] && [ "$(ulimit -n)" -lt 8192 ]; then
  ulimit -S -n 8192 2>/dev/null || ulimit -S -n "$(ulimit -H -n)"
fi

tmp=$(mktemp -d "${TMPDIR:-/tmp}/echo.XXXXXX")

if [ "$mode" = syscalls ]; then
  count_all_calls "$@"
else
  compare "$@"
fi
exit "$failed"
