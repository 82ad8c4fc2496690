/* SPDX-License-Identifier: MIT */
/* The watchdog of a loop: see lib/core/watchdog.c. */
#ifndef FLUV_CORE_WATCHDOG_H
#define FLUV_CORE_WATCHDOG_H

#include "core/loop.h"

/* Start and stop watching the loop of this thread. `limit_ms` 0: the limit
 * comes from the environment, if it is set there. */
void fluv__watchdog_begin(fluv_loop_t* loop, unsigned limit_ms);
void fluv__watchdog_end(fluv_loop_t* loop);

/* How long the loop's thread may take to answer. Tests change it. */
extern fluv__atomic_uint_t fluv__watchdog_answer_ms;

#endif /* FLUV_CORE_WATCHDOG_H */
