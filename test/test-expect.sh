#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs the programs that make a mistake on purpose and checks what they report
# about it, by fluv itself or by the sanitizer of this build.
# shellcheck source=test/tap.sh
. "$(dirname "$0")/tap.sh"

tap_tempdir
# shellcheck disable=SC3045 # where there is no such limit, nothing is lost
ulimit -c 0 2>/dev/null || :

# run PROGRAM [ARGUMENT]: sets $status; the output is in $tap_dir/out and err.
run() {
  # shellcheck disable=SC2086 # A list of words.
  ${RUN_PROGRAM-} "$top_builddir/test/$1" ${2+"$2"} \
    >"$tap_dir/out" 2>"$tap_dir/err"
  status=$?
}

# complain: what the last run did, for tap_not_ok.
complain() {
  echo "status $status"
  cat "$tap_dir/out"
  head -n 60 "$tap_dir/err"
}

# said TEXT...: did the last run say all of that on stderr?
said() {
  for text in "$@"; do
    grep -F -e "$text" "$tap_dir/err" >/dev/null || return 1
  done
}

# verdict NAME: judges the condition that was tested just before.
verdict() {
  if test $? -eq 0; then
    tap_ok "$1"
  else
    complain >"$tap_dir/bad"
    tap_not_ok "$1" "$tap_dir/bad"
  fi
}

# Stacks that a sanitizer must know.

name='use after return inside a task is reported'
ASAN_OPTIONS="$ASAN_OPTIONS:detect_stack_use_after_return=1" run expect-uar
if test $status -eq 77; then
  tap_skip "$name" 'not built with AddressSanitizer'
else
  test $status -ne 0 && said stack-use-after-return use_after_return
  verdict "$name"
fi

name='a data race between two loops is reported'
run expect-race
if test $status -eq 77; then
  tap_skip "$name" 'not built with ThreadSanitizer'
else
  test $status -ne 0 && said 'data race' write_unasked
  verdict "$name"
fi

# LeakSanitizer stops the process to inspect it, which some systems forbid.
leaks="$ASAN_OPTIONS:detect_leaks=1"

name='a block that a finished task has lost is reported'
ASAN_OPTIONS=$leaks run expect-leak lost
if test $status -eq 77; then
  tap_skip "$name" 'not built with AddressSanitizer'
elif said 'LeakSanitizer has encountered a fatal error'; then
  tap_skip "$name" 'LeakSanitizer cannot run here'
else
  test $status -ne 0 && said 'leak of 54321 byte' lose_a_block
  verdict "$name"
fi

name='a block that a waiting task holds is not reported'
ASAN_OPTIONS=$leaks run expect-leak held
if test $status -eq 77; then
  tap_skip "$name" 'not built with AddressSanitizer'
elif said 'LeakSanitizer has encountered a fatal error'; then
  tap_skip "$name" 'LeakSanitizer cannot run here'
else
  test $status -eq 0 && ! said 'ERROR: LeakSanitizer'
  verdict "$name"
fi

# Faults. A shell shows a signal as 128 and its number. A fault that is not
# fluv's goes on to a sanitizer, which ends the process in its own way.

run expect-overflow deep
place=$(sed 1q "$tap_dir/out")
test $status -gt 128
verdict 'a task that runs over its stack dies by a signal'
said '"diver"'
verdict 'stderr names the task that ran over its stack'
said "$place"
verdict 'stderr says where the task was spawned'
size=$(sed -n 's/.*"diver".* \([0-9][0-9]*\) bytes.*/\1/p' "$tap_dir/err")
test "${size:-0}" -ge 32768
verdict 'stderr says how large the stack was'

run expect-overflow jump
place=$(sed 1q "$tap_dir/out")
test $status -gt 128 && said '"diver"' "$place"
verdict 'a frame that jumps over all guards is named'

# From just over the guard to far below, other stacks' memory among it.
name='large frames are named in code that is compiled as fluv.pc says'
run expect-probed 1000
if test $status -ne 0; then
  tap_skip "$name" 'the compiler does not probe stacks'
else
  for size in 70000 110000 140000 200000 500000 5000000; do
    run expect-probed $size
    { test $status -gt 128 && said '"diver"'; } || break
  done
  test "$size" -eq 5000000 && test $status -gt 128 && said '"diver"'
  verdict "$name"
fi

run expect-overflow wild
{ test $status -gt 128 || said Sanitizer; } && ! said 'over its stack'
verdict 'a wild pointer in a task is not taken for an overflow'

# A plugin that uses the shared library is unloaded, with blocking jobs that
# tasks wait for and with some that are abandoned.

plugin=$top_builddir/test/.libs/plugin.so
for jobs in '0 0' '50 0' '0 2000' '50 2000'; do
  name="a program goes on that has unloaded a plugin with jobs of $jobs ms"
  if test ! -f "$plugin"; then
    tap_skip "$name" 'no shared libraries'
    continue
  fi
  # shellcheck disable=SC2086 # Lists of words.
  ${RUN_PROGRAM-} "$top_builddir/test/expect-unload" "$plugin" $jobs \
    >"$tap_dir/out" 2>"$tap_dir/err"
  status=$?
  test $status -eq 3 && grep 'went on' "$tap_dir/out" >/dev/null
  verdict "$name"
done

tap_end
