/* SPDX-License-Identifier: MIT */
/* Receiving without the guard: lib/sync/recv.c and send.c, for the only
 * receiver of a bounded channel. The receiver is on another thread than the
 * senders; the guard is shared from its first receive on.
 *
 * Modelled step by step, one step per access to shared memory; what the guard
 * protects is accessed under a mutex:
 *   Sender    send_slow(), take_places(), put(), settle_again(), send_arrive()
 *   Receiver  take_own(), serve_sender(), recv_slow(), take(), claim_window(),
 *             recv_arrive()
 * Not modelled: cancelling, closing, the way home of a grant (wait.pml).
 *
 * Memory: stores to `taken` and `tx_waits` are visible before the writer's next
 * load (they are sequentially consistent, and so are these loads: channel.h
 * says what C11 demands, and test/check-fences.sh checks it in compiled code);
 * `tail` is written after the message.
 *
 * Proved: each message is received once, those of one sender in order; none is
 * stored over another; no process waits for ever.
 *
 * Variants that must fail:
 *   NO_RX_FENCE  the receiver reads `tx_waits` before `taken` is visible
 *   NO_TX_FENCE  a sender reads `taken` before `tx_waits` is visible
 *   NO_AGAIN     a sender that waits does not read `taken` again
 *   NO_SERVE     the receiver does not read `tx_waits`
 *   NO_CLAIM     a claim does not set `tx_waits` for senders that waited before
 *   EARLY_TAKEN  `taken` is incremented before the message is copied out
 *   EARLY_TAIL   `tail` is advanced before the message is copied in
 */
#define SENDERS  2
#define EACH     2
#define MESSAGES (SENDERS * EACH)
#define CAPACITY 2

bit mutex;
bit shared;
byte slot[CAPACITY];
byte tail;
byte taken;
bit tx_waits;

/* Under the mutex. */
byte head;
byte length;
byte used;
byte settled;
chan tx_queue = [SENDERS] of { byte };
byte waiting; /* in tx_queue */
bit rx_waits;

bit granted[SENDERS];
bit rx_granted;
byte last[SENDERS]; /* of each sender, received */

/* Stores that are not seen yet, where a fence is missing. */
chan rx_buffer = [CAPACITY] of { byte };
chan tx_buffer = [SENDERS] of { bit };

#if defined(NO_RX_FENCE) || defined(NO_TX_FENCE)
active proctype Memory() {
end:
  do
  :: atomic { nempty(rx_buffer) -> rx_buffer?taken }
  :: atomic { nempty(tx_buffer) -> tx_buffer?tx_waits }
  od
}
#endif

inline lock() {
  atomic { !mutex && empty(rx_buffer) && empty(tx_buffer) -> mutex = 1 }
}

inline unlock() {
  atomic { empty(rx_buffer) && empty(tx_buffer) -> mutex = 0 }
}

inline settle() {
  d_step {
    head = head + taken - settled;
    length = length - (taken - settled);
    used = used - (taken - settled);
    settled = taken
  }
}

inline serve(who) {
  atomic {
    do
    :: waiting > 0 && used < CAPACITY ->
      tx_queue?who;
      waiting--;
      granted[who] = 1;
      used++
    :: else -> break
    od;
    if
    :: waiting == 0 -> tx_waits = 0
    :: else
    fi;
    who = 0
  }
}

inline put(message) {
#ifdef EARLY_TAIL
  tail = head + length + 1;
#endif
  atomic {
    assert(slot[(head + length) % CAPACITY] == 0);
    slot[(head + length) % CAPACITY] = message;
    length++
  };
  tail = head + length;
  atomic {
    if
    :: rx_waits -> rx_waits = 0; rx_granted = 1
    :: else
    fi
  }
}

proctype Sender(byte me) {
  byte sent;
  byte who;

  do
  :: sent == EACH -> break
  :: else ->
    lock();
    if
    :: waiting == 0 && used >= CAPACITY -> settle()
    :: else
    fi;
    if
    :: waiting == 0 && used < CAPACITY -> used++
    :: else ->
      atomic { tx_queue!me; waiting++ };
      if
      :: shared ->
#ifdef NO_TX_FENCE
        tx_buffer!1;
#else
        tx_waits = 1;
#endif
#ifndef NO_AGAIN
        settle();
        serve(who)
#endif
      :: else
      fi;
      unlock();
      atomic { granted[me] -> granted[me] = 0 };
      lock()
    fi;
    put(me * EACH + sent + 1);
    unlock();
    sent++
  od
}

inline check(message) {
  assert(message > last[(message - 1) / EACH]);
  last[(message - 1) / EACH] = message
}

active proctype Receiver() {
  byte received;
  byte message;
  byte claimed_head;
  byte claimed_end;
  byte who;
  bit owns;
#ifdef NO_RX_FENCE
  byte mine; /* `taken`, as we see it */
#endif

  do
  :: received == MESSAGES -> break
  :: received < MESSAGES && owns && claimed_head == claimed_end &&
     claimed_end != tail ->
    claimed_end = tail
  :: received < MESSAGES && owns && claimed_head != claimed_end ->
#ifdef EARLY_TAKEN
    taken++;
#endif
    d_step {
      message = slot[claimed_head % CAPACITY];
      slot[claimed_head % CAPACITY] = 0;
      assert(message != 0);
      check(message);
      claimed_head++
    };
#ifdef EARLY_TAKEN
#elif defined(NO_RX_FENCE)
    mine++;
    rx_buffer!mine;
#else
    taken++;
#endif
#ifndef NO_SERVE
    if
    :: tx_waits ->
      lock();
      settle();
      serve(who);
      unlock()
    :: else
    fi;
#endif
    received++
  :: received < MESSAGES && (!owns || (claimed_head == claimed_end &&
                                       claimed_end == tail)) ->
    lock();
    shared = 1;
    settle();
    if
    :: length == 0 ->
      rx_waits = 1;
      unlock();
      atomic { rx_granted -> rx_granted = 0 };
      lock();
      settle()
    :: else
    fi;
    d_step { /* claim_window() too */
      assert(length > 0);
      message = slot[head % CAPACITY];
      slot[head % CAPACITY] = 0;
      assert(message != 0);
      check(message);
      head++;
      length--;
      used--;
      owns = 1;
      claimed_head = head;
      claimed_end = head
    };
#ifndef NO_CLAIM
    if
    :: waiting > 0 -> tx_waits = 1
    :: else
    fi;
#endif
    serve(who);
    unlock();
    received++
  od
}

init {
  atomic {
    run Sender(0);
    run Sender(1)
  }
}
