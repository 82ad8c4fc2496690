/* SPDX-License-Identifier: MIT */
/* A group: futures that run side by side and end one by one. */
#include "core/group.h"

void fluv__group_init(fluv__group_t* group,
                      void (*on_end)(fluv__group_t*, fluv__group_member_t*)) {
  fluv__list_init(&group->running);
  fluv__list_init(&group->ended);
  group->count = 0;
  group->running_count = 0;
  group->cancelling = 0;
  group->on_end = on_end;
}

static void member_end(fluv__group_member_t* member) {
  fluv__group_t* group = member->group;

  member->result = member->f->result;
  if (member->f->ops->give_back == NULL) {
    fluv__future_free(member->f, member->f->loc);
    member->f = NULL;
  } else {
    fluv__retain(member->f);
  }
  group->running_count--;
  fluv__list_remove(&member->link);
  fluv__list_append(&group->ended, &member->link);
  group->on_end(group, member);
}

static void member_wake(fluv__waiter_t* waiter, fluv_future_t* f) {
  fluv_loop_t* loop = f->loop;

  if (!fluv__nest_enter(f))
    return;
  member_end(fluv__container_of(waiter, fluv__group_member_t, waiter));
  fluv__nest_leave(loop);
}

int fluv__group_add(fluv__group_t* group,
                    fluv_future_t* f,
                    void* tag,
                    const fluv_loc_t* loc) {
  fluv__group_member_t* member;

  fluv__take(f, fluv__loop, loc);
  member = fluv__malloc(sizeof(*member));
  if (member == NULL) {
    fluv__drop(f, loc);
    return FLUV_ENOMEM;
  }
  member->waiter.wake = member_wake;
  member->group = group;
  member->f = f;
  member->tag = tag;
  fluv__list_append(&group->running, &member->link);
  group->count++;
  group->running_count++;
  if (!fluv__start_and_wait(f, &member->waiter))
    member_end(member);
  return 0;
}

void fluv__group_cancel(fluv__group_t* group) {
  size_t left = group->running_count;

  /* Each goes to the end before it is cancelled. So those that were there at
   * the beginning come first, also if a hook ends or adds some meanwhile. */
  group->cancelling++;
  while (left-- > 0 && !fluv__list_is_empty(&group->running)) {
    fluv__list_t* link = group->running.next;

    fluv__list_remove(link);
    fluv__list_append(&group->running, link);
    fluv__cancel(fluv__container_of(link, fluv__group_member_t, link)->f);
  }
  group->cancelling--;
}

void fluv__group_discard(fluv__group_t* group) {
  fluv__list_t* link;

  fluv__list_foreach (link, &group->running)
    fluv__discard(fluv__container_of(link, fluv__group_member_t, link)->f);
}

void fluv__group_take(fluv__group_t* group, fluv__group_member_t* member) {
  fluv__list_remove(&member->link);
  group->count--;
}

void fluv__group_member_free(fluv__group_member_t* member, bool read) {
  fluv_future_t* f = member->f;

  fluv__free(member);
  if (f == NULL)
    return;
  if (!read)
    fluv__set_unread(f);
  fluv__future_free(f, f->loc);
}

/* Futures are freed with their loop. */
static void abandon(fluv__group_t* group, fluv__list_t* list) {
  while (!fluv__list_is_empty(list)) {
    fluv__group_member_t* member =
        fluv__container_of(list->next, fluv__group_member_t, link);

    fluv__group_take(group, member);
    fluv__free(member);
  }
}

void fluv__group_abandon(fluv__group_t* group) {
  abandon(group, &group->running);
  abandon(group, &group->ended);
}
