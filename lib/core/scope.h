/* SPDX-License-Identifier: MIT */
/* Scopes: children that never outlive the block that made them. */
#ifndef FLUV_CORE_SCOPE_H
#define FLUV_CORE_SCOPE_H

#include "core/group.h"
#include "core/object.h"
#include "core/task.h"

struct fluv_scope {
  fluv__object_t object;
  fluv__group_t group;
  fluv_scope_t* outer;
  fluv__task_t* task;  /* whose it is */
  fluv_future_t ended; /* IMMORTAL: done when no child runs any more */
  int64_t error;       /* of the first child that failed */
  bool cancelled;
  bool ending; /* somebody waits, or is about to wait, for `ended` */
};

/* Take the innermost scope of a task that will not return off its list and
 * free it; its children are abandoned too. */
void fluv__scope_abandon(fluv_scope_t** scopes);

#endif /* FLUV_CORE_SCOPE_H */
