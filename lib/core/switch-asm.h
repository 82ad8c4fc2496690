/* SPDX-License-Identifier: MIT */
/* The switch, written in assembly and inlined where stacks are left.
 *
 * A function would return to another caller than it was called by, and every
 * return on the new stack would be predicted wrongly. Inlined, a switch is one
 * indirect jump, and calls and returns stay in step as long as stacks are left
 * from the same depth.
 *
 * The clobber list names every register, so it keeps what it still
 * needs in the frame. What is left to save is where the frame is and where to
 * go on. To an unwinder a suspended stack is the function that left it,
 * stopped at `pc` with `sp` and `fp`; a debugger needs no more to show it.
 * For floating-point control on x86-64 see switch-fp.h.
 */
#ifndef FLUV_CORE_SWITCH_ASM_H
#define FLUV_CORE_SWITCH_ASM_H

#include <stdint.h>

#include "core/internal.h"

/* A suspended stack; lies in the frame of the function that left it. */
typedef struct fluv__saved {
  void* sp;
  void* pc;
  void* fp;
  uint64_t control; /* FPCR */
} fluv__saved_t;

/* Inlined, and without ASan's own stack frames: what is saved must lie on the
 * stack that is left. */
#define FLUV__SWITCH_INLINE                                                    \
 __attribute__((always_inline)) FLUV__NO_ASAN static inline

#if defined(__x86_64__)
# include "core/switch-x86_64.h"
#elif defined(__aarch64__)
# include "core/switch-aarch64.h"
#else
# error                                                                        \
     "no switch in assembly for this machine: configure --with-switch=ucontext"
#endif

#endif /* FLUV_CORE_SWITCH_ASM_H */
