/* SPDX-License-Identifier: MIT */
/* The only file that includes <stdatomic.h>. Orders are named in full at
 * each use; a weaker order than seq_cst says which access it pairs with.
 */
#ifndef FLUV_BASE_ATOMIC_H
#define FLUV_BASE_ATOMIC_H

#include <stdatomic.h>

typedef atomic_uint fluv__atomic_uint_t;
typedef atomic_bool fluv__atomic_bool_t;
typedef atomic_size_t fluv__atomic_size_t;

/* In a loop that waits for another thread: let the core's other half work, and
 * save power. */
static inline void fluv__relax(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("yield");
#endif
}

#endif /* FLUV_BASE_ATOMIC_H */
