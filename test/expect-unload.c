/* SPDX-License-Identifier: MIT */
/* A program that loads a plugin which uses fluv, unloads it, and continues.
 *
 *   expect-unload PLUGIN LEFT ABANDONED   Blocking jobs of so many milliseconds
 *                                         run on while it is unloaded.
 *
 * It prints "went on" and returns 3, after a SIGSEGV of its own that it catches
 * itself. */
#include <dlfcn.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static sigjmp_buf place;

static void on_fault(int signum) {
  siglongjmp(place, signum);
}

static int64_t work(void* arg) {
  usleep(1000 * *(unsigned*) arg);
  return 0;
}

static int use_plugin(const char* path, unsigned* left, unsigned* abandoned) {
  void* plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  int (*run)(int64_t(*work)(void* arg), void* left, void* abandoned);
  int err;

  if (plugin == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  *(void**) &run = dlsym(plugin, "plugin_run");
  err = run == NULL ? 1
                    : run(work,
                          *left > 0 ? left : NULL,
                          *abandoned > 0 ? abandoned : NULL);
  if (dlclose(plugin) != 0)
    err = 1;
  return err;
}

int main(int argc, char** argv) {
  volatile uintptr_t nowhere = 64;
  static unsigned ms[2];
  int i;

  if (argc != 4)
    return 1;
  ms[0] = (unsigned) atoi(argv[2]);
  ms[1] = (unsigned) atoi(argv[3]);
  signal(SIGSEGV, on_fault);
  for (i = 0; i < 3; i++)
    if (use_plugin(argv[1], &ms[0], &ms[1]) != 0)
      return 2;
  if (sigsetjmp(place, 1) == 0)
    return *(volatile char*) nowhere;
  printf("went on\n");
  return 3;
}
