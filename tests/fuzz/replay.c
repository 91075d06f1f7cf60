/*
 * Replays a corpus through a fuzz target, one TAP line an input:
 * fuzz_NAME FOLDER. A crash ends the program short of its plan.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

#define INPUT_MAX (1u << 20)

static int is_input(const struct dirent *d) {
    return d->d_name[0] != '.';
}

/* Each input in an allocation of its own size, so that reading beyond it is seen. Returns 0, or -1 if unreadable. */
static int replay(const char *path) {
    static uint8_t buf[INPUT_MAX];
    FILE *f = fopen(path, "re");
    if (!f)
        return -1;
    size_t size = fread(buf, 1, sizeof buf, f);
    int bad = ferror(f);
    fclose(f);
    uint8_t *exact = malloc(size ? size : 1);
    if (bad || !exact) {
        free(exact);
        return -1;
    }
    memcpy(exact, buf, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    return 0;
}

int main(int argc, char **argv) {
    struct dirent **inputs;
    int n = argc == 2 ? scandir(argv[1], &inputs, is_input, alphasort) : -1, failed = 0;
    if (n < 1) {
        fprintf(stderr, "usage: %s FOLDER (with at least one input)\n", argv[0]);
        return 1;
    }
    printf("1..%d\n", n);
    for (int i = 0; i < n; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", argv[1], inputs[i]->d_name);
        printf("# %s\n", inputs[i]->d_name);
        fflush(stdout);
        int bad = replay(path);
        failed |= bad;
        printf("%sok %d - %s\n", bad ? "not " : "", i + 1, inputs[i]->d_name);
        free(inputs[i]);
    }
    free(inputs);
    return failed ? 1 : 0;
}
