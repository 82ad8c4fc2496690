/* SPDX-License-Identifier: MIT */
#include "fluv-test.h"
int main(void) { return 0; }
