#!/bin/sh
# SPDX-License-Identifier: MIT
# Is there a full fence wherever a thread stores a flag and then loads that of
# another thread? x86-64 and AArch64 order this even where C11 does not promise
# it, so this checks the code that clang generates for RISC-V. Nothing is run.
# shellcheck source=test/tap.sh
. "$(dirname "$0")/tap.sh"

have clang || tap_skip_all 'no clang'
tap_tempdir

# The system's headers are those of this machine; where they are used only for
# the sizes in them, that does not matter.
mkdir "$tap_dir/gnu"
: >"$tap_dir/gnu/stubs-32.h"
machine=$(${CC:-cc} -print-multiarch 2>/dev/null)
flags=$(pkg-config --cflags libuv 2>/dev/null)

# to_asm FILE OUT
to_asm() {
  # shellcheck disable=SC2086 # A list of words.
  clang --target=riscv64-linux-gnu -std=gnu11 -O2 -fno-inline -w -S \
    -DHAVE_CONFIG_H '-D__regparm__(n)=__unused__' $flags \
    -I"$tap_dir" -I"$top_builddir" -I"$top_srcdir/include" -I"$top_srcdir/lib" \
    -isystem "/usr/include/$machine" -isystem /usr/include \
    "$1" -o "$2"
}

cat >"$tap_dir/pair.c" <<'EOF'
#include <pthread.h>
#include <uv.h>
#include <stdatomic.h>
atomic_int a, b;
int full(void) { atomic_store(&a, 1); return atomic_load(&b); }
int weak(void) {
  atomic_store(&a, 1);
  return atomic_load_explicit(&b, memory_order_acquire);
}
EOF

# has_fence FUNCTION ASM
has_fence() {
  sed -n "/^$1:/,/^\.Lfunc_end/p" "$2" | grep -q 'fence[[:space:]]*rw, rw'
}

to_asm "$tap_dir/pair.c" "$tap_dir/asm" 2>/dev/null ||
  tap_skip_all 'clang cannot compile for riscv64 here'
if has_fence full "$tap_dir/asm" && ! has_fence weak "$tap_dir/asm"; then
  tap_ok 'the difference shows'
else
  tap_not_ok 'the difference shows' "$tap_dir/asm"
fi

# fences FILE FUNCTION...
fences() {
  file=$1
  shift
  if ! to_asm "$top_srcdir/lib/$file" "$tap_dir/asm" 2>"$tap_dir/err"; then
    tap_not_ok "$file compiles" "$tap_dir/err"
    return
  fi
  for function; do
    if has_fence "$function" "$tap_dir/asm"; then
      tap_ok "$file: $function"
    else
      echo 'no full fence in it, or no such function' >"$tap_dir/bad"
      tap_not_ok "$file: $function" "$tap_dir/bad"
    fi
  done
}

# `tx_waits` and `taken`.
fences sync/send.c recheck_locked
fences sync/recv.c recv_start
# `head` and `asleep`.
fences core/inbox.c fluv__inbox_push fluv__inbox_sleep
tap_end
