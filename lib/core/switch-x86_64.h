/* SPDX-License-Identifier: MIT */
/* The switch for x86-64, System V ABI; see switch-asm.h. */
#ifndef FLUV_CORE_SWITCH_X86_64_H
#define FLUV_CORE_SWITCH_X86_64_H

#include "core/switch-asm.h"

/* Registers that only some processors have are lost as well. The library may be
 * compiled without them, and yet be inlined, at link time, into a program that
 * keeps values there. An xmm register stands for the ymm and zmm registers that
 * it is the lower part of. GCC accepts these names only in code for AVX-512: a
 * program for AVX-512 that inlines fluv by GCC's LTO has to compile fluv for
 * AVX-512, too. */
#if defined(__clang__) || defined(__AVX512F__)
# define FLUV__SWITCH_AVX512                                                   \
  , "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23",    \
      "xmm24", "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31",  \
      "k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7"
#else
# define FLUV__SWITCH_AVX512
#endif

/* One register a line would fill the screen. */
/* clang-format off */
FLUV__SWITCH_INLINE void fluv__switch(void** save, void* to) {
  fluv__saved_t here;
  fluv__saved_t* from = &here;

  __asm__ volatile(
      "movq %0, (%2)\n\t"
      "leaq 1f(%%rip), %%rax\n\t"
      "movq %%rsp, 0(%0)\n\t"
      "movq %%rax, 8(%0)\n\t"
      "movq %%rbp, 16(%0)\n\t"
      "movq 16(%1), %%rbp\n\t"
      "movq 0(%1), %%rsp\n\t"
      "jmpq *8(%1)\n"
      "1:\n\t"
      "endbr64\n\t"
      : "+D"(from), "+S"(to), "+d"(save)
      :
      : "rax", "rbx", "rcx", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
        "r15", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
        "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15",
        "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)",
        "cc", "memory" FLUV__SWITCH_AVX512);
}
/* clang-format on */

#endif /* FLUV_CORE_SWITCH_X86_64_H */
