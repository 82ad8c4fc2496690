/* SPDX-License-Identifier: MIT */
/* A group: futures that run side by side and end one by one. Join sets and
 * scopes are groups. A member holds its result until it is taken. */
#ifndef FLUV_CORE_GROUP_H
#define FLUV_CORE_GROUP_H

#include "core/nest.h"

typedef struct fluv__group fluv__group_t;

typedef struct fluv__group_member {
  fluv__list_t link; /* in group->running, then ->ended */
  fluv__waiter_t waiter;
  fluv__group_t* group;
  fluv_future_t* f; /* ended: NULL, or what its result stands for is with it */
  void* tag;
  int64_t result;
} fluv__group_member_t;

struct fluv__group {
  fluv__list_t running;
  fluv__list_t ended; /* in the order in which they did */
  size_t count;       /* members in both */
  size_t running_count;
  unsigned cancelling; /* fluv__group_cancel() is on the stack: the group must
                          not be freed */
  /* A member has ended and is in `ended`. */
  void (*on_end)(fluv__group_t* group, fluv__group_member_t* member);
};

void fluv__group_init(fluv__group_t* group,
                      void (*on_end)(fluv__group_t*, fluv__group_member_t*));

/* Take a future over and start it; dropped on failure. It may end, and
 * on_end() be called, before this returns. 0 or FLUV_ENOMEM. */
int fluv__group_add(fluv__group_t* group,
                    fluv_future_t* f,
                    void* tag,
                    const fluv_loc_t* loc);

void fluv__group_cancel(fluv__group_t* group);

/* Members that run touch no memory of the caller's any more. */
void fluv__group_discard(fluv__group_t* group);

/* Take a member that has ended out of the group. */
void fluv__group_take(fluv__group_t* group, fluv__group_member_t* member);

/* Free one that was taken out. Has anybody read its result? */
void fluv__group_member_free(fluv__group_member_t* member, bool read);

/* Free the members, ended or not, of a group whose loop is gone. */
void fluv__group_abandon(fluv__group_t* group);

#endif /* FLUV_CORE_GROUP_H */
