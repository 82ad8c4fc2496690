/* SPDX-License-Identifier: MIT */
/* Who reads an rwlock: the records of debug builds. */
#include "sync/rwlock-debug.h"

#if FLUV_DEBUG

# include <pthread.h>

# include "sync/hold.h"

/* One reader. A task is named by its loop and number, for it may be freed. */
typedef struct read_record {
  fluv__list_t link; /* in records->list */
  fluv_loop_t* loop; /* NULL: a thread, outside tasks */
  uint64_t task;
  pthread_t thread;
  const fluv_loc_t* loc;
} read_record_t;

void fluv__read_records_init(fluv__read_records_t* records) {
  fluv__list_init(&records->list);
}

void fluv__read_records_add(fluv__read_records_t* records,
                            const fluv__task_t* task,
                            const fluv_loc_t* loc) {
  read_record_t* record = fluv__calloc(1, sizeof(*record));

  if (record == NULL)
    return;
  record->loop = task != NULL ? task->base.loop : NULL;
  record->task = task != NULL ? task->base.id : 0;
  record->thread = pthread_self();
  record->loc = loc;
  fluv__list_append(&records->list, &record->link);
}

static read_record_t* find(fluv__read_records_t* records,
                           const fluv__task_t* task) {
  fluv__list_t* it;

  fluv__list_foreach (it, &records->list) {
    read_record_t* record = fluv__container_of(it, read_record_t, link);

    if (task != NULL
            ? record->loop == task->base.loop && record->task == task->base.id
            : record->loop == NULL &&
                  pthread_equal(record->thread, pthread_self()))
      return record;
  }
  return NULL;
}

void fluv__read_records_remove(fluv__read_records_t* records) {
  read_record_t* record = find(records, fluv__hold_self());

  if (record == NULL && !fluv__list_is_empty(&records->list))
    record = fluv__container_of(records->list.next, read_record_t, link);
  if (record == NULL)
    return;
  fluv__list_remove(&record->link);
  fluv__free(record);
}

const fluv_loc_t* fluv__read_records_find(fluv__read_records_t* records,
                                          const fluv__task_t* task) {
  const read_record_t* record = find(records, task);

  return record != NULL ? record->loc : NULL;
}

#endif
