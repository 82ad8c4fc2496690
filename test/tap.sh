# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# What the test scripts share: the test anything protocol, and where things
# are. Read with ". tap.sh"; a script ends with tap_end.

top_srcdir=${top_srcdir:-$(cd "$(dirname "$0")/.." && pwd)}
top_builddir=${top_builddir:-$PWD}
tap_count=0
tap_failed=0

# tap_ok NAME
tap_ok() {
  tap_count=$((tap_count + 1))
  echo "ok $tap_count - $1"
}

# tap_not_ok NAME [FILE]: the file, or else standard input, says what is wrong.
# Not at the end of a pipe: the shell counts in a process of its own there.
tap_not_ok() {
  tap_count=$((tap_count + 1))
  tap_failed=$((tap_failed + 1))
  echo "not ok $tap_count - $1"
  sed 's/^/# /' "${2--}"
}

# tap_skip NAME REASON
tap_skip() {
  tap_count=$((tap_count + 1))
  echo "ok $tap_count - $1 # SKIP $2"
}

# tap_empty NAME FILE: fine if the list of complaints in FILE is empty.
tap_empty() {
  if test -s "$2"; then
    tap_not_ok "$1" "$2"
  else
    tap_ok "$1"
  fi
}

# tap_skip_all REASON: does not return.
tap_skip_all() {
  echo "1..0 # SKIP $1"
  exit 0
}

# Does not return. The plan comes last: a script that died has none.
tap_end() {
  echo "1..$tap_count"
  test "$tap_failed" -eq 0
  exit
}

# tap_tempdir: makes a directory for the script, removed when it ends.
tap_tempdir() {
  tap_dir=$(mktemp -d) || exit 1
  trap 'rm -rf "$tap_dir"' EXIT
  trap 'exit 1' HUP INT TERM
}

# have COMMAND
have() {
  command -v "$1" >/dev/null 2>&1
}

# sources DIRECTORY...: the C files below, sorted.
sources() {
  find "$@" -name '*.[ch]' -type f | LC_ALL=C sort
}
