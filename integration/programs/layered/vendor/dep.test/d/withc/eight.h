#ifndef EIGHT
#define EIGHT 8
#endif
int eight(void);
