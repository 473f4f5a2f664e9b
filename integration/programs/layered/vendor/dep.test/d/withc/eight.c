#include "eight.h"
int eight(void) { return EIGHT; }
