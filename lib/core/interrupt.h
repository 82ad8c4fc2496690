/* SPDX-License-Identifier: MIT */
/* Interrupts: why the awaits of a task are refused.
 *
 * A cancel scope is a deadline or a shield. Cancel scopes nest; a cancellation
 * of the task is outside all of them. From the innermost outwards, a deadline
 * that has passed interrupts, and a shield whose time is not over hides
 * everything further out. The interrupt is computed whenever one of these
 * changes, so that an await reads one field.
 */
#ifndef FLUV_CORE_INTERRUPT_H
#define FLUV_CORE_INTERRUPT_H

#include "core/cleanup.h"

/* Compute the interrupt of a task. If it is set now, cancel what the task
 * awaits. */
void fluv__interrupt_update(fluv__task_t* task);

/* Notice deadlines and shields whose time has passed while the task kept the
 * thread to itself, so that no timer could fire. */
void fluv__interrupt_check_deadlines(fluv__task_t* task);

/* Begin a cancel scope in the running task. `what` names the caller in
 * messages. 0 or FLUV_ENOMEM. */
int fluv__cancel_scope_begin(const char* what,
                             bool is_shield,
                             uint64_t limit_ms);

/* End the innermost cancel scope of the running task and return whether its
 * time was over. Aborts if it is not of that kind. */
bool fluv__cancel_scope_end(const char* what, bool is_shield);

#endif /* FLUV_CORE_INTERRUPT_H */
