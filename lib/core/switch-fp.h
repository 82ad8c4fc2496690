/* SPDX-License-Identifier: MIT */
/* Floating-point control across a switch.
 *
 * The ABIs have a function keep the control words (rounding, traps, flushing
 * of denormals), so an await must. Hardly any code changes them, and on x86-64
 * reading MXCSR costs more than the rest of the switch (7.5 to 11 ns measured
 * on a Zen 5, where the x87 control word takes 1). All of <fenv.h> changes
 * both alike. So only the x87 word is checked: where it differs from what
 * the loop began with, both are kept for the task and the loop's are put
 * back. Code that writes MXCSR alone, by intrinsics, says so when its task is
 * spawned (fluv_task_options_t.float_control).
 */
#ifndef FLUV_CORE_SWITCH_FP_H
#define FLUV_CORE_SWITCH_FP_H

#include <stdbool.h>
#include <stdint.h>

typedef struct fluv__fp {
#if defined(__aarch64__)
  uint64_t fpcr;
#else
  uint32_t mxcsr;
  uint16_t x87;
#endif
} fluv__fp_t;

#if defined(__x86_64__)

static inline void fluv__fp_read(fluv__fp_t* fp) {
  __asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(fp->mxcsr), "=m"(fp->x87));
}

static inline void fluv__fp_load(const fluv__fp_t* fp) {
  __asm__ volatile("ldmxcsr %0\n\tfldcw %1" : : "m"(fp->mxcsr), "m"(fp->x87));
}

/* A stack is left. If its control words are its own, or may be, keep them in
 * *own and put back the loop's. Whether they must be loaded on return. */
static inline bool fluv__fp_leave(const fluv__fp_t* loops,
                                  bool check_all,
                                  fluv__fp_t* own) {
  uint16_t x87;

  __asm__ volatile("fnstcw %0" : "=m"(x87));
  if (__builtin_expect(x87 == loops->x87 && !check_all, 1))
    return false;
  fluv__fp_read(own);
  fluv__fp_load(loops);
  return true;
}

#else

/* On other machines the switch itself keeps them. */
static inline void fluv__fp_read(fluv__fp_t* fp) {
# if defined(__aarch64__)
  __asm__ volatile("mrs %0, fpcr" : "=r"(fp->fpcr));
# else
  *fp = (fluv__fp_t){ 0, 0 };
# endif
}

static inline void fluv__fp_load(const fluv__fp_t* fp) {
# if defined(__aarch64__)
  __asm__ volatile("msr fpcr, %0" : : "r"(fp->fpcr));
# else
  (void) fp;
# endif
}

static inline bool fluv__fp_leave(const fluv__fp_t* loops,
                                  bool check_all,
                                  fluv__fp_t* own) {
  (void) loops;
  (void) check_all;
  (void) own;
  return false;
}

#endif

#endif /* FLUV_CORE_SWITCH_FP_H */
