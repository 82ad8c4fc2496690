/* SPDX-License-Identifier: MIT */
/* The switch, written in assembly and inlined where stacks are left.
 *
 * A function would return to another caller than it was called by, and every
 * return on the new stack would be predicted wrongly. Inlined, a switch is one
 * indirect jump, and calls and returns stay in step as long as stacks are left
 * from the same depth.
 *
 * The compiler is told that every register is lost, so it keeps what it still
 * needs in the frame. What is left to save is where the frame is and where to
 * go on. To an unwinder a suspended stack is the function that left it,
 * stopped at `pc` with `sp` and `fp`; a debugger needs no more to show it.
 * For floating-point control on x86-64 see switch-fp.h.
 */
#ifndef FLUV_CORE_SWITCH_ASM_H
#define FLUV_CORE_SWITCH_ASM_H

#include <stdint.h>

/* A suspended stack; lies in the frame of whoever left it. */
typedef struct fluv__saved {
  void* sp;
  void* pc;
  void* fp;
  uint64_t control; /* FPCR */
} fluv__saved_t;

#if defined(__x86_64__)

static inline __attribute__((always_inline)) void fluv__switch(void** save,
                                                               void* to) {
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
      : "rax",
        "rbx",
        "rcx",
        "r8",
        "r9",
        "r10",
        "r11",
        "r12",
        "r13",
        "r14",
        "r15",
        "xmm0",
        "xmm1",
        "xmm2",
        "xmm3",
        "xmm4",
        "xmm5",
        "xmm6",
        "xmm7",
        "xmm8",
        "xmm9",
        "xmm10",
        "xmm11",
        "xmm12",
        "xmm13",
        "xmm14",
        "xmm15",
        "st",
        "st(1)",
        "st(2)",
        "st(3)",
        "st(4)",
        "st(5)",
        "st(6)",
        "st(7)",
        "cc",
        "memory");
}

#elif defined(__aarch64__)

static inline __attribute__((always_inline)) void fluv__switch(void** save,
                                                               void* to_sp) {
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
      : "x3",
        "x4",
        "x5",
        "x6",
        "x7",
        "x8",
        "x9",
        "x10",
        "x11",
        "x12",
        "x13",
        "x14",
        "x15",
        "x16",
        "x17",
        "x19",
        "x20",
        "x21",
        "x22",
        "x23",
        "x24",
        "x25",
        "x26",
        "x27",
        "x28",
        "x30",
        "v0",
        "v1",
        "v2",
        "v3",
        "v4",
        "v5",
        "v6",
        "v7",
        "v8",
        "v9",
        "v10",
        "v11",
        "v12",
        "v13",
        "v14",
        "v15",
        "v16",
        "v17",
        "v18",
        "v19",
        "v20",
        "v21",
        "v22",
        "v23",
        "v24",
        "v25",
        "v26",
        "v27",
        "v28",
        "v29",
        "v30",
        "v31",
        "cc",
        "memory");
}

#else
# error                                                                        \
     "no switch in assembly for this machine: configure --with-switch=ucontext"
#endif

#endif /* FLUV_CORE_SWITCH_ASM_H */
