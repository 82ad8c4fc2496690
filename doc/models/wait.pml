/* SPDX-License-Identifier: MIT */
/* Waiting in line: lib/sync/wait.{h,c}, with lib/sync/semaphore.c on top.
 *
 * Modelled:
 *   Loop       acquire_slow(), acquire_cancel(), _release(), _arrive() of the
 *              futures at home there, and fluv__loop_begin_close() with what follows
 *   Thread     fluv_semaphore_acquire_blocking(), fluv__park()
 *   Others     fluv_semaphore_release() and _close() from a plain thread
 *   give()     fluv__wait_grant(), serve() around it as in the semaphore
 *   send()     fluv__wake_list_send_slow()
 * What happens under the guard is one step (guard.pml), an inbox is a queue
 * with a gate (inbox.pml). What is sent to the own loop arrives at any later
 * step of it: that is more than the code does, where it arrives at once, so
 * nothing is missed. Not modelled: the short ways without the line.
 *
 * There are two futures, each on a loop of its own or, with ONE_LOOP, both on
 * one, and a thread is parked, with and without a limit of time. Any of them may be cancelled at any time, loop 0
 * may close with its futures still waiting, and the semaphore too. There is one
 * permit, somebody may add another, and two ask for two.
 *
 * Proved: permits are neither lost nor made; when nobody can go on, the first
 * in line asks for more than is free; no wait is used once its home has freed
 * it; nothing is pushed to a loop that has closed; each future ends once; a
 * closed semaphore has nobody in line.
 *
 * Found to fail, as they must:
 *   NO_HANDING_ON   who was cancelled on his way keeps what he was given
 *   NO_SERVE        who leaves the line does not look at those behind him
 *   NO_SERVE_LATE   nor does a thread whose time is over
 *   NO_LOOK         a thread whose time is over leaves though it was given
 *   FREE_GIVEN      a future is freed on cancel though it is on its way
 *   LATE_ENTRY      the inbox is entered when the guard has been let go
 */
#define WAITS  3
#define LOOPS  2
#define THREAD 2   /* home of the wait of a plain thread, which is the last */
#define NOBODY 3   /* where a thread without waits is "at home" */
#define OK     0
#define ERROR  1   /* FLUV_ECLOSED */

#define need(w) (w == 1 -> 1 : 2)
#ifdef ONE_LOOP
#define home(w) (w < 2 -> 0 : THREAD)
#else
#define home(w) (w)
#endif

mtype = { OUT, QUEUED, GIVEN };        /* fluv__wait_t.state */
mtype = { COLD, PENDING, HELD, DONE }; /* of a future; HELD: has permits */

mtype state[WAITS] = OUT;
mtype future[WAITS] = COLD;
bit value[WAITS];       /* wait.given */
bit cancelled[WAITS];
bit freed[WAITS];

chan line = [WAITS] of { byte };
byte free = 1;
byte total = 1;         /* permits there should be */
byte held;
bit sem_closed;

chan inbox[LOOPS] = [WAITS] of { byte };
byte inside[LOOPS];
bit loop_closed[LOOPS]; /* the gate */
bit posted;             /* the thread's sem_t */

/* Each process has its `wakes`, `own` arrivals, home `me`, and a scratch `x`.
 * Under the guard: fluv__wait_grant(). */
inline give(what) {
  line??eval(x);
  assert(!freed[x] && state[x] == QUEUED);
#ifndef LATE_ENTRY
  if
  :: home(x) < LOOPS && home(x) != me && loop_closed[home(x)] ->
    state[x] = OUT
  :: else ->
    if
    :: home(x) < LOOPS && home(x) != me -> inside[home(x)]++
    :: else
    fi;
#endif
    state[x] = GIVEN;
    value[x] = what;
    wakes!x
#ifndef LATE_ENTRY
  fi
#endif
}

/* Under the guard. */
inline serve() {
  do
  :: nempty(line) ->
    line?<x>;
    if
    :: need(x) <= free ->
      give(OK);
      if
      :: state[x] == GIVEN -> free = free - need(x)
      :: else
      fi
    :: else -> break
    fi
  :: empty(line) -> break
  od;
  x = 0
}

/* Without the guard. Others first, then our own. */
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
        :: loop_closed[home(x)] -> state[x] = OUT
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
inline give_back(n) {
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

/* Who holds permits is done with them. */
inline put_back() {
  atomic { future[w] = DONE; held = held - need(w) }
  give_back(need(w))
}

/* acquire_arrive() */
inline arrive() {
  assert(!freed[w] && state[w] == GIVEN);
  state[w] = OUT;
  if
  :: value[w] == OK && cancelled[w] ->
#ifndef NO_HANDING_ON
    give_back(need(w));
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

/* acquire_withdraw(), and the end of the future if it has left. */
inline withdraw() {
  atomic {
    if
    :: state[w] == QUEUED ->
      line??eval(w);
      state[w] = OUT;
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
#ifdef FREE_GIVEN
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
    :: !sem_closed && need(w) <= free && empty(line) ->
      free = free - need(w);
      complete(w, HELD)
    :: !sem_closed && (need(w) > free || nempty(line)) ->
      state[w] = QUEUED;
      line!w
    fi
  }
}

/* What may be done to one of the two futures at home. */
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
  each(is_held, put_back())
  :: atomic { may_close && empty(own) -> loop_closed[me] = 1 } break
  od;

  /* fluv__inbox_close(): with no task to run any more, who was given permits
   * keeps them. */
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
  /* The memory goes. */
  atomic {
    for (v : first .. last) {
      assert(state[v] == OUT);
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
  :: state[w] != OUT -> /* fluv__park() */
end:
    if
    :: posted -> skip
    :: limited ->
      atomic { /* leave_queue() */
        if
#ifdef NO_LOOK
        :: true ->
          if
          :: state[w] == QUEUED -> line??eval(w)
          :: else
          fi;
#else
        :: state[w] == QUEUED ->
          line??eval(w);
#endif
          state[w] = OUT;
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
        state[w] = OUT;
        if
        :: value[w] == OK -> complete(w, HELD)
        :: else -> complete(w, DONE)
        fi
      }
    fi
  :: else
  fi;
  if
  :: future[w] == HELD -> put_back()
  :: else
  fi
}

/* Somebody adds a permit, and may close the semaphore. */
proctype Other() {
  chan wakes = [WAITS] of { byte };
  chan own = [0] of { byte };
  byte me = NOBODY;
  byte x;

  if
  :: total++;
    give_back(1)
  :: skip
  fi;
  if
  :: atomic {
      sem_closed = 1;
      do
      :: nempty(line) -> line?<x>; give(ERROR)
      :: empty(line) -> break
      od;
      x = 0 }
    send()
  :: skip
  fi
}

/* When nobody can go on. */
proctype Monitor() {
  byte x;

  timeout;
  assert(free + held == total);
  if
  :: nempty(line) ->
    line?<x>;
    assert(need(x) > free && !sem_closed)
  :: empty(line)
  fi;
  for (x : 0 .. WAITS - 1) {
    assert(state[x] != GIVEN);
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
