#!/bin/sh
# SPDX-License-Identifier: MIT
# A debugger must see through a task's stack: from the innermost function to
# the one that the task was spawned with, and no further.
# shellcheck source=test/tap.sh
. "$(dirname "$0")/tap.sh"

have gdb || tap_skip_all 'no gdb'
test -z "${FLUV_EMULATOR-}" || tap_skip_all 'gdb sees only the emulator'
tap_tempdir

# A program may be a script of libtool's around the real one.
execute=
if test -x "$top_builddir/libtool"; then
  execute="$top_builddir/libtool --quiet --mode=execute"
fi

# The third stop is after the first await: the stack was left and entered.
$execute gdb -nx -batch \
  -ex 'set confirm off' -ex 'set debuginfod enabled off' \
  -ex 'set width 0' -ex 'break deepest' -ex 'run' \
  -ex 'echo ==first\n' -ex 'backtrace 60' \
  -ex 'continue' -ex 'continue' \
  -ex 'echo ==second\n' -ex 'backtrace 60' \
  -ex 'echo ==end\n' -ex 'kill' \
  "$top_builddir/test/expect-backtrace" </dev/null >"$tap_dir/gdb" 2>&1

if ! grep '^Breakpoint 1, ' "$tap_dir/gdb" >/dev/null; then
  sed 's/^/# /' "$tap_dir/gdb"
  tap_skip_all 'gdb cannot run programs here'
fi

# Below the task's function one or two of fluv's own may stand, but no main()
# and no noise. With swapcontext() the C library's beginning comes last.
most=2
noise='Backtrace stopped|Cannot access|More stack frames|__libc_| in main \('
if grep '^#define FLUV_SWITCH_UCONTEXT 1' "$top_builddir/config.h" \
  >/dev/null 2>&1; then
  most=4
else
  noise="$noise| in \\?\\?"
fi

# frames WHICH: the function names of a backtrace, innermost first.
frames() {
  sed -n -e "/^==$1\$/,/^==/{" \
    -e 's/^#[0-9]* *\(0x[0-9a-f]* in \)*\([^ ]*\) .*/\2/p' -e '}' \
    "$tap_dir/gdb"
}

for which in first second; do
  frames $which >"$tap_dir/frames"
  sed -n "/^==$which\$/,/^==/p" "$tap_dir/gdb" >"$tap_dir/text"

  name="the $which backtrace reaches the task's function"
  if tr '\n' ' ' <"$tap_dir/frames" |
    grep '^deepest middle .*task_entry ' >/dev/null; then
    tap_ok "$name"
  else
    tap_not_ok "$name" <"$tap_dir/text"
  fi

  name="the $which backtrace stops there"
  below=$(sed '1,/^task_entry$/d' "$tap_dir/frames" | wc -l)
  if test "$below" -le $most &&
    ! grep -E "$noise" "$tap_dir/text" >/dev/null; then
    tap_ok "$name"
  else
    tap_not_ok "$name" <"$tap_dir/text"
  fi
done

tap_end
