/* SPDX-License-Identifier: MIT */
/* The first frame of a new stack, for the switches written in assembly. */
#include "core/switch.h"

#include <string.h>

void fluv__switch_begin(void);

#if defined(__x86_64__)

unsigned long fluv__switch_fp(void);

/* See switch-x86_64.S for the layout. */
void* fluv__switch_init(char* low, char* top, void (*entry)(void)) {
  uint64_t* sp = (uint64_t*) ((uintptr_t) top & ~(uintptr_t) 15);

  (void) low;
  /* The return address is popped: the stack is then aligned as before a
   * call. */
  *--sp = (uint64_t) (uintptr_t) fluv__switch_begin;
  *--sp = 0;                            /* rbp */
  *--sp = (uint64_t) (uintptr_t) entry; /* rbx */
  *--sp = 0;                            /* r12 */
  *--sp = 0;                            /* r13 */
  *--sp = 0;                            /* r14 */
  *--sp = 0;                            /* r15 */
  *--sp = fluv__switch_fp();
  return sp;
}

#elif defined(__aarch64__)

unsigned long fluv__switch_fp(void);

/* See switch-aarch64.S for the layout: 22 words. */
void* fluv__switch_init(char* low, char* top, void (*entry)(void)) {
  uint64_t* sp = (uint64_t*) ((uintptr_t) top & ~(uintptr_t) 15) - 22;

  (void) low;
  memset(sp, 0, 22 * sizeof(*sp));
  sp[0] = (uint64_t) (uintptr_t) entry;               /* x19 */
  sp[11] = (uint64_t) (uintptr_t) fluv__switch_begin; /* x30 */
  sp[20] = fluv__switch_fp();
  return sp;
}

#endif
