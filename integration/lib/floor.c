// The floor of the GOCACHEPROG protocol: a cache program that answers each get from a table in memory, with no other system call than
// the read and the write. For integration/bench-builds.
//   floor TABLE    lines of TABLE, sorted: action, output, size, time, path; ids in base64, times as cmd/go writes them
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ID = 44, MOST = 1 << 16 };

static const char hello[] = "{\"ID\":0,\"KnownCommands\":[\"get\",\"put\"]}\n";
static char *lines[MOST];
static size_t count;

static int by_action(const void *action, const void *line) { return memcmp(action, *(char *const *)line, ID); }

static void load(const char *path) {
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t room = 0;
    while (file && count < MOST && getline(&line, &room, file) > ID) lines[count++] = strdup(line);
}

static void answer(const char *request) {
    char out[8192];
    const char *id = strstr(request, "\"ID\":"), *action = strstr(request, "\"ActionID\":\"");
    long number = id ? atol(id + 5) : 0;
    char **found = NULL;
    int length;
    if (action && strstr(request, "\"get\"")) found = bsearch(action + 12, lines, count, sizeof *lines, by_action);
    if (found) {
        char output[ID + 1], time[64], path[4096];
        long size;
        sscanf(*found + ID + 1, "%44s %ld %63s %4095s", output, &size, time, path);
        length = snprintf(out, sizeof out, "{\"ID\":%ld,\"OutputID\":\"%s\",\"Size\":%ld,\"Time\":\"%s\",\"DiskPath\":\"%s\"}\n", number, output,
                          size, time, path);
    } else if (strstr(request, "\"put\"")) {
        length = snprintf(out, sizeof out, "{\"ID\":%ld,\"DiskPath\":\"/nowhere\"}\n", number);
    } else {
        length = snprintf(out, sizeof out, "{\"ID\":%ld,\"Miss\":true}\n", number);
    }
    if (write(1, out, length) != length) exit(1);
}

int main(int argc, char **argv) {
    static char buffer[4 << 20];
    size_t filled = 0;
    ssize_t got;
    if (argc > 1) load(argv[1]);
    if (write(1, hello, sizeof hello - 1) != sizeof hello - 1) return 1;
    while ((got = read(0, buffer + filled, sizeof buffer - filled - 1)) > 0) {
        char *line = buffer, *end;
        filled += got;
        while ((end = memchr(line, '\n', filled - (line - buffer)))) {
            *end = 0;
            if (*line == '{') answer(line);
            line = end + 1;
        }
        filled -= line - buffer;
        memmove(buffer, line, filled);
        if (filled == sizeof buffer - 1) filled = 0; // a body, which is not looked at
    }
    return 0;
}
