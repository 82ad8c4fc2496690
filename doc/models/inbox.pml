/* SPDX-License-Identifier: MIT */
/* The inbox: lib/core/inbox.{h,c}, and how lib/core/turn.c drives it.
 *
 * Modelled step by step, one step per access to shared memory:
 *   Producer   fluv__inbox_enter(), _push(), _leave()
 *   Loop       fluv__inbox_awake(), _run(), _sleep(), _wants_turn(), _close(),
 *              in the order of on_check(), fluv__drain() and rest()
 * Not modelled: what nodes do, timers, I/O except for one event that ends a
 * poll, and spinning before sleeping (it only reads the head, as the drain
 * does).
 *
 * Memory: the loop's plain stores to `asleep` pass through a store buffer. It
 * is drained at any later time, or by the loop's next fence or exchange. A
 * producer has no plain store that matters; its fence stands for what orders
 * its load of `asleep` after its push.
 *
 * Proved: no pushed node stays while the loop sleeps for ever; each node is run
 * once, those of one producer in their order, or is refused; no producer wakes
 * through a handle that is closed; no producer reads a node that was run.
 *
 * Variants that must fail:
 *   NO_FENCE       the loop reads the head before its `asleep` is visible
 *   NO_PUSH_FENCE  the producer reads `asleep` before its push is visible
 *   NO_RECHECK     the loop does not read the head again after setting `asleep`
 *   NO_REARM       after a spurious wakeup the loop polls with `asleep` unset
 *   NO_WAIT        the closer does not wait for producers that are inside
 */
#define PRODUCERS 2
#define PUSHES    2
#define NODES     (PRODUCERS * PUSHES)
#define ROUNDS    2 /* MAX_ROUNDS */
#define CLOSED    1
#define ONE       2

byte head;            /* 0: NULL; else a node */
byte next[NODES + 1];
byte gate;
bit asleep = 1;
chan buffer = [2] of { bit };

bit called;           /* the event descriptor is readable */
bit event = 1;        /* another event may end one poll */
bit handle_closed;

bit ran[NODES + 1];
bit refused[NODES + 1];
byte last[PRODUCERS]; /* node of each that was run last */

#ifdef NO_FENCE
#define fence skip
#else
#define fence empty(buffer)
#endif

/* The store buffer reaches memory at any time. */
active proctype Memory() {
  bit value;

end:
  do
  :: atomic { buffer?value -> asleep = value }
  od
}

/* fluv__inbox_post() of each of its nodes in turn. */
active [PRODUCERS] proctype Producer() {
  byte me = _pid - 1; /* Memory is 0 */
  byte node = me * PUSHES + 1;
  byte seen;
  bit was_closed;
  bit sleeps;

  do
  :: node > (me + 1) * PUSHES -> break
  :: else ->
    atomic { was_closed = gate & CLOSED; gate = gate + ONE }
    if
    :: was_closed ->
      gate = gate - ONE;
      refused[node] = 1
    :: else ->
      seen = head;
      do
      :: true ->
        next[node] = seen;
#ifdef NO_PUSH_FENCE
        sleeps = asleep;
#endif
        atomic {
          if
          :: head == seen -> head = node; break
          :: else -> seen = head
          fi
        }
      od;
      if
      :: seen == 0 ->
#ifndef NO_PUSH_FENCE
        sleeps = asleep;
#endif
        if
        :: sleeps ->
          atomic { sleeps = asleep; asleep = 0 }
          if
          :: sleeps ->
            atomic { assert(!handle_closed); called = 1 }
          :: else
          fi
        :: else
        fi
      :: else
      fi;
      gate = gate - ONE
    fi;
    seen = 0;
    sleeps = 0;
    was_closed = 0;
    node++
  od
}

/* fluv__inbox_run(): an exchange, which drains the store buffer too, then all
 * nodes from the oldest on. */
inline run_all() {
  atomic { empty(buffer) -> newest = head; head = 0 }
  do
  :: d_step { newest != 0 ->
      /* the list is reversed: the node no longer points to its successor */
      after = next[newest];
      next[newest] = oldest;
      oldest = newest;
      newest = after }
  :: else -> break
  od;
  do
  :: d_step { oldest != 0 ->
      assert(!ran[oldest]);
      assert(last[(oldest - 1) / PUSHES] < oldest);
      ran[oldest] = 1;
      last[(oldest - 1) / PUSHES] = oldest;
      after = next[oldest];
      next[oldest] = 0;
      oldest = after }
  :: else -> break
  od;
  after = 0
}

active proctype Loop() {
  byte newest;
  byte oldest;
  byte after;
  byte round;

drain: /* fluv__drain() */
  buffer!0;
  round = 0;
  do
  :: round == ROUNDS -> goto idle
  :: else ->
    if
    :: head != 0 -> run_all()
    :: else
    fi;
    if
    :: true -> goto idle /* tasks are still ready */
    :: true ->           /* rest() */
      buffer!1;
      fence;
#ifdef NO_RECHECK
      goto poll;
#endif
      if
      :: head == 0 -> goto poll
      :: else -> buffer!0
      fi
    fi;
    round++
  od;

idle: /* the idle handle is active: the poll does not wait */
  round = 0;
  if
  :: called = 0
  :: true
  fi;
  if
  :: true -> goto drain
  :: true -> goto shut
  fi;

poll:
  round = 0;
end_poll:
  if
  :: called -> called = 0
  :: atomic { event -> event = 0 }
  fi;
  if
  :: true -> goto shut
  :: true
  fi;
  /* on_check() */
  if
  :: head != 0 -> goto drain
  :: else
  fi;
#ifndef NO_REARM
  if
  :: !asleep -> goto drain
  :: else
  fi;
#endif
  goto poll;

shut: /* fluv__inbox_close() */
  atomic { empty(buffer) -> gate = gate | CLOSED }
#ifndef NO_WAIT
  gate == CLOSED;
#endif
  do
  :: head != 0 -> run_all()
  :: else -> break
  od;
  handle_closed = 1
}

/* When no process can go on, every node has been run or refused. */
active proctype Monitor() {
  byte i;

  timeout;
  for (i : 1 .. NODES) {
    assert(ran[i] + refused[i] == 1)
  }
}
