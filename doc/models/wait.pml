/* SPDX-License-Identifier: MIT */
/* Wait queues: lib/sync/wait.{h,c}, with lib/sync/semaphore.c on top.
 *
 * Modelled:
 *   Loop       acquire_slow(), acquire_cancel(), _release(), _arrive() of the
 *              futures at home there, and fluv__loop_begin_close() with what
 *              follows
 *   Thread     fluv_semaphore_acquire_blocking(), fluv__park()
 *   Other      fluv_semaphore_release() and _close() from a plain thread
 *   grant()    fluv__wait_grant(), serve() around it as in the semaphore
 *   send()     fluv__wake_list_send_slow()
 * A section under the guard is one step (guard.pml). An inbox is a queue with a
 * gate (inbox.pml). A wait that is sent to its own loop arrives at any later
 * step; in the code it arrives at once, so the model allows more, and nothing
 * is missed. Not modelled: the fast paths that need no queue.
 *
 * There are two futures, each on its own loop or, with ONE_LOOP, both on one. A
 * thread is parked, with and without a time limit. Any of them may be cancelled
 * at any time, loop 0 may close while its futures wait, and the semaphore may
 * be closed. There is one permit, another may be added, and two waits ask for
 * two.
 *
 * Proved: permits are neither lost nor made; when no process can go on, the
 * first wait in the queue asks for more than is free; no wait is used after its
 * home has freed it; nothing is pushed to a loop that has closed; each future
 * completes once; the queue of a closed semaphore is empty.
 *
 * Variants that must fail:
 *   NO_REGRANT      a wait cancelled in flight keeps what it was granted
 *   NO_SERVE        a wait that leaves the queue does not serve those behind it
 *   NO_SERVE_LATE   nor does a thread whose time is over
 *   NO_RECHECK      a thread whose time is over leaves though it was granted
 *   FREE_GRANTED    a future is freed on cancel while its wait is in flight
 *   LATE_ENTRY      the inbox is entered after the guard was unlocked
 */
#define WAITS  3
#define LOOPS  2
#define THREAD 2   /* home of the wait of a plain thread, which is the last */
#define NOBODY 3   /* home of a thread without waits */
#define OK     0
#define ERROR  1   /* FLUV_ECLOSED */

#define need(w) (w == 1 -> 1 : 2)
#ifdef ONE_LOOP
#define home(w) (w < 2 -> 0 : THREAD)
#else
#define home(w) (w)
#endif

mtype = { NOT_QUEUED, QUEUED, GRANTED };        /* fluv__wait_t.state */
mtype = { COLD, PENDING, HELD, DONE }; /* of a future; HELD: has permits */

mtype state[WAITS] = NOT_QUEUED;
mtype future[WAITS] = COLD;
bit value[WAITS];       /* wait.granted */
bit cancelled[WAITS];
bit freed[WAITS];

chan queue = [WAITS] of { byte };
byte free = 1;
byte total = 1;         /* permits there should be */
byte held;
bit sem_closed;

chan inbox[LOOPS] = [WAITS] of { byte };
byte inside[LOOPS];
bit loop_closed[LOOPS]; /* the gate */
bit posted;             /* the thread's sem_t */

/* Each process has its wake list `wakes`, its `own` arrivals, its home `me` and
 * a scratch variable `x`. Under the guard: fluv__wait_grant(). */
inline grant(what) {
  queue??eval(x);
  assert(!freed[x] && state[x] == QUEUED);
#ifndef LATE_ENTRY
  if
  :: home(x) < LOOPS && home(x) != me && loop_closed[home(x)] ->
    state[x] = NOT_QUEUED
  :: else ->
    if
    :: home(x) < LOOPS && home(x) != me -> inside[home(x)]++
    :: else
    fi;
#endif
    state[x] = GRANTED;
    value[x] = what;
    wakes!x
#ifndef LATE_ENTRY
  fi
#endif
}

/* Under the guard. */
inline serve() {
  do
  :: nempty(queue) ->
    queue?<x>;
    if
    :: need(x) <= free ->
      grant(OK);
      if
      :: state[x] == GRANTED -> free = free - need(x)
      :: else
      fi
    :: else -> break
    fi
  :: empty(queue) -> break
  od;
  x = 0
}

/* Without the guard: waits of other homes first, then those of this one. */
inline send() {
  do
  :: atomic { nempty(wakes) ->
      wakes?x;
      assert(!freed[x]);
      if
      :: home(x) == THREAD -> assert(!posted); posted = 1
      :: home(x) == me -> own!x
      :: else ->
#ifdef LATE_ENTRY
        if
        :: loop_closed[home(x)] -> state[x] = NOT_QUEUED
        :: else -> inbox[home(x)]!x
        fi
#else
        inbox[home(x)]!x;
        inside[home(x)]--
#endif
      fi;
      x = 0 }
  :: empty(wakes) -> break
  od
}

/* fluv_semaphore_release() */
inline release(n) {
  atomic { free = free + n; serve() };
  send()
}

inline complete(w, how) {
  assert(future[w] == PENDING);
  future[w] = how;
  if
  :: how == HELD -> held = held + need(w)
  :: else
  fi;
  freed[w] = 1
}

/* The holder of permits releases them. */
inline put_permits_back() {
  atomic { future[w] = DONE; held = held - need(w) }
  release(need(w))
}

