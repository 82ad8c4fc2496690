/* SPDX-License-Identifier: MIT */
/* Receiving without the guard: lib/sync/recv.c and send.c, for the only
 * receiver of a bounded channel. It is on another thread than the senders; the
 * guard is shared from the time it first comes.
 *
 * Modelled step by step, one step an access to shared memory; what the guard
 * protects is touched under a mutex:
 *   Sender    send_slow(), take_places(), put(), look_again(), send_arrive()
 *   Receiver  take_own(), serve_sender(), recv_slow(), take(), claim_window(),
 *             recv_arrive()
 * Not modelled: cancelling, closing, the way home of what is given (wait.pml).
 *
 * Memory: `taken` and `tx_waits` are written by stores that are seen before
 * the writer's next load (sequentially consistent, and so are these loads: what
 * C11 asks for is in channel.h, and test/check-fences.sh looks for it in what a
 * compiler makes of the code); `tail` is written after the message.
 *
 * Proved: each message is received once, those of a sender in order; none is
 * put where one still lies; nobody waits for ever.
 *
 * Found to fail, as they must:
 *   NO_RX_FENCE  the receiver looks at `tx_waits` before `taken` is seen
 *   NO_TX_FENCE  a sender looks at `taken` before `tx_waits` is seen
 *   NO_AGAIN     a sender that waits does not look at `taken` once more
 *   NO_SERVE     the receiver does not look at `tx_waits`
 *   NO_CLAIM     nor does it say there who began to wait when it had not come
 *   EARLY_TAKEN  `taken` is counted up before the message is out
 *   EARLY_TAIL   `tail` is moved on before the message is in
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

bit given[SENDERS];
bit rx_given;
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
      given[who] = 1;
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
    :: rx_waits -> rx_waits = 0; rx_given = 1
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
      atomic { given[me] -> given[me] = 0 };
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
  :: received < MESSAGES && owns && claimed_head == claimed_end && claimed_end != tail ->
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
      atomic { rx_given -> rx_given = 0 };
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
