/* SPDX-License-Identifier: MIT */
/* Who reads an rwlock, and since where. Known in debug builds only: a lock
 * has a list of records there, one for each reader. In release builds the type
 * is empty and the functions do nothing.
 */
#ifndef FLUV_SYNC_RWLOCK_DEBUG_H
#define FLUV_SYNC_RWLOCK_DEBUG_H

#include "core/task.h"

/* Under the guard of the lock, as all functions below. */
typedef struct fluv__read_records {
#if FLUV_DEBUG
  fluv__list_t list;
#endif
} fluv__read_records_t;

#if FLUV_DEBUG

void fluv__read_records_init(fluv__read_records_t* records);

/* A task, or this thread if `task` is NULL, reads. Without memory there is no
 * record. */
void fluv__read_records_add(fluv__read_records_t* records,
                            const fluv__task_t* task,
                            const fluv_loc_t* loc);

/* The task that runs here, or this thread, unlocks. One task may unlock what
 * another has locked: then the oldest record is removed. */
void fluv__read_records_remove(fluv__read_records_t* records);

/* Where a task, or this thread if `task` is NULL, began to read. NULL: it does
 * not read. */
const fluv_loc_t* fluv__read_records_find(fluv__read_records_t* records,
                                          const fluv__task_t* task);

#else

static inline void fluv__read_records_init(fluv__read_records_t* records) {
  (void) records;
}

static inline void fluv__read_records_add(fluv__read_records_t* records,
                                          const fluv__task_t* task,
                                          const fluv_loc_t* loc) {
  (void) records;
  (void) task;
  (void) loc;
}

static inline void fluv__read_records_remove(fluv__read_records_t* records) {
  (void) records;
}

static inline const fluv_loc_t* fluv__read_records_find(
    fluv__read_records_t* records,
    const fluv__task_t* task) {
  (void) records;
  (void) task;
  return NULL;
}

#endif

#endif /* FLUV_SYNC_RWLOCK_DEBUG_H */
