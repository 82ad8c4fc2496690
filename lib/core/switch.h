/* SPDX-License-Identifier: MIT */
/* Switching stacks, and notifying the sanitizers.
 *
 * A switch saves what the platform's ABI has a function keep: the callee-saved
 * registers and the floating-point control words. errno is the thread's and
 * is not kept.
 */
#ifndef FLUV_CORE_SWITCH_H
#define FLUV_CORE_SWITCH_H

#include "core/stack.h"

#if FLUV_ASAN
# include <sanitizer/asan_interface.h>
# include <sanitizer/common_interface_defs.h>
#endif
#if FLUV_TSAN
# include <sanitizer/tsan_interface.h>
void __tsan_func_exit(void*); /* it takes no notice of what it is given */
#endif

#if defined(FLUV_SWITCH_UCONTEXT)
/* Save what is needed to come back in *save and go on at `to`. */
void fluv__switch(void** save, void* to);

/* A stack is restarted: use the thread's current signal mask. */
void fluv__switch_renew(void* start);
#else
# include "core/switch-asm.h"

static inline void fluv__switch_renew(void* start) {
  (void) start; /* signal masks are the thread's */
}
#endif

/* What to switch to for a stack that will begin with entry(), which must not
 * return. Up to 1 KiB below `top` is used. */
void* fluv__switch_init(char* low, char* top, void (*entry)(void));

/* Leave `from` for `to`; `dying`: permanently. */
FLUV__NO_ASAN static inline void fluv__switch_stack(void** save,
                                                    fluv__ctx_t* from,
                                                    void* to_sp,
                                                    const fluv__ctx_t* to,
                                                    bool dying) {
#if FLUV_ASAN
  __sanitizer_start_switch_fiber(dying ? NULL : &from->fake,
                                 to->bottom,
                                 to->size);
#endif
#if FLUV_TSAN
  if (dying)
    __tsan_func_exit(
        NULL); /* of the stack's first function, which never returns */
  __tsan_switch_to_fiber(to->fiber, 0);
#endif
  fluv__switch(save, to_sp);
#if FLUV_ASAN
  __sanitizer_finish_switch_fiber(from->fake, NULL, NULL);
#endif
  (void) from;
  (void) to;
  (void) dying;
}

/* First thing on a new stack. */
static inline void fluv__switch_arrived(void) {
#if FLUV_ASAN
  __sanitizer_finish_switch_fiber(NULL, NULL, NULL);
#endif
}

#endif /* FLUV_CORE_SWITCH_H */
