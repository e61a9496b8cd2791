#ifndef FORGEDEMO_H
#define FORGEDEMO_H

/* The prefix of the environment that this library was linked into. */
const char *forgedemo_prefix(void);

int forgedemo_add(int a, int b);

#endif
