#include "clib.h"
#include "answer.h"
#if __has_include(<small_system.h>)
#include <small_system.h>
#else
#define SMALL_SYSTEM 0
#endif

int clib_answer(void) { return SHARED_ANSWER; }
int clib_system(void) { return SMALL_SYSTEM; }
