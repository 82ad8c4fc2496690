/* SPDX-License-Identifier: MIT */
/* Deadlines: a time limit for all awaits of a section of a task. */
#include "core/interrupt.h"

int fluv_deadline_begin(uint64_t limit_ms) {
  return fluv__cancel_scope_begin("fluv_deadline_begin()", false, limit_ms);
}

bool fluv_deadline_end(void) {
  return fluv__cancel_scope_end("fluv_deadline_end()", false);
}
