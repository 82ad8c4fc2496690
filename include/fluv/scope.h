/* SPDX-License-Identifier: MIT */
/* Scopes: child tasks that never outlive the block that started them.
 *
 *     fluv_scope_t* scope;
 *     int64_t err = fluv_scope_begin(&scope);
 *     if (err < 0)
 *       return err;
 *     fluv_scope_spawn(scope, fetch, &a);
 *     fluv_scope_spawn(scope, fetch, &b);
 *     return fluv_scope_end(scope);
 */
#ifndef FLUV_SCOPE_H
#define FLUV_SCOPE_H

#ifndef FLUV_H_INSIDE
# error "Include <fluv.h>, not its parts."
#endif

/** A block with children. Belongs to the task that opened it. */
typedef struct fluv_scope fluv_scope_t;

/**
 * Open a scope in the running task.
 *
 * A task that returns with a scope open waits for its children first.
 *
 * @param out_scope  Gets the scope; close it with fluv_scope_end().
 *
 * @return  0.
 * @errors  FLUV_ENOMEM; FLUV_EINVAL  `out_scope` is NULL. Outside a task:
 *          aborts.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_LOOP_THREAD
int fluv_scope_begin(fluv_scope_t** out_scope);

/**
 * Add a future as a child and start it.
 *
 * When a child fails, the others are cancelled. FLUV_ECANCELED from a child
 * that was cancelled is no failure.
 *
 * @param scope  The scope. Borrowed. May be used by its children too.
 * @param f      The future. Taken over; cancelled at once if the scope was.
 * @param loc    Place of the call; fluv_scope_add() fills it in.
 *
 * @return  0.
 * @errors  FLUV_ENOMEM, or the error of a future that is done; the scope then
 *          fails with it too. FLUV_EINVAL  an argument is NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
int64_t fluv_scope_add_loc(fluv_scope_t* scope,
                           fluv_future_t* f,
                           const fluv_loc_t* loc);
#define fluv_scope_add(scope, f) fluv_scope_add_loc((scope), (f), FLUV_LOC)
/* Spawn a task as a child. */
#define fluv_scope_spawn(scope, fn, arg)                                       \
 fluv_scope_add_loc((scope),                                                   \
                    fluv_spawn_loc((fn), (arg), NULL, FLUV_LOC_NAMED(#fn)),    \
                    FLUV_LOC)

/**
 * Cancel all children, including those that are added later.
 *
 * @param scope  The scope. Borrowed.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
void fluv_scope_cancel(fluv_scope_t* scope);

/**
 * Wait for all children and free the scope.
 *
 * @param scope  The scope. Taken over. Only the task that opened it may end
 *               it; its innermost scope first.
 * @param loc    Place of the call; fluv_scope_end() fills it in.
 *
 * @return  0.
 * @errors  The first child's error; else FLUV_ECANCELED or FLUV_ETIMEDOUT if
 *          the task was interrupted while it waited.
 * @cancel  Cancels the children and waits for them.
 * @since   0.1
 */
FLUV_EXTERN FLUV_SUSPENDS FLUV_LOOP_THREAD
int64_t fluv_scope_end_loc(fluv_scope_t* scope, const fluv_loc_t* loc);
#define fluv_scope_end(scope) fluv_scope_end_loc((scope), FLUV_LOC)

#endif /* FLUV_SCOPE_H */
