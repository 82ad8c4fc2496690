/* SPDX-License-Identifier: MIT */
/* Cancellation token: a tree under one guard.
 *
 * Invariant, whenever the guard is free: all tokens below a cancelled token are
 * cancelled. So cancelling walks down to tokens that are cancelled already, and
 * no further. It walks without recursion. When the last reference to a token is
 * gone, its children move up to its parent.
 */
#include "sync/wait.h"

/* Shared by all tokens of a tree; the last one frees it. */
typedef struct tree {
  fluv__guard_t guard;
  size_t tokens; /* under the guard */
} tree_t;

struct fluv_token {
  fluv__object_t object;
  tree_t* tree; /* constant */

  /* The place in the tree. Under the guard of the tree. */
  fluv_token_t* parent; /* NULL: the root, or made below a cancelled token */
  fluv__list_t children;
  fluv__list_t link; /* in parent->children */

  /* Under the guard of the tree. */
  fluv__list_t waiters;
  size_t refs;

  /* 0: not cancelled. Written under the guard, once; read without it, too. */
  atomic_int reason;
};

typedef struct token_op {
  fluv__sync_op_t sync;
  fluv_token_t* token;
} token_op_t;

static void cancelled_arrive(fluv__inbox_node_t* node) {
  fluv__sync_op_t* op = fluv__sync_op_arrive(node);

  fluv__complete(&op->base,
                 fluv__sync_op_was_cancelled(op) ? FLUV_ECANCELED : 0);
}

static void cancelled_start(fluv_future_t* f) {
  token_op_t* op = (token_op_t*) f;
  bool cancelled;

  fluv__guard_lock(op->sync.guard);
  cancelled = fluv_token_is_cancelled(op->token);
  if (!cancelled)
    fluv__sync_op_join(&op->sync, &op->token->waiters, cancelled_arrive);
  fluv__guard_unlock(op->sync.guard);
  if (cancelled)
    fluv__complete(f, 0);
}

static const fluv__ops_t cancelled_ops = {
  .kind = "token cancelled",
  .start = cancelled_start,
  .cancel = fluv__sync_cancel,
  .release = fluv__sync_release,
};

static fluv_token_t* token_new(tree_t* tree) {
  fluv_token_t* token = fluv__malloc(sizeof(*token));

  if (token == NULL)
    return NULL;
  fluv__object_init(token, TOKEN, NULL);
  token->tree = tree;
  token->parent = NULL;
  fluv__list_init(&token->children);
  fluv__list_init(&token->waiters);
  token->refs = 1;
  atomic_init(&token->reason, 0);
  return token;
}

int fluv_token_new(fluv_token_t** out_token) {
  fluv_token_t* token;
  tree_t* tree;

  if (out_token == NULL)
    return FLUV_EINVAL;
  tree = fluv__malloc(sizeof(*tree));
  if (tree == NULL)
    return FLUV_ENOMEM;
  token = token_new(tree);
  if (token == NULL) {
    fluv__free(tree);
    return FLUV_ENOMEM;
  }
  fluv__guard_init(&tree->guard);
  tree->tokens = 1;
  *out_token = token;
  return 0;
}

int fluv_token_child(fluv_token_t* parent, fluv_token_t** out_token) {
  fluv_token_t* token;
  int reason;

  if (parent == NULL || out_token == NULL)
    return FLUV_EINVAL;
  fluv__check(parent, TOKEN);
  token = token_new(parent->tree);
  if (token == NULL)
    return FLUV_ENOMEM;
  fluv__guard_lock(&parent->tree->guard);
  reason = fluv_token_get_reason(parent);
  parent->tree->tokens++;
  if (reason != 0) {
    /* Relaxed: no other thread has a pointer to it yet. */
    atomic_store_explicit(&token->reason, reason, memory_order_relaxed);
  } else {
    token->parent = parent;
    fluv__list_append(&parent->children, &token->link);
  }
  fluv__guard_unlock(&parent->tree->guard);
  *out_token = token;
  return 0;
}

fluv_token_t* fluv_token_clone(fluv_token_t* token) {
  fluv__require(token, TOKEN);
  fluv__guard_lock(&token->tree->guard);
  token->refs++;
  fluv__guard_unlock(&token->tree->guard);
  return token;
}

/* Take a token out of the tree; its children move up. */
static void take_out_locked(fluv_token_t* token) {
  fluv_token_t* parent = token->parent;
  fluv__list_t* it;

  fluv__guard_assert_held(&token->tree->guard);
  while (!fluv__list_is_empty(&token->children)) {
    it = token->children.next;
    fluv__list_remove(it);
    fluv__container_of(it, fluv_token_t, link)->parent = parent;
    if (parent != NULL)
      fluv__list_append(&parent->children, it);
  }
  if (parent != NULL)
    fluv__list_remove(&token->link);
}