/* acquire_arrive() */
inline arrive() {
  assert(!freed[w] && state[w] == GRANTED);
  state[w] = NOT_QUEUED;
  if
  :: value[w] == OK && cancelled[w] ->
#ifndef NO_REGRANT
    release(need(w));
#endif
    atomic { complete(w, DONE) }
  :: else ->
    atomic {
      if
      :: value[w] == OK -> complete(w, HELD)
      :: else -> complete(w, DONE)
      fi
    }
  fi
}

/* acquire_withdraw(); the future completes if its wait has left the queue. */
inline withdraw() {
  atomic {
    if
    :: state[w] == QUEUED ->
      queue??eval(w);
      state[w] = NOT_QUEUED;
#ifndef NO_SERVE
      serve();
#endif
      left = 1
    :: else -> left = 0
    fi
  }
  send();
  if
  :: left -> atomic { complete(w, DONE) }
  :: else ->
#ifdef FREE_GRANTED
    atomic { complete(w, DONE) }
#else
    skip
#endif
  fi;
  left = 0
}

inline start() {
  atomic {
    future[w] = PENDING;
    if
    :: sem_closed -> complete(w, DONE)
    :: !sem_closed && need(w) <= free && empty(queue) ->
      free = free - need(w);
      complete(w, HELD)
    :: !sem_closed && (need(w) > free || nempty(queue)) ->
      state[w] = QUEUED;
      queue!w
    fi
  }
}

/* What the home loop may do to one of its two futures. */
#define each(what, act)                                                        \
  :: atomic { what(first) -> w = first } act                                   \
  :: atomic { first != last && what(last) -> w = last } act

#define is_cold(v)    (future[v] == COLD)
#define is_held(v)    (future[v] == HELD)
#define is_pending(v) (future[v] == PENDING && !cancelled[v] && may_cancel)

proctype Loop(byte me; byte first; byte last) {
  chan wakes = [WAITS] of { byte };
  chan own = [WAITS] of { byte };
  byte w;
  byte x;
  byte v;
  bit left;
  bit may_close;
  bit may_cancel;

  atomic {
    if
    :: me == 0 -> may_close = 1
    :: skip
    fi;
    if
    :: may_cancel = 1
    :: skip
    fi
  }
end:
  do
  :: own?w -> arrive()
  :: inbox[me]?w -> arrive()
  each(is_cold, start())
  each(is_pending, cancelled[w] = 1; withdraw())
  each(is_held, put_permits_back())
  :: atomic { may_close && empty(own) -> loop_closed[me] = 1 } break
  od;

  /* fluv__inbox_close(): no task runs any more, so a future that was granted
   * permits keeps them. */
  inside[me] == 0;
  do
  :: own?w -> arrive()
  :: inbox[me]?w -> arrive()
  :: empty(own) && empty(inbox[me]) -> break
  od;
  /* release_left_over() */
  v = first;
  do
  :: v > last -> break
  :: else ->
    if
    :: future[v] == PENDING -> w = v; withdraw()
    :: else
    fi;
    do
    :: own?w -> arrive()
    :: empty(own) -> break
    od;
    v++
  od;
  /* The memory is freed. */
  atomic {
    for (v : first .. last) {
      assert(state[v] == NOT_QUEUED);
      freed[v] = 1
    }
  }
}

proctype Thread() {
  chan wakes = [WAITS] of { byte };
  chan own = [0] of { byte };
  byte x;
  bit left;
  bit limited;
  byte me = THREAD;
  byte w = 2;

  if
  :: limited = 1
  :: skip
  fi;
  start();
  if
  :: state[w] != NOT_QUEUED -> /* fluv__park() */
end:
    if
    :: posted -> skip
    :: limited ->
      atomic { /* leave_queue() */
        if
#ifdef NO_RECHECK
        :: true ->
          if
          :: state[w] == QUEUED -> queue??eval(w)
          :: else
          fi;
#else
        :: state[w] == QUEUED ->
          queue??eval(w);
#endif
          state[w] = NOT_QUEUED;
          left = 1;
          complete(w, DONE)
        :: else
        fi
      }
    fi;
    if
    :: left ->
#ifndef NO_SERVE_LATE
      atomic { serve() }
      send()
#else
      skip
#endif
    :: else ->
      posted;
      atomic {
        posted = 0;
        state[w] = NOT_QUEUED;
        if
        :: value[w] == OK -> complete(w, HELD)
        :: else -> complete(w, DONE)
        fi
      }
    fi
  :: else
  fi;
  if
  :: future[w] == HELD -> put_permits_back()
  :: else
  fi
}

/* A thread adds a permit, and may close the semaphore. */
proctype Other() {
  chan wakes = [WAITS] of { byte };
  chan own = [0] of { byte };
  byte me = NOBODY;
  byte x;

  if
  :: total++;
    release(1)
  :: skip
  fi;
  if
  :: atomic {
      sem_closed = 1;
      do
      :: nempty(queue) -> queue?<x>; grant(ERROR)
      :: empty(queue) -> break
      od;
      x = 0 }
    send()
  :: skip
  fi
}

/* Runs when no process can go on. */
proctype Monitor() {
  byte x;

  timeout;
  assert(free + held == total);
  if
  :: nempty(queue) ->
    queue?<x>;
    assert(need(x) > free && !sem_closed)
  :: empty(queue)
  fi;
  for (x : 0 .. WAITS - 1) {
    assert(state[x] != GRANTED);
    assert(future[x] != PENDING || state[x] == QUEUED || freed[x])
  }
}

init {
  atomic {
#ifdef ONE_LOOP
    run Loop(0, 0, 1);
#else
    run Loop(0, 0, 0);
    run Loop(1, 1, 1);
#endif
    run Thread();
    run Other();
    run Monitor()
  }
}
