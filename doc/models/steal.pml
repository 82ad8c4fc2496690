/* SPDX-License-Identifier: MIT */
/* Stealing, waking and sleeping: lib/runtime/queue.c.
 *
 * Modelled step by step, one step per access to shared memory or per section
 * under a queue's lock:
 *   Member    member_begin(), on_wakeup(), member_rest(), find_work(),
 *             steal_from()
 *   Producer  fluv__member_push(), wake_for() and fluv__wake_one()
 *   Closer    fluv__member_close() of all members, then the workers' token:
 *             when nothing moves any more or, with CLOSE_EARLY, at any time and
 *             with two members
 * One task is long: it returns after the others have run. Not modelled: the
 * inbox that carries a wakeup (inbox.pml), attached loops that leave.
 *
 * Memory: all of these accesses are sequentially consistent in the code.
 *
 * Proved: each task is run once or refused once; no task is queued while every
 * member sleeps or runs a task that waits for it.
 *
 * Variants that must fail:
 *   NO_RECHECK       a member does not check again after it said it is idle
 *   NO_WAKE          a producer that pushes wakes no member
 *   NO_WAKE_NEXT     a thief that stole more than one task wakes no member
 *   NO_WAKE_ANOTHER  a member that was woken when it had just found a task does
 *                    not wake another
 *   NO_CLOSED_CHECK  a thief queues at home although that queue is closed
 *   FORGET_NOTIFIED  a member that was woken does not say that it runs
 *   NO_WAKE_QUEUED   a member that was woken for its own queue, and finds more
 *                    than one task there, wakes no other
 *   STAY_ASSIGNED    a member that finds a task while it is being woken for its
 *                    own queue leaves that queue reserved
 */
#ifdef NO_CLOSED_CHECK
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
#define NOTIFIED  2
#define ASSIGNED  3 /* for its own queue, which others leave alone */

byte queue[MEMBERS]; /* bits; the lowest is the oldest */
bit closed[MEMBERS];
byte state[MEMBERS];
bit wakeup[MEMBERS];   /* was posted */
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

/* Wakes the first idle member; each check of a state is a step. */
inline wake_one() {
  i = 0;
  do
  :: atomic { i < MEMBERS && state[i] == IDLE -> state[i] = NOTIFIED };
    atomic { wakeup[i] = 1; i = 0 };
    break
  :: atomic { i < MEMBERS && state[i] != IDLE -> i++ }
  :: atomic { i == MEMBERS -> i = 0 };
    break
  od
}

/* Wakes the member at which something was queued, or another. */
inline wake_for(m) {
  if
  :: atomic { state[m] == IDLE -> state[m] = ASSIGNED };
    atomic { wakeup[m] = 1; i = 0 }
  :: atomic { state[m] == ASSIGNED -> i = 0 }
  :: atomic { state[m] != IDLE && state[m] != ASSIGNED -> i = 0 };
    wake_one()
  fi
}

active proctype Producer() {
  byte task = 1;
  byte i;
  byte at;

  do
  :: task <= ALL ->
    atomic {
      if
      :: at = 0
      :: at = 1
      fi;
      if
      :: closed[at] -> refuse(task)
      :: else -> queue[at] = queue[at] | task
      fi;
      task = task << 1
    };
#ifndef NO_WAKE
    /* Also after a refusal, which is harmless. What is queued at 0 is so by its
     * own thread, which wakes any member. */
    if
    :: at == 0 -> wake_one()
    :: at == 1 -> wake_for(at)
    fi
#endif
  :: else -> break
  od
}

/* Take the older half of a queue, rounded up. The thief runs the oldest task
 * and queues the rest at home. */
inline steal_from(victim) {
  if
  :: atomic {
      task == 0 && queue[victim] != 0 && state[victim] != ASSIGNED ->
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
#ifndef NO_CLOSED_CHECK
        :: closed[me] -> refuse(half)
#endif
        :: else -> queue[me] = queue[me] | half
        fi;
        half = 0
      };
#ifndef NO_WAKE_NEXT
      wake_one()
#endif
    :: else
    fi
  :: atomic {
      task != 0 || queue[victim] == 0 || state[victim] == ASSIGNED -> skip
    }
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
  if
  :: atomic { state[me] == ASSIGNED ->
#ifndef STAY_ASSIGNED
      state[me] = NOTIFIED
#endif
    };
    /* The wakeup may be late: the first task of the own queue comes before. */
    atomic { task = OLDEST(queue[me]); queue[me] = queue[me] - task };
#ifndef NO_WAKE_QUEUED
    if
    :: atomic { queue[me] == 0 -> skip }
    :: atomic { queue[me] != 0 -> skip };
      wake_one()
    fi;
#endif
    if
    :: task != 0 -> goto perform
    :: else
    fi
  :: atomic { state[me] == IDLE -> state[me] = RUNNING }
  :: atomic { state[me] != IDLE && state[me] != ASSIGNED -> skip }
  fi;
check:
  atomic {
    if
    :: wakeup[me] ->
      wakeup[me] = 0;
#ifndef FORGET_NOTIFIED
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
  :: atomic { state[me] != RUNNING -> goto sleep } /* a wakeup is on its way */
  fi;
#ifndef NO_RECHECK
  find_work();
#endif
  if
  :: task == 0 -> goto sleep
  :: else
  fi;
  if
  :: atomic { state[me] == IDLE -> state[me] = RUNNING }
  :: atomic { state[me] != IDLE ->
#ifndef STAY_ASSIGNED
      state[me] = NOTIFIED
#endif
    };
#ifndef NO_WAKE_ANOTHER
    wake_one() /* another member takes what it was woken for */
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
    goto check
  };
sleep:
  if
  :: atomic { wakeup[me] -> goto begin }
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
