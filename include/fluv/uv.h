/* SPDX-License-Identifier: MIT */
/* The bridge for programs that use libuv too: any request as a future.
 *
 *     uv_fs_t req;
 *     int64_t err = fluv_await(
 *         FLUV_UV(&req, uv_fs_stat(uv, &req, path, fluv_uv_on_fs)));
 *
 * The request belongs to the caller and must stay until libuv has called its
 * callback. An await, also a cancelled one, and every combinator wait for that.
 * After fluv_drop() or fluv_detach() the request must be static, or be freed by
 * a callback of the program's own. Until the callback, fluv uses the request's
 * data pointer.
 */
#ifndef FLUV_UV_H
#define FLUV_UV_H

#include <fluv.h>
#include <uv.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Prepare a request before it is started. Use FLUV_UV() instead.
 *
 * @param req  The request, not yet started. Its data pointer is set.
 * @param loc  Place of the call.
 *
 * @return  True; false if memory ran out, and the request must not be started.
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
bool fluv_uv_begin(uv_req_t* req, const fluv_loc_t* loc);

/**
 * Make the future of a request that was started. Use FLUV_UV() instead.
 *
 * @param req  The request that was given to fluv_uv_begin().
 * @param err  What the libuv function that started it returned.
 *
 * @return  Future, never NULL. Its value is the one that the callback got.
 * @errors  `err`, or the error that the callback got.
 * @cancel  Calls uv_cancel(). The future ends when libuv has called the
 *          callback: with FLUV_ECANCELED if the request was not started, else
 *          with its result.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_uv_started(uv_req_t* req, int err);

#define FLUV_UV(req, call)                                                     \
 fluv_uv_started(                                                              \
     (uv_req_t*) (req),                                                        \
     fluv_uv_begin((uv_req_t*) (req), FLUV_LOC) ? (call) : FLUV_ENOMEM)

/**
 * Complete a request's future, from a callback of the program's own. A second
 * call, or one on another thread, aborts.
 *
 * @param req     The request.
 * @param result  A value >= 0 or an error.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
void fluv_uv_done(uv_req_t* req, int64_t result);

/**
 * Callback for uv_fs_*: the result is the request's.
 *
 * @param req  The request.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
void fluv_uv_on_fs(uv_fs_t* req);

/**
 * Callback for uv_getaddrinfo(); the addresses are in the request.
 *
 * @param req     The request.
 * @param status  0 or an error.
 * @param res     The addresses; free them with uv_freeaddrinfo().
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
void fluv_uv_on_getaddrinfo(uv_getaddrinfo_t* req,
                            int status,
                            struct addrinfo* res);

/**
 * The second callback for uv_queue_work().
 *
 * @param req     The request.
 * @param status  0 or FLUV_ECANCELED.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
void fluv_uv_on_work(uv_work_t* req, int status);

/**
 * Callback for uv_write() and uv_write2().
 *
 * @param req     The request.
 * @param status  0 or an error.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
void fluv_uv_on_write(uv_write_t* req, int status);

/**
 * Callback for uv_tcp_connect() and uv_pipe_connect().
 *
 * @param req     The request.
 * @param status  0 or an error.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
void fluv_uv_on_connect(uv_connect_t* req, int status);

/**
 * Callback for uv_shutdown().
 *
 * @param req     The request.
 * @param status  0 or an error.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
void fluv_uv_on_shutdown(uv_shutdown_t* req, int status);

#ifdef __cplusplus
}
#endif

#endif /* FLUV_UV_H */
