/* SPDX-License-Identifier: MIT */
/* Nesting: futures that wait for futures. */
#include "core/nest.h"

void fluv__nest_start_slow(fluv_future_t* f, fluv_future_t* child) {
  fluv__nest_t* top = (fluv__nest_t*) f;
  fluv__nest_t* starter;

  top->starter = NULL;
  for (;;) {
    if (child != NULL) {
      fluv__assert(child->state == FLUV__COLD && child->ops->step != NULL);
      child->state = FLUV__PENDING;
      ((fluv__nest_t*) child)->starter = top;
      top = (fluv__nest_t*) child;
    }
    /* The last step() may end it, and it may be freed then. */
    starter = top->starter;
    child = top->base.ops->step(&top->base);
    if (child == NULL)
      top = starter;
    if (top == NULL)
      return;
  }
}

/* Put `f` into the list: it is done and its waiter is still to be woken, or it
 * is to be cancelled. */
void fluv__nest_queue(fluv_future_t* f, bool done) {
  fluv_loop_t* loop = f->loop;

  if (done) {
    f->flags |= FLUV__NOTIFY_PENDING;
    fluv__retain(f); /* hooks may run before its turn comes */
  }
  if (f->flags & FLUV__LISTED)
    return;
  f->flags |= FLUV__LISTED;
  f->next = NULL;
  *loop->nest_end = f;
  loop->nest_end = &f->next;
}

static void process(fluv_future_t* f) {
  f->flags &= (uint16_t) ~FLUV__LISTED;
  if (f->state != FLUV__DONE) {
    f->ops->cancel(f);
  } else if (f->flags & FLUV__NOTIFY_PENDING) {
    f->flags &= (uint16_t) ~FLUV__NOTIFY_PENDING;
    f->waiter->wake(f->waiter, f);
  } else if (f->flags & FLUV__DETACHED) {
    fluv__future_free(f, f->loc); /* its owner freed it while it was listed */
  }
}

void fluv__nest_drain(fluv_loop_t* loop) {
  fluv_future_t* f;

  if (loop->nest_draining)
    return;
  loop->nest_draining = true;
  while ((f = loop->nest_first) != NULL) {
    loop->nest_first = f->next;
    if (loop->nest_first == NULL)
      loop->nest_end = &loop->nest_first;
    process(f);
  }
  loop->nest_draining = false;
}

/* Each adds its children that nest to a list; the outermost call drains it. */
void fluv__nest_discard(fluv_future_t* f) {
  fluv__nest_t* nest = (fluv__nest_t*) f;
  fluv_loop_t* loop = f->loop;

  nest->next_to_discard = loop->to_discard;
  loop->to_discard = nest;
  if (loop->discarding)
    return;
  loop->discarding = true;
  while ((nest = loop->to_discard) != NULL) {
    loop->to_discard = nest->next_to_discard;
    nest->base.ops->discard_children(&nest->base);
  }
  loop->discarding = false;
}

/* Add a ring of newer futures to those that are kept. */
static void add_kept(fluv__nest_t* nest, fluv_future_t* ring) {
  fluv_future_t* newest = ring->next;

  if (nest->kept == NULL) {
    nest->kept = ring;
  } else {
    ring->next = nest->kept->next;
    nest->kept->next = newest;
  }
  nest->base.flags |= FLUV__NEEDS_RELEASE;
}

void fluv__nest_free_unread(fluv__nest_t* nest, fluv_future_t* f) {
  fluv__set_unread(f);
  fluv__future_free(f, nest->base.loc);
}

void fluv__nest_keep_slow(fluv__nest_t* nest, fluv_future_t* f) {
  fluv__nest_t* child = (fluv__nest_t*) f;

  fluv__assert((f->flags & FLUV__IMMORTAL) == 0);
  if (f->ops->nests) {
    if (child->kept != NULL)
      add_kept(nest, child->kept);
    child->kept = NULL;
    fluv__future_free(f, nest->base.loc);
  } else {
    fluv__assert((f->flags & FLUV__LISTED) == 0); /* it needs `next` */
    fluv__retain(f);
    f->next = f;
    add_kept(nest, f);
  }
}

enum {
  KEEP,        /* it was read */
  GIVE_VALUES, /* nobody has read what ended well */
  GIVE_ALL
};

static void end_kept(fluv__nest_t* nest, int how) {
  fluv_future_t* oldest = nest->kept;
  fluv_future_t* next;
  fluv_future_t* f;

  if (oldest == NULL)
    return;
  nest->kept = NULL;
  f = oldest->next;
  oldest->next = NULL;
  /* The newest first: the oldest message is to be the first in its channel. */
  for (; f != NULL; f = next) {
    next = f->next;
    if (how == GIVE_ALL || (how == GIVE_VALUES && f->result >= 0))
      fluv__set_unread(f);
    fluv__future_free(f, nest->base.loc);
  }
}

void fluv__nest_release(fluv_future_t* f) {
  end_kept((fluv__nest_t*) f, KEEP);
}

void fluv__nest_give_back(fluv_future_t* f) {
  end_kept((fluv__nest_t*) f, GIVE_ALL);
}

void fluv__nest_give_back_values(fluv__nest_t* nest) {
  end_kept(nest, GIVE_VALUES);
}
