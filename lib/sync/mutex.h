/* SPDX-License-Identifier: MIT */
/* What a condition variable needs of a mutex. */
#ifndef FLUV_SYNC_MUTEX_H
#define FLUV_SYNC_MUTEX_H

#include "core/task.h"

/* A lock future for a task that is named later. A failed future if there is no
 * memory. */
fluv_future_t* fluv__mutex_lock_new(fluv_mutex_t* mutex, const fluv_loc_t* loc);

/* The task that will hold the mutex (NULL: this thread outside tasks), of a
 * future of fluv__mutex_lock_new() that is not started. */
void fluv__mutex_lock_for(fluv_future_t* lock, fluv__task_t* task);

/* Unlock the mutex for a task that does not want it any more, unless it is
 * unlocked. `loc` is where it was locked. */
void fluv__mutex_give_back(fluv_mutex_t* mutex, const fluv_loc_t* loc);

/* For retain() and release() of a future that may give the mutex back. */
void fluv__mutex_retain(fluv_mutex_t* mutex, fluv_future_t* f);
void fluv__mutex_unretain(fluv_mutex_t* mutex);

#endif /* FLUV_SYNC_MUTEX_H */
