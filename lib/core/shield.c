/* SPDX-License-Identifier: MIT */
/* Shields: a section of a task in which interrupts are deferred. */
#include "core/interrupt.h"

int fluv_shield_begin(uint64_t limit_ms) {
  return fluv__cancel_scope_begin("fluv_shield_begin()", true, limit_ms);
}

void fluv_shield_end(void) {
  (void) fluv__cancel_scope_end("fluv_shield_end()", true);
}
