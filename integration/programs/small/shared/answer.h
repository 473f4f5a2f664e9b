// Read by the cgo package, from outside of it.
#define SHARED_ANSWER 41
