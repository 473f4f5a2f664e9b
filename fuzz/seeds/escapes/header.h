#include "../x.h"
#  include <../y dir/x.h>
%:include "../x"
#define X \
 "../../z.h"
#if __has_include("/data/x.h")
#embed <../x>
# 1 "../x"
/* see ../x */
#include "link/../x.go"
#include "\x2e./x"
