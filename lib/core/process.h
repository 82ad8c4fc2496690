/* SPDX-License-Identifier: MIT */
/* What fluv changes in the whole process while a loop lives: the handlers of
 * SIGSEGV and SIGBUS, and what SIGPIPE does.
 *
 * The first loop that wants a change makes it, and the last one that goes takes
 * it back if it is still there. A loop may do without either
 * (fluv_loop_options_t.leave_sigsegv, .leave_sigpipe).
 *
 * A fault that is no stack overflow belongs to the program. Its own handler is
 * called as the kernel would have called it: with its signal mask, and once if
 * it says SA_RESETHAND. A handler without SA_ONSTACK has to run on the stack
 * that was interrupted, but ours runs on the alternate one. So ours puts the
 * program's in its place and returns: the instruction faults again, and the
 * kernel calls the program's handler. The next turn of a loop puts ours back.
 */
#ifndef FLUV_CORE_PROCESS_H
#define FLUV_CORE_PROCESS_H

#include "base/atomic.h"
#include "core/internal.h"

/* A loop is there, or has gone, that wants what its options do not exclude. */
void fluv__process_enter(const fluv_loop_options_t* options);
void fluv__process_leave(const fluv_loop_options_t* options);

/* In a child of fork(2): all loops have gone. */
void fluv__process_forked(void);

/* Another handler is in the place of ours, and ours is to be put back. */
extern fluv__atomic_bool_t fluv__process_displaced;
void fluv__process_restore(void);

#endif /* FLUV_CORE_PROCESS_H */
