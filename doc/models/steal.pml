/* SPDX-License-Identifier: MIT */
/* Stealing, calling and sleeping: lib/runtime/queue.c.
 *
 * Modelled step by step, one step an access to shared memory or a stretch under
 * a queue's lock:
 *   Member    member_begin(), on_call(), member_rest(), find_work(),
 *             steal_from()
 *   Producer  fluv__member_push() and fluv__wake_one(), into any queue
 *   Closer    fluv__member_close() of all, then the workers' token; when all is
 *             still, or with CLOSE_EARLY, of two members, at any time
 * One task is long: it returns when the others have run. Not modelled: the
 * inbox a call travels through (inbox.pml), guests that leave.
 *
 * Memory: all of these are sequentially consistent in the code.
 *
 * Proved: each task is run once or refused once; none lies in a queue while
 * everybody sleeps or has a task that waits for it.
 *
 * Found to fail, as they must:
 *   NO_SECOND_LOOK  a member does not look again after it said it is idle
 *   NO_CALL         who pushes calls nobody
 *   NO_CALL_NEXT    a thief with more than it can do calls nobody
 *   NO_PASSING_ON   a member that was called when it had just found something
 *                   does not call another
 *   NO_CLOSED_LOOK  a thief queues at home although that is closed
 *   FORGET_CALLED   a member that was called does not say that it runs
 */
#ifdef NO_CLOSED_LOOK
#define CLOSE_EARLY
#endif

#ifdef CLOSE_EARLY
#define MEMBERS 2
#else
#define MEMBERS 3
#endif
#define ALL     7 /* a bit for each task */
#define LONG    1

#define RUNNING 0
#define IDLE    1
#define CALLED  2

byte queue[MEMBERS]; /* bits; the lowest is the oldest */
bit closed[MEMBERS];
byte state[MEMBERS];
bit call[MEMBERS];   /* has been posted */
bit stop;
byte ran;
byte refused;
byte ended;

inline refuse(tasks) {
  assert((ran & (tasks)) == 0 && (refused & (tasks)) == 0);
  refused = refused | (tasks)
}

/* The oldest of some tasks. */
#define OLDEST(tasks) ((tasks) & (0 - (tasks)))

/* The first that is idle; each look is a step. */
inline call_one() {
  i = 0;
  do
  :: atomic { i < MEMBERS && state[i] == IDLE -> state[i] = CALLED };
    atomic { call[i] = 1; i = 0 };
    break
  :: atomic { i < MEMBERS && state[i] != IDLE -> i++ }
  :: atomic { i == MEMBERS -> i = 0 };
    break
  od
}

active proctype Producer() {
  byte task = 1;
  byte i;

  do
  :: task <= ALL ->
    atomic {
      if
      :: i = 0
      :: i = 1
      fi;
      if
      :: closed[i] -> refuse(task)
      :: else -> queue[i] = queue[i] | task
      fi;
      i = 0;
      task = task << 1
    };
#ifndef NO_CALL
    call_one() /* also when it was refused, which does no harm */
#endif
  :: else -> break
  od
}

/* Take half of a queue, rounded up, the older ones; the oldest is to be run,
 * the rest goes into the own queue. */
inline steal_from(victim) {
  if
  :: atomic {
      task == 0 && queue[victim] != 0 ->
      half = queue[victim];
      if
      :: half == 7 -> half = 3
      :: half == 3 || half == 5 || half == 6 -> half = OLDEST(half)
      :: else
      fi;
      queue[victim] = queue[victim] - half;
      task = OLDEST(half);
      half = half - task
    };
    if
    :: half != 0 ->
      atomic {
        if
#ifndef NO_CLOSED_LOOK
        :: closed[me] -> refuse(half)
#endif
        :: else -> queue[me] = queue[me] | half
        fi;
        half = 0
      };
#ifndef NO_CALL_NEXT
      call_one()
#endif
    :: else
    fi
  :: atomic { task != 0 || queue[victim] == 0 -> skip }
  fi
}

inline find_work() {
  atomic { task = OLDEST(queue[me]); queue[me] = queue[me] - task };
  steal_from((me + 1) % MEMBERS);
#if MEMBERS == 3
  steal_from((me + 2) % MEMBERS)
#endif
}

proctype Member(byte me) {
  byte task;
  byte half;
  byte i;

begin:
  atomic {
    if
    :: state[me] == IDLE -> state[me] = RUNNING
    :: else
    fi
  };
look:
  atomic {
    if
    :: call[me] ->
      call[me] = 0;
#ifndef FORGET_CALLED
      state[me] = RUNNING
#endif
    :: else
    fi
  };
  find_work();
  if
  :: task != 0 -> goto perform
  :: else
  fi;
  if
  :: atomic { state[me] == RUNNING -> state[me] = IDLE }
  :: atomic { state[me] != RUNNING -> goto sleep } /* the call is coming */
  fi;
#ifndef NO_SECOND_LOOK
  find_work();
#endif
  if
  :: task == 0 -> goto sleep
  :: else
  fi;
  if
  :: atomic { state[me] == IDLE -> state[me] = RUNNING }
  :: atomic { state[me] != IDLE -> skip };
#ifndef NO_PASSING_ON
    call_one() /* what it was called for is another's now */
#endif
  fi;
perform:
  atomic {
    assert((ran & task) == 0 && (refused & task) == 0);
    if
    :: task == LONG -> (((ran | refused) | LONG) == ALL)
    :: else
    fi;
    ran = ran | task;
    task = 0;
    goto look
  };
sleep:
  if
  :: atomic { call[me] -> goto begin }
  :: atomic { stop -> ended++ }
  fi
}

inline close(m) {
  atomic {
    closed[m] = 1;
    refuse(queue[m]);
    queue[m] = 0
  }
}

active proctype Closer() {
#ifndef CLOSE_EARLY
  timeout;
  assert(ran == ALL);
#endif
  close(0);
  close(1);
#if MEMBERS == 3
  close(2);
#endif
  stop = 1;
  ended == MEMBERS;
  timeout;
  assert((ran | refused) == ALL);
  assert((ran & refused) == 0)
}

init {
  atomic {
    run Member(0);
    run Member(1);
#if MEMBERS == 3
    run Member(2)
#endif
  }
}
