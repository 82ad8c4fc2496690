/* SPDX-License-Identifier: MIT */
/* Join set: results in completion order. */
#include "core/group.h"
#include "core/object.h"

struct fluv_joinset {
  fluv__object_t object;
  fluv__group_t group;
  fluv_loop_t* loop;
  fluv_future_t* next;  /* a fluv_joinset_next() that waits */
  fluv_future_t* close; /* made in advance, so that closing cannot fail */
  fluv__list_t given;   /* members that a fluv_joinset_next() has, which is done
                           and not read yet */
  bool closing;
};

typedef struct next_op {
  fluv_future_t base;
  fluv_joinset_t* set;
  int64_t* out_result; /* the caller's, as the next */
  void** out_tag;
  fluv__group_member_t* member; /* what it took; NULL: nothing */
} next_op_t;

typedef struct close_op {
  fluv_future_t base;
  fluv_joinset_t* set;
} close_op_t;

/* The set goes: what is given back from now on comes from no set. */
static void forget_given(fluv_joinset_t* set) {
  fluv__list_t* link;

  while (!fluv__list_is_empty(&set->given)) {
    link = set->given.next;
    fluv__list_remove(link);
    fluv__container_of(link, fluv__group_member_t, link)->group = NULL;
  }
}

static void close_discard(fluv_future_t* f) {
  fluv__group_discard(&((close_op_t*) f)->set->group);
}

/* The set was never closed and its loop is gone. */
static void close_release(fluv_future_t* f) {
  fluv_joinset_t* set = ((close_op_t*) f)->set;

  fluv__group_abandon(&set->group);
  forget_given(set);
  fluv__object_free(set, NULL);
}

static const fluv__ops_t close_ops = {
  .kind = "joinset close",
  .live = true,
  .discard = close_discard,
  .release = close_release,
};

/* Once it is closed and the last member has ended: free all. */
static void try_end_close(fluv_joinset_t* set) {
  fluv_future_t* close = set->close;
  fluv__group_member_t* member;

  if (!set->closing || set->group.running_count > 0 ||
      set->group.cancelling > 0)
    return;
  close->flags &= (uint16_t) ~FLUV__NEEDS_RELEASE;
  while (!fluv__list_is_empty(&set->group.ended)) {
    /* The last first, for what goes back to the front of a channel. */
    member =
        fluv__container_of(set->group.ended.prev, fluv__group_member_t, link);
    fluv__group_take(&set->group, member);
    fluv__group_member_free(member, false);
  }
  forget_given(set);
  fluv__object_free(set, close->loc);
  fluv__complete(close, 0);
}

/* Complete the pending next with the first result. */
static void take_first(fluv_joinset_t* set, next_op_t* op) {
  fluv__group_member_t* member =
      fluv__container_of(set->group.ended.next, fluv__group_member_t, link);

  if (op->out_result != NULL)
    *op->out_result = member->result;
  if (op->out_tag != NULL)
    *op->out_tag = member->tag;
  fluv__group_take(&set->group, member);
  fluv__list_append(&set->given, &member->link);
  op->member = member;
  op->base.flags |= FLUV__NEEDS_RELEASE;
  fluv__complete(&op->base, 1);
}

static void on_end(fluv__group_t* group, fluv__group_member_t* member) {
  fluv_joinset_t* set = fluv__container_of(group, fluv_joinset_t, group);
  fluv_future_t* next = set->next;

  (void) member;
  if (set->closing) {
    try_end_close(set);
    return;
  }
  if (next == NULL)
    return;
  set->next = NULL;
  take_first(set, (next_op_t*) next);
}

fluv_joinset_t* fluv_joinset_new_loc(const fluv_loc_t* loc) {
  fluv_joinset_t* set = fluv__calloc(1, sizeof(*set));

  if (set == NULL)
    return NULL;
  set->close = fluv__future_new(&close_ops, sizeof(close_op_t), loc);
  if (set->close == NULL) {
    fluv__free(set);
    return NULL;
  }
  set->close->state = FLUV__PENDING;
  set->close->flags = FLUV__NEEDS_RELEASE;
  ((close_op_t*) set->close)->set = set;
  fluv__object_init(set, JOINSET, loc);
  set->loop = fluv__loop;
  fluv__list_init(&set->given);
  fluv__group_init(&set->group, on_end);
  return set;
}

