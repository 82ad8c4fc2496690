/* SPDX-License-Identifier: MIT */
/* The first frame of a new stack, for the switch in assembly. */
#include "core/switch.h"

/* The apparent caller of the first frame of a stack: unwinders stop here. It is
 * never run. The return address is one past its beginning,
 * since unwinders read the instruction before a return address. */
#if defined(__x86_64__)
__asm__(
    ".text\n"
    ".type fluv__stack_begin, @function\n"
    "fluv__stack_begin:\n"
    ".cfi_startproc\n"
    ".cfi_undefined rip\n"
    "nop\n"
    ".globl fluv__stack_begin_return\n"
    ".hidden fluv__stack_begin_return\n"
    "fluv__stack_begin_return:\n"
    "ud2\n"
    ".cfi_endproc\n"
    ".size fluv__stack_begin, . - fluv__stack_begin\n");
#elif defined(__aarch64__)
__asm__(
    ".text\n"
    ".type fluv__stack_begin, %function\n"
    "fluv__stack_begin:\n"
    ".cfi_startproc\n"
    ".cfi_undefined x30\n"
    "nop\n"
    ".globl fluv__stack_begin_return\n"
    ".hidden fluv__stack_begin_return\n"
    "fluv__stack_begin_return:\n"
    "brk #1\n"
    /* The entry function comes by a jump; its return address is made up. */
    ".globl fluv__stack_enter\n"
    ".hidden fluv__stack_enter\n"
    "fluv__stack_enter:\n"
    "hint #36\n"
    "ldr x9, [sp], #16\n"
    "adr x30, fluv__stack_begin_return\n"
    "br x9\n"
    ".cfi_endproc\n"
    ".size fluv__stack_begin, . - fluv__stack_begin\n");

void fluv__stack_enter(void);
#endif

extern const char fluv__stack_begin_return[];

/* The FPCR that a new stack begins with: that of now. */
static uint64_t current_control(void) {
  uint64_t control = 0;

#if defined(__aarch64__)
  __asm__ volatile("mrs %0, fpcr" : "=r"(control));
#endif
  return control;
}

void* fluv__switch_init(char* low, char* top, void (*entry)(void)) {
  fluv__saved_t* saved = (fluv__saved_t*) (void*) top - 1;
  void** sp = (void**) ((uintptr_t) saved & ~(uintptr_t) 15);

  (void) low;
#if defined(__x86_64__)
  /* As after a call: the return address on top of an aligned stack. */
  *--sp = (void*) (uintptr_t) fluv__stack_begin_return;
  saved->pc = (void*) (uintptr_t) entry;
#elif defined(__aarch64__)
  sp -= 2;
  *sp = (void*) (uintptr_t) entry;
  saved->pc = (void*) (uintptr_t) fluv__stack_enter;
#endif
  saved->sp = sp;
  saved->fp = NULL;
  saved->control = current_control();
  return saved;
}
