/* SPDX-License-Identifier: MIT */
/* A group: futures that run side by side and end one by one. Join sets and
 * scopes are groups. A member holds its result until it is taken. */
#ifndef FLUV_CORE_GROUP_H
#define FLUV_CORE_GROUP_H

#include "core/loop.h"

typedef struct fluv__group fluv__group_t;

typedef struct fluv__member {
  fluv__list_t link; /* in group->running, then ->ended */
  fluv__waiter_t waiter;
  fluv__group_t* group;
  fluv_future_t* f; /* NULL once it has ended */
  void* tag;
  int64_t result;
} fluv__member_t;

struct fluv__group {
  fluv__list_t running;
  fluv__list_t ended; /* in the order in which they did */
  size_t count;       /* members in both */
  size_t running_count;
  unsigned cancelling; /* fluv__group_cancel() is on the stack: the group must
                          not be freed */
  /* A member has ended and is in `ended`. */
  void (*on_end)(fluv__group_t* group, fluv__member_t* member);
};

void fluv__group_init(fluv__group_t* group,
                      void (*on_end)(fluv__group_t*, fluv__member_t*));

/* Take a future over and start it; dropped on failure. It may end, and
 * on_end() be called, before this returns. 0 or FLUV_ENOMEM. */
int fluv__group_add(fluv__group_t* group,
                    fluv_future_t* f,
                    void* tag,
                    const fluv_loc_t* loc);

void fluv__group_cancel(fluv__group_t* group);

/* Members that run touch no memory of the caller's any more. */
void fluv__group_discard(fluv__group_t* group);

/* Free a member that has ended. */
void fluv__group_remove(fluv__group_t* group, fluv__member_t* member);

/* Free the members, ended or not, of a group whose loop is gone. */
void fluv__group_abandon(fluv__group_t* group);

#endif /* FLUV_CORE_GROUP_H */