static void check_loop(const fluv_joinset_t* set,
                       const char* what,
                       const fluv_loc_t* loc) {
  if (fluv__unlikely(set->loop != fluv__loop))
    fluv__wrong_thread(set->loop, what, set->close->loc, loc);
}

int fluv_joinset_add_loc(fluv_joinset_t* set,
                         fluv_future_t* f,
                         void* tag,
                         const fluv_loc_t* loc) {
  if (set == NULL || f == NULL) {
    fluv_drop_loc(f, loc);
    return FLUV_EINVAL;
  }
  fluv__check(set, JOINSET);
  check_loop(set, "fluv_joinset_add()", loc);
  return fluv__group_add(&set->group, f, tag, loc);
}

static void next_start(fluv_future_t* f) {
  next_op_t* op = (next_op_t*) f;
  fluv_joinset_t* set = op->set;

  if (set->next != NULL)
    fluv__complete(f, FLUV_EBUSY);
  else if (set->group.count == 0)
    fluv__complete(f, 0);
  else if (!fluv__list_is_empty(&set->group.ended))
    take_first(set, op);
  else
    set->next = f;
}

static void next_cancel(fluv_future_t* f) {
  ((next_op_t*) f)->set->next = NULL;
  fluv__complete(f, FLUV_ECANCELED);
}

/* The result has been read. */
static void next_release(fluv_future_t* f) {
  fluv__group_member_t* member = ((next_op_t*) f)->member;

  if (member == NULL)
    return;
  if (member->group != NULL)
    fluv__list_remove(&member->link);
  fluv__group_member_free(member, true);
}

/* It has not: the member is the first again. */
static void next_give_back(fluv_future_t* f) {
  fluv_joinset_t* set = ((next_op_t*) f)->set;
  fluv__group_member_t* member = ((next_op_t*) f)->member;
  fluv_future_t* next;

  ((next_op_t*) f)->member = NULL;
  if (member == NULL)
    return;
  if (member->group == NULL) {
    fluv__group_member_free(member, false);
    return;
  }
  fluv__list_remove(&member->link);
  fluv__list_prepend(&set->group.ended, &member->link);
  set->group.count++;
  next = set->next;
  if (next == NULL || set->closing)
    return;
  set->next = NULL;
  take_first(set, (next_op_t*) next);
}

static const fluv__ops_t next_ops = {
  .kind = "joinset next",
  .start = next_start,
  .cancel = next_cancel,
  .give_back = next_give_back,
  .release = next_release,
};

fluv_future_t* fluv_joinset_next_loc(fluv_joinset_t* set,
                                     int64_t* out_result,
                                     void** out_tag,
                                     const fluv_loc_t* loc) {
  next_op_t* op;

  if (set == NULL)
    return fluv__future_fail(FLUV_EINVAL, loc);
  fluv__check(set, JOINSET);
  check_loop(set, "fluv_joinset_next()", loc);
  op = (next_op_t*) fluv__future_new(&next_ops, sizeof(next_op_t), loc);
  if (op == NULL)
    return fluv__future_enomem();
  op->set = set;
  op->out_result = out_result;
  op->out_tag = out_tag;
  op->member = NULL;
  return &op->base;
}

size_t fluv_joinset_count(const fluv_joinset_t* set) {
  fluv__require(set, JOINSET);
  check_loop(set, "fluv_joinset_count()", NULL);
  return set->group.count;
}

void fluv_joinset_cancel(fluv_joinset_t* set) {
  fluv__require(set, JOINSET);
  check_loop(set, "fluv_joinset_cancel()", NULL);
  fluv__group_cancel(&set->group);
  try_end_close(set);
}

fluv_future_t* fluv_joinset_close_loc(fluv_joinset_t* set,
                                      const fluv_loc_t* loc) {
  fluv_future_t* close;

  if (set == NULL)
    return fluv_ready_loc(0, loc);
  fluv__check(set, JOINSET);
  check_loop(set, "fluv_joinset_close()", loc);
  if (set->closing)
    fluv__object_overfreed(set, "references", __func__);
  close = set->close;
  close->loc = loc;
  if (set->next != NULL)
    fluv__cancel(set->next);
  set->closing = true;
  fluv__group_cancel(&set->group);
  try_end_close(set);
  return close;
}
