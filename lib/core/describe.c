/* SPDX-License-Identifier: MIT */
/* Saying what a future is, and refusing one that must not be used. */
#include <inttypes.h>
#include <stdio.h>

#include "core/loop.h"
#include "core/self.h"

/* A question about a future, or a request that does not take it over. */
void fluv__future_check_borrow(const fluv_future_t* f, const char* what) {
  char made[FLUV__LOC_SIZE];
  char used[FLUV__LOC_SIZE];

  if (f == NULL)
    fluv__die("%s: the future is NULL", what);
  if (f->flags & FLUV__IMMORTAL)
    return;
  if (f->loop != fluv__loop)
    fluv__wrong_thread(f->loop, what, f->loc, NULL);
  if (f->state == FLUV__FREED)
    fluv__die("%s: the future was used before: made at %s, used at %s",
              what,
              fluv__loc_format(f->loc, made, sizeof(made)),
              fluv__loc_format((const fluv_loc_t*) (intptr_t) f->result,
                               used,
                               sizeof(used)));
}

/* What it is: its kind, the name of a task, its number. */
static void identify(const fluv_future_t* f, char* buf, size_t size) {
  if (fluv__is_task(f))
    snprintf(buf,
             size,
             "task \"%s\" #%" PRIu64,
             fluv__task_name((const fluv__task_t*) f),
             f->id);
  else
    snprintf(buf, size, "%s #%" PRIu64, f->ops->kind, f->id);
}

int fluv_future_describe(const fluv_future_t* f, char* buf, size_t size) {
  static const char* const states[] = { "not started",
                                        "under way",
                                        "done",
                                        "freed" };
  char made[FLUV__LOC_SIZE];
  char more[FLUV__LOC_SIZE + 64] = "";
  char what[128];

  fluv__future_check_borrow(f, "fluv_future_describe");
  if (f->ops->describe != NULL)
    f->ops->describe(f, more, sizeof(more));
  identify(f, what, sizeof(what));
  return snprintf(buf,
                  size,
                  "%s%s%s, %s, made at %s",
                  what,
                  more[0] == '\0' || more[0] == ',' ? "" : " ",
                  more,
                  states[f->state],
                  fluv__loc_format(f->loc, made, sizeof(made)));
}

void fluv__future_identify(const fluv_future_t* f, char* buf, size_t size) {
  char made[FLUV__LOC_SIZE];
  char what[128];

  identify(f, what, sizeof(what));
  snprintf(buf,
           size,
           "%s made at %s",
           what,
           fluv__loc_format(f->loc, made, sizeof(made)));
}
