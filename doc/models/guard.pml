/* SPDX-License-Identifier: MIT */
/* The guard: lib/sync/guard.{h,c}.
 *
 * Modelled step by step, one step per access to shared memory:
 *   Home       fluv__guard_enter_home(), _leave_home(), _lock(), _unlock() on
 *              the thread that made the guard, for ever
 *   Foreign    fluv__guard_lock_shared(), _unlock_shared(), VISITS times each
 * Not modelled: guards that are shared from the start (only a mutex).
 *
 * Memory: all plain stores of the home thread, also those to the guarded data,
 * pass through one store buffer, in order. It is drained at any later time, by
 * the mutex, or by membarrier(2) of another thread, which waits for that. A
 * seq_cst store of a foreign thread is visible at once.
 *
 * Proved: at most one thread is inside; a thread that enters sees what those
 * before it have written; no deadlock; the first foreign thread enters although
 * the home thread never stops (LTL `through`, with weak fairness). From then on
 * the mutex decides who is next.
 *
 * Variants that must fail:
 *   NO_BARRIER       the home thread's `busy` may still be in its buffer
 *   NO_WAIT          the home thread may still be inside
 *   NO_SHARED_CHECK  the home thread does not read `shared`
 */
#define FOREIGN 2
#define VISITS  2
#define MODULUS 8

#define BUSY 0
#define DATA 1

bit busy;
bit shared;
bit mutex;
byte data;   /* what is guarded */
byte truth;  /* what it should be */
byte inside;
bit visited;
byte pending; /* stores of data in the buffer */

chan buffer = [4] of { bit, byte };

#ifdef NO_BARRIER
#define barrier skip
#else
#define barrier empty(buffer)
#endif

active proctype Memory() {
  byte value;

end:
  do
  :: atomic { buffer?BUSY, value -> busy = value; value = 0 }
  :: atomic { buffer?DATA, value -> data = value; pending--; value = 0 }
  od
}

inline enter() {
  d_step { inside++; assert(inside == 1) }
}

inline leave() {
  d_step { truth = (truth + 1) % MODULUS; inside-- }
}

active proctype Home() {
  byte value;
  byte mine;

end:
  do
  :: buffer!BUSY, 1;
    if
#ifndef NO_SHARED_CHECK
    :: shared ->
      buffer!BUSY, 0;
      atomic { !mutex && empty(buffer) -> mutex = 1 }
      enter();
      value = data;
      assert(value == truth);
      data = (value + 1) % MODULUS;
      leave();
      mutex = 0
    :: !shared ->
#else
    :: true ->
#endif
      enter();
      /* It reads its own buffer first. */
      atomic { value = (pending > 0 -> mine : data) }
      assert(value == truth);
      mine = (value + 1) % MODULUS;
      atomic { buffer!DATA, mine; pending++ }
      leave();
      buffer!BUSY, 0
    fi;
    value = 0
  od
}

active [FOREIGN] proctype Foreign() {
  byte visits;
  byte value;

  do
  :: visits == VISITS -> break
  :: else ->
    atomic { !mutex -> mutex = 1 }
    if
    :: shared
    :: else ->
      shared = 1;
      barrier;
#ifndef NO_WAIT
      !busy
#endif
    fi;
    enter();
    value = data;
    assert(value == truth);
    data = (value + 1) % MODULUS;
    leave();
    value = 0;
    mutex = 0;
    visited = 1;
    visits++
  od
}

ltl through { <> visited }
