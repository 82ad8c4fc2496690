/* SPDX-License-Identifier: MIT */
/* Task-local values. */
#include "core/self.h"

typedef struct fluv__local {
  struct fluv__local* next;
  const void* key;
  void* value;
  void (*destroy)(void* value);
} local_t;

/* The link to the local with that key, or the end of the list. */
static local_t** find_local(fluv__task_ext_t* ext, const void* key) {
  local_t** link = &ext->locals;

  while (*link != NULL && (*link)->key != key)
    link = &(*link)->next;
  return link;
}

static void free_local(local_t* local) {
  if (local->destroy != NULL && local->value != NULL)
    local->destroy(local->value);
  fluv__free(local);
}

int fluv_task_set_local(const void* key,
                        void* value,
                        void (*destroy)(void* value)) {
  fluv__task_t* task = fluv__task_require("fluv_task_set_local()", NULL);
  fluv__task_ext_t* ext = fluv__task_ext(task);
  local_t** link;
  local_t* local = NULL;
  local_t* old;

  if (ext == NULL)
    return FLUV_ENOMEM;
  if (value != NULL) {
    local = fluv__malloc(sizeof(*local));
    if (local == NULL)
      return FLUV_ENOMEM;
    *local = (local_t){ NULL, key, value, destroy };
  }
  link = find_local(ext, key);
  old = *link;
  if (old != NULL)
    *link = old->next;
  if (local != NULL) {
    local->next = ext->locals;
    ext->locals = local;
  }
  /* Last, since the destructor may set a local too. */
  if (old != NULL && old->value != value)
    free_local(old);
  else
    fluv__free(old);
  return 0;
}

void* fluv_task_get_local(const void* key) {
  fluv_loop_t* loop = fluv__loop;
  local_t* local;

  if (loop == NULL || loop->current == NULL || loop->current->ext == NULL)
    return NULL;
  local = *find_local(loop->current->ext, key);
  return local != NULL ? local->value : NULL;
}

bool fluv__locals_destroy(fluv__task_t* task) {
  fluv__task_ext_t* ext = task->ext;

  if (ext == NULL || ext->locals == NULL)
    return false;
  while (ext->locals != NULL) {
    local_t* local = ext->locals;

    ext->locals = local->next;
    free_local(local);
  }
  return true;
}