void fluv_token_free(fluv_token_t* token) {
  tree_t* tree;
  bool last;

  if (token == NULL)
    return;
  fluv__check(token, TOKEN);
  tree = token->tree;
  fluv__guard_lock(&tree->guard);
  if (--token->refs > 0) {
    fluv__guard_unlock(&tree->guard);
    return;
  }
  fluv__wait_queue_check_empty(&token->waiters, "token");
  take_out_locked(token);
  last = --tree->tokens == 0;
  fluv__guard_unlock(&tree->guard);
  fluv__object_free(token, NULL);
  if (!last)
    return;
  fluv__guard_deinit(&tree->guard);
  fluv__free(tree);
}

/* The token after this one in a walk of the tree below `top`. The children of
 * this token are part of the walk if `down`. NULL after the last. */
static fluv_token_t* next_token_locked(fluv_token_t* token,
                                       const fluv_token_t* top,
                                       bool down) {
  fluv__guard_assert_held(&token->tree->guard);
  if (down && !fluv__list_is_empty(&token->children))
    return fluv__container_of(token->children.next, fluv_token_t, link);
  while (token != top) {
    if (token->link.next != &token->parent->children)
      return fluv__container_of(token->link.next, fluv_token_t, link);
    token = token->parent;
  }
  return NULL;
}

void fluv_token_cancel(fluv_token_t* token, int reason) {
  fluv_token_t* at = token;
  fluv__wake_list_t wakes;
  bool fresh;

  fluv__require(token, TOKEN);
  if (reason >= 0)
    reason = FLUV_ECANCELED;
  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&token->tree->guard);
  while (at != NULL) {
    fresh = !fluv_token_is_cancelled(at);
    if (fresh) {
      /* Release: pairs with the loads below, without the guard. */
      atomic_store_explicit(&at->reason, reason, memory_order_release);
      fluv__wait_queue_grant_all(&at->waiters, 0, &wakes);
    }
    at = next_token_locked(at, token, fresh);
  }
  fluv__guard_unlock(&token->tree->guard);
  fluv__wake_list_send(&wakes);
}

int fluv_token_get_reason(const fluv_token_t* token) {
  fluv__require(token, TOKEN);
  /* Acquire: pairs with the store in fluv_token_cancel(). */
  return atomic_load_explicit(&token->reason, memory_order_acquire);
}

bool fluv_token_is_cancelled(const fluv_token_t* token) {
  fluv__require(token, TOKEN);
  /* Acquire: pairs with the store in fluv_token_cancel(). */
  return atomic_load_explicit(&token->reason, memory_order_acquire) != 0;
}

fluv_future_t* fluv_token_cancelled_loc(fluv_token_t* token,
                                        const fluv_loc_t* loc) {
  token_op_t* op;

  if (token == NULL)
    return fluv__future_fail(FLUV_EINVAL, loc);
  fluv__check(token, TOKEN);
  op = (token_op_t*) fluv__sync_op_new(&cancelled_ops, sizeof(*op), loc);
  if (op == NULL)
    return fluv__future_enomem();
  op->token = token;
  op->sync.guard = &token->tree->guard;
  return &op->sync.base;
}

int fluv_token_cancelled_blocking(fluv_token_t* token, uint64_t timeout_ms) {
  fluv__guard_t* guard;
  fluv__parked_t parked;
  int err = fluv__may_block();
  bool cancelled;

  if (fluv__unlikely(token == NULL))
    return FLUV_EINVAL;
  fluv__check(token, TOKEN);
  guard = &token->tree->guard;
  if (err != 0)
    return err;
  fluv__guard_lock(guard);
  cancelled = fluv_token_is_cancelled(token);
  if (!cancelled)
    fluv__park_join(&parked, &token->waiters);
  fluv__guard_unlock(guard);
  return cancelled
             ? 0
             : (int) fluv__park(&parked, guard, fluv__limit_after(timeout_ms));
}

typedef struct at_end {
  fluv_token_t* token;
  int reason;
} at_end_t;

static void on_end(void* arg) {
  at_end_t* at_end = arg;

  fluv_token_cancel(at_end->token, at_end->reason);
  fluv_token_free(at_end->token);
  fluv__free(at_end);
}

int fluv_token_cancel_at_end(fluv_token_t* token, int reason) {
  at_end_t* at_end;
  int err;

  if (fluv__unlikely(token == NULL))
    return FLUV_EINVAL;
  fluv__check(token, TOKEN);
  at_end = fluv__malloc(sizeof(*at_end));
  if (at_end == NULL)
    return FLUV_ENOMEM;
  at_end->token = token;
  at_end->reason = reason;
  err = fluv_defer(on_end, at_end);
  if (err != 0)
    fluv__free(at_end);
  else
    (void) fluv_token_clone(token);
  return err;
}
