/* SPDX-License-Identifier: MIT */
/* Join set: futures and tasks whose results are taken in completion order. */
#ifndef FLUV_JOINSET_H
#define FLUV_JOINSET_H

#ifndef FLUV_H_INSIDE
# error "Include <fluv.h>, not its parts."
#endif

/** A set of futures; some may be added while results of others are taken. */
typedef struct fluv_joinset fluv_joinset_t;

/**
 * Make an empty set on this thread's loop.
 *
 * @param loc  Place of the call; fluv_joinset_new() fills it in.
 *
 * @return  The set; NULL if memory ran out or this thread has no loop.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_LOOP_THREAD
fluv_joinset_t* fluv_joinset_new_loc(const fluv_loc_t* loc);
#define fluv_joinset_new() fluv_joinset_new_loc(FLUV_LOC)

/**
 * Add a future and start it.
 *
 * @param set  The set. Borrowed.
 * @param f    The future. Taken over, dropped on failure.
 * @param tag  Returned together with the result.
 * @param loc  Place of the call; fluv_joinset_add() fills it in.
 *
 * @return  0.
 * @errors  FLUV_ENOMEM; FLUV_EINVAL  an argument is NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
int fluv_joinset_add_loc(fluv_joinset_t* set,
                         fluv_future_t* f,
                         void* tag,
                         const fluv_loc_t* loc);
#define fluv_joinset_add(set, f, tag)                                          \
 fluv_joinset_add_loc((set), (f), (tag), FLUV_LOC)
/* Spawn a task as a member; its tag is its argument. */
#define fluv_joinset_spawn(set, fn, arg)                                       \
 fluv_joinset_add_loc((set),                                                   \
                      fluv_spawn_loc((fn), (arg), NULL, FLUV_LOC_NAMED(#fn)),  \
                      (arg),                                                   \
                      FLUV_LOC)

/**
 * Take the next result, in the order in which members end.
 *
 * @param set         The set; must stay until the future has ended.
 * @param out_result  Gets a member's result, a value or an error. NULL: not
 *                    wanted.
 * @param out_tag     Gets that member's tag. NULL: not wanted.
 * @param loc         Place of the call; fluv_joinset_next() fills it in.
 *
 * @return  Future, never NULL. Its value is 1 if a result was taken, 0 if the
 *          set is empty.
 * @errors  FLUV_EBUSY  another future of this function is pending.
 *          FLUV_EINVAL  `set` is NULL.
 * @cancel  Ends at once; the results stay in the set.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_joinset_next_loc(fluv_joinset_t* set,
                                     int64_t* out_result,
                                     void** out_tag,
                                     const fluv_loc_t* loc);
#define fluv_joinset_next(set, out_result, out_tag)                            \
 fluv_joinset_next_loc((set), (out_result), (out_tag), FLUV_LOC)

/**
 * Get the number of members whose result has not been taken.
 *
 * @param set  The set. Borrowed.
 *
 * @return  The number.
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
size_t fluv_joinset_count(const fluv_joinset_t* set);

/**
 * Cancel every member. Their results can still be taken.
 *
 * @param set  The set. Borrowed.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
void fluv_joinset_cancel(fluv_joinset_t* set);

/**
 * Cancel every member, wait until all have ended, free the set.
 *
 * @param set  The set. Taken over at once. NULL gives a future that is done.
 * @param loc  Place of the call; fluv_joinset_close() fills it in.
 *
 * @return  Future, never NULL, pending at once; it may be dropped.
 *          Its value is 0.
 * @errors  None.
 * @cancel  Does nothing: it ends when the last member has.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_joinset_close_loc(fluv_joinset_t* set,
                                      const fluv_loc_t* loc);
#define fluv_joinset_close(set) fluv_joinset_close_loc((set), FLUV_LOC)

#endif /* FLUV_JOINSET_H */
