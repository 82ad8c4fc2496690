/* SPDX-License-Identifier: MIT */
/* Waits that block a thread: events, and condition variables with a limit.
 *
 * All limits are points in time of the monotonic clock, in ns, which
 * uv_hrtime() reads too: setting the system's clock does not move them. Nothing
 * else in the library may block a thread with a limit; "make lint" checks that.
 */
#ifndef FLUV_BASE_EVENT_H
#define FLUV_BASE_EVENT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/atomic.h"

/* No limit. */
#define FLUV__NO_LIMIT UINT64_MAX

/* The point in time `timeout_ms` from now; FLUV__NO_LIMIT if that is so far
 * away that it never matters. */
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

/* Any thread, and on Linux a signal handler too. Once the event is set, the
 * waiting thread may free its memory. */
void fluv__event_set(fluv__event_t* event);

/* Block until the event is set. False: the limit passed first. */
bool fluv__event_wait(fluv__event_t* event, uint64_t limit_ns);

/* Initialize a condition variable for fluv__cond_wait(). */
void fluv__cond_init(pthread_cond_t* cond);

/* As pthread_cond_wait(). False: the limit has passed. */
bool fluv__cond_wait(pthread_cond_t* cond,
                     pthread_mutex_t* lock,
                     uint64_t limit_ns);

#endif /* FLUV_BASE_EVENT_H */
