/* SPDX-License-Identifier: MIT */
/* Scopes: children that never outlive the block that made them.
 *
 * The task waits in fluv_scope_end() for a future that is part of the scope,
 * so that ending cannot fail for want of memory.
 */
#include "core/scope.h"

#include "core/self.h"

static void cancel_children(fluv_scope_t* scope) {
  scope->cancelled = true;
  fluv__group_cancel(&scope->group);
}

static void on_end(fluv__group_t* group, fluv__group_member_t* member) {
  fluv_scope_t* scope = fluv__container_of(group, fluv_scope_t, group);
  int64_t result = member->result;

  /* As with one that is detached, what it did stays done. */
  fluv__group_take(group, member);
  fluv__group_member_free(member, true);
  if (result < 0 && scope->error == 0 &&
      !(result == FLUV_ECANCELED && scope->cancelled)) {
    scope->error = result;
    cancel_children(scope);
  }
  if (group->count == 0 && scope->ending && scope->ended.state == FLUV__PENDING)
    fluv__complete(&scope->ended, 0);
}

static void ended_cancel(fluv_future_t* f) {
  cancel_children(fluv__container_of(f, fluv_scope_t, ended));
}

static const fluv__ops_t ended_ops = {
  .kind = "scope end",
  .live = true,
  .cancel = ended_cancel,
};

static void scope_run(fluv__task_t* task, fluv__cleanup_t* entry) {
  (void) task;
  (void) fluv_scope_end(fluv__container_of(entry, fluv_scope_t, cleanup));
}

static void scope_abandon(fluv__cleanup_t* entry) {
  fluv_scope_t* scope = fluv__container_of(entry, fluv_scope_t, cleanup);

  fluv__group_abandon(&scope->group);
  fluv__object_free(scope, NULL);
}

static const fluv__cleanup_ops_t scope_ops = {
  .run = scope_run,
  .abandon = scope_abandon,
};

int fluv_scope_begin(fluv_scope_t** out_scope) {
  fluv__task_t* task = fluv__task_require("fluv_scope_begin()", NULL);
  fluv_scope_t* scope;

  if (out_scope == NULL)
    return FLUV_EINVAL;
  scope = fluv__calloc(1, sizeof(*scope));
  if (scope == NULL)
    return FLUV_ENOMEM;
  fluv__object_init(scope, SCOPE, NULL);
  fluv__group_init(&scope->group, on_end);
  scope->task = task;
  scope->ended.ops = &ended_ops;
  scope->ended.loop = task->base.loop;
  scope->ended.state = FLUV__PENDING;
  scope->ended.flags = FLUV__IMMORTAL;
  fluv__cleanup_push(task, &scope->cleanup, &scope_ops);
  *out_scope = scope;
  return 0;
}

int64_t fluv_scope_add_loc(fluv_scope_t* scope,
                           fluv_future_t* f,
                           const fluv_loc_t* loc) {
  int64_t result = 0;
  int err;

  if (scope == NULL || f == NULL) {
    fluv_drop_loc(f, loc);
    return FLUV_EINVAL;
  }
  fluv__check(scope, SCOPE);
  if (scope->task->base.loop != fluv__loop)
    fluv__wrong_thread(scope->task->base.loop,
                       "fluv_scope_add()",
                       scope->task->base.loc,
                       loc);
  if (f->state == FLUV__DONE && f->result < 0)
    result = f->result;
  if (scope->cancelled)
    fluv_cancel(f);
  err = fluv__group_add(&scope->group, f, NULL, loc);
  if (err == 0)
    return result;
  if (scope->error == 0)
    scope->error = err;
  cancel_children(scope);
  return err;
}

void fluv_scope_cancel(fluv_scope_t* scope) {
  fluv__require(scope, SCOPE);
  if (scope->task->base.loop != fluv__loop)
    fluv__wrong_thread(scope->task->base.loop,
                       "fluv_scope_cancel()",
                       scope->task->base.loc,
                       NULL);
  cancel_children(scope);
}

int64_t fluv_scope_end_loc(fluv_scope_t* scope, const fluv_loc_t* loc) {
  fluv__task_t* self = fluv__task_require("fluv_scope_end()", loc);
  char place[FLUV__LOC_SIZE];
  int64_t result = 0;

  if (scope != NULL)
    fluv__check(scope, SCOPE);
  if (scope == NULL ||
      fluv__cleanup_find(self->cleanups, &scope_ops) != &scope->cleanup)
    fluv__die("fluv_scope_end() at %s: not the innermost scope of task \"%s\"",
              fluv__loc_format(loc, place, sizeof(place)),
              fluv__task_name(self));
  scope->ended.loc = loc;
  if (scope->group.count > 0) {
    scope->ending = true;
    fluv_await_loc(&scope->ended, loc);
    result = self->interrupt;
  }
  fluv__cleanup_remove(self, &scope->cleanup);
  if (scope->error != 0)
    result = scope->error;
  fluv__object_free(scope, loc);
  return result;
}
