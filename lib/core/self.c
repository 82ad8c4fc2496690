/* SPDX-License-Identifier: MIT */
/* The running task, its name, and the state that few tasks need. */
#include "core/self.h"

#include <stdio.h>

void fluv__task_missing(const char* what, const fluv_loc_t* loc) {
  char place[FLUV__LOC_SIZE];

  fluv__die("%s %s, at %s",
            what,
            fluv__loop == NULL && fluv__forks > 0
                ? "in a process that was forked inside a task: it has no loop"
                : "outside a task",
            fluv__loc_format(loc, place, sizeof(place)));
}

fluv__task_ext_t* fluv__task_ext(fluv__task_t* task) {
  if (task->ext == NULL)
    task->ext = fluv__calloc(1, sizeof(*task->ext));
  if (task->ext != NULL)
    task->base.flags |= FLUV__NEEDS_RELEASE;
  return task->ext;
}

const char* fluv__task_name(const fluv__task_t* task) {
  if (task->ext != NULL && task->ext->name[0] != '\0')
    return task->ext->name;
  return fluv__loc_name(task->base.loc);
}

int fluv_task_set_name(const char* name) {
  fluv__task_t* task = fluv__task_require("fluv_task_set_name()", NULL);
  fluv__task_ext_t* ext;

  if (name == NULL)
    return FLUV_EINVAL;
  ext = fluv__task_ext(task);
  if (ext == NULL)
    return FLUV_ENOMEM;
  snprintf(ext->name, sizeof(ext->name), "%s", name);
  return 0;
}
