/* SPDX-License-Identifier: MIT */
/* Waits that block a thread: events, and condition variables with a limit.
 *
 * All limits are points in time of the monotonic clock, in ns, which
 * uv_hrtime() reads too: setting the system's clock does not move them. Nothing
 * else in the library may block a thread for a time; "make lint" sees to that.
 */
#ifndef FLUV_BASE_EVENT_H
#define FLUV_BASE_EVENT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/atomic.h"

/* No limit. */
#define FLUV__NO_LIMIT UINT64_MAX

/* The point in time that is so many ms from now; FLUV__NO_LIMIT if that is too
 * far away to be told from never. */
uint64_t fluv__limit_after(uint64_t timeout_ms);

/* Something that happens once: one thread waits, another sets it. */
typedef struct fluv__event {
  fluv__atomic_uint_t state;
#ifndef __linux__
  pthread_mutex_t lock;
  pthread_cond_t changed;
#endif
} fluv__event_t;

void fluv__event_init(fluv__event_t* event);
void fluv__event_destroy(fluv__event_t* event);

/* Any thread, and on Linux a signal handler too. Once the event is set, whoever
 * waits may free its memory. */
void fluv__event_set(fluv__event_t* event);

/* Block until it is set. False: the time was over first. */
bool fluv__event_wait(fluv__event_t* event, uint64_t limit_ns);

/* Make a condition variable for the following. */
void fluv__cond_init(pthread_cond_t* cond);

/* As pthread_cond_wait(). False: the time is over. */
bool fluv__cond_wait(pthread_cond_t* cond,
                     pthread_mutex_t* lock,
                     uint64_t limit_ns);

#endif /* FLUV_BASE_EVENT_H */
