#include "forgedemo.h"

/* The linker of the environment overwrites this string: it must stay whole, so the compiler may not fold it. */
static const char *const volatile prefix = PREFIX;

const char *forgedemo_prefix(void) { return prefix; }

int forgedemo_add(int a, int b) { return a + b; }
