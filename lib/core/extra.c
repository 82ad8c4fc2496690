/* SPDX-License-Identifier: MIT */
/* What few tasks have: a name of their own, locals, deferred calls. */
#include <stdio.h>

#include "core/scope.h"
#include "core/task.h"

typedef struct fluv__local {
  struct fluv__local* next;
  const void* key;
  void* value;
  void (*destroy)(void* value);
} local_t;

typedef struct fluv__deferred {
  struct fluv__deferred* next;
  void (*fn)(void* arg);
  void* arg;
} deferred_t;

fluv__extra_t* fluv__task_extra(fluv__task_t* task) {
  if (task->extra == NULL)
    task->extra = fluv__calloc(1, sizeof(*task->extra));
  if (task->extra != NULL)
    task->base.flags |= FLUV__NEEDS_RELEASE;
  return task->extra;
}

int fluv_task_set_name(const char* name) {
  fluv__task_t* task = fluv__task_require("fluv_task_set_name()", NULL);
  fluv__extra_t* extra;

  if (name == NULL)
    return FLUV_EINVAL;
  extra = fluv__task_extra(task);
  if (extra == NULL)
    return FLUV_ENOMEM;
  snprintf(extra->name, sizeof(extra->name), "%s", name);
  return 0;
}

int fluv_defer(void (*fn)(void* arg), void* arg) {
  fluv__task_t* task = fluv__task_require("fluv_defer()", NULL);
  fluv__extra_t* extra;
  deferred_t* deferred;

  if (fn == NULL)
    return FLUV_EINVAL;
  extra = fluv__task_extra(task);
  deferred = extra != NULL ? fluv__malloc(sizeof(*deferred)) : NULL;
  if (deferred == NULL)
    return FLUV_ENOMEM;
  deferred->fn = fn;
  deferred->arg = arg;
  deferred->next = extra->deferred;
  extra->deferred = deferred;
  return 0;
}

/* The link that leads to the local of that key, or to the end of the list. */
static local_t** find_local(fluv__extra_t* extra, const void* key) {
  local_t** link = &extra->locals;

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
  fluv__extra_t* extra = fluv__task_extra(task);
  local_t** link;
  local_t* local = NULL;
  local_t* old;

  if (extra == NULL)
    return FLUV_ENOMEM;
  if (value != NULL) {
    local = fluv__malloc(sizeof(*local));
    if (local == NULL)
      return FLUV_ENOMEM;
    *local = (local_t){ NULL, key, value, destroy };
  }
  link = find_local(extra, key);
  old = *link;
  if (old != NULL)
    *link = old->next;
  if (local != NULL) {
    local->next = extra->locals;
    extra->locals = local;
  }
  /* Last, since the destructor may come back here. */
  if (old != NULL && old->value != value)
    free_local(old);
  else
    fluv__free(old);
  return 0;
}

void* fluv_task_get_local(const void* key) {
  fluv_loop_t* loop = fluv__loop;
  local_t* local;

  if (loop == NULL || loop->current == NULL || loop->current->extra == NULL)
    return NULL;
  local = *find_local(loop->current->extra, key);
  return local != NULL ? local->value : NULL;
}

static void free_locals(fluv__extra_t* extra) {
  while (extra->locals != NULL) {
    local_t* local = extra->locals;

    extra->locals = local->next;
    free_local(local);
  }
}

void fluv__task_clean_up(fluv__task_t* task) {
  fluv__extra_t* extra;

  /* What runs here may still add to any of these. */
  while (task->frames != NULL ||
         ((extra = task->extra) != NULL &&
          (extra->scopes != NULL || extra->deferred != NULL ||
           extra->locals != NULL))) {
    fluv__frames_end(task);
    extra = task->extra;
    if (extra == NULL)
      continue;
    while (extra->scopes != NULL)
      fluv_scope_end(extra->scopes);
    if (extra->deferred != NULL) {
      deferred_t* deferred = extra->deferred;

      extra->deferred = deferred->next;
      deferred->fn(deferred->arg);
      fluv__free(deferred);
    } else {
      free_locals(extra);
    }
  }
}

void fluv__extra_free(fluv__extra_t* extra) {
  while (extra->deferred != NULL) {
    deferred_t* deferred = extra->deferred;

    extra->deferred = deferred->next;
    fluv__free(deferred);
  }
  free_locals(extra);
  while (extra->scopes != NULL)
    fluv__scope_abandon(&extra->scopes);
  fluv__free(extra);
}
