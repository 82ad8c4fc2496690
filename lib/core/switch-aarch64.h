/* SPDX-License-Identifier: MIT */
/* The switch for aarch64, AAPCS64; see switch-asm.h. */
#ifndef FLUV_CORE_SWITCH_AARCH64_H
#define FLUV_CORE_SWITCH_AARCH64_H

#include "core/switch-asm.h"

/* SVE's predicates are lost as well: the library may be compiled without SVE,
 * and yet be inlined, at link time, into a program that keeps values there.
 * Naming a v register covers the z register that it is the lower part of. Clang
 * has no name for the first-fault register and never keeps anything in it. */
#if defined(__clang__)
# define FLUV__SWITCH_FFR
#else
# define FLUV__SWITCH_FFR , "ffr"
#endif

/* One register a line would fill the screen. */
/* clang-format off */
FLUV__SWITCH_INLINE void fluv__switch(void** save, void* to_sp) {
  fluv__saved_t here;
  register fluv__saved_t* from __asm__("x0") = &here;
  register void* to __asm__("x1") = to_sp;
  register void** at __asm__("x2") = save;

  __asm__ volatile(
      "str x0, [x2]\n\t"
      "mrs x9, fpcr\n\t"
      "adr x10, 1f\n\t"
      "mov x11, sp\n\t"
      "stp x11, x10, [x0]\n\t"
      "stp x29, x9, [x0, #16]\n\t"
      "ldp x11, x10, [x1]\n\t"
      "ldp x29, x12, [x1, #16]\n\t"
      "cmp x9, x12\n\t"
      "b.eq 2f\n\t"
      "msr fpcr, x12\n"
      "2:\n\t"
      "mov sp, x11\n\t"
      "br x10\n"
      "1:\n\t"
      "hint #36\n\t" /* bti j */
      : "+r"(from), "+r"(to), "+r"(at)
      :
      : "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13",
        "x14", "x15", "x16", "x17", "x19", "x20", "x21", "x22", "x23", "x24",
        "x25", "x26", "x27", "x28", "x30", "v0", "v1", "v2", "v3", "v4", "v5",
        "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15",
        "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25",
        "v26", "v27", "v28", "v29", "v30", "v31", "p0", "p1", "p2",
        "p3", "p4", "p5", "p6", "p7", "p8", "p9", "p10", "p11", "p12", "p13",
        "p14", "p15", "cc", "memory" FLUV__SWITCH_FFR);
}
/* clang-format on */

#endif /* FLUV_CORE_SWITCH_AARCH64_H */
