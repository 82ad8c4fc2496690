#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs a sample as a test: run-sample.sh NAME.out starts NAME in the build tree
# and compares what it prints with the file. The samples end by themselves; the
# limit is there so that one that hangs is reported.
# shellcheck source=test/tap.sh
. "$(dirname "$0")/../test/tap.sh"

expected=$1
name=$(basename "$expected" .out)
tap_tempdir

# shellcheck disable=SC2086 # A list of words.
timeout 60 ${RUN_PROGRAM-} "${samples_builddir:-$top_builddir/samples}/$name" \
  </dev/null >"$tap_dir/out" 2>"$tap_dir/err"
status=$?

if diff -u "$expected" "$tap_dir/out" >"$tap_dir/diff"; then
  tap_ok "$name prints what $name.out says"
else
  tap_not_ok "$name prints what $name.out says" "$tap_dir/diff"
fi
if test $status -eq 0; then
  tap_ok "$name ends well"
else
  echo "exit status $status" >>"$tap_dir/err"
  tap_not_ok "$name ends well" "$tap_dir/err"
fi
tap_end
