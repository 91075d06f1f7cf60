/*
 * Profile text: any bytes as an INI file into all options of a drive, then the
 * check of the whole configuration. What was accepted must be in range, and
 * read back from its own text as the same value.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/opt.h"
#include "drive/drive.h"
#include "fuzz.h"

static void check_round_trip(const struct opt_set *set) {
    static struct drive_config copy;
    struct opt_set back = {0};
    fuzz_require(!drive_config_init(&copy, &back, NULL));
    for (unsigned t = 0; t < set->count; t++) {
        for (const struct opt_row *row = set->table[t].rows; row->key; row++) {
            char text[OPT_STRING_MAX + 64], again[OPT_STRING_MAX + 64];
            opt_value_text(row, set->table[t].config, text, sizeof text);
            fuzz_require(!opt_assign(&back, row->section, row->key, text, NULL));
            opt_value_text(row, back.table[t].config, again, sizeof again);
            fuzz_require(!strcmp(text, again));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct drive_config config;
    struct opt_set set = {0};
    struct err e = {0};
    fuzz_require(!drive_config_init(&config, &set, &e));
    int rc = opt_load_ini_text(&set, "fuzz.ini", (const char *)data, size, NULL, &e);
    fuzz_require(rc <= 0 && (rc == 0) == (e.text[0] == '\0'));
    check_round_trip(&set);
    if (!rc) {
        rc = drive_config_check(&config, &e);
        fuzz_require(rc <= 0 && (rc == 0) == (e.text[0] == '\0'));
    }
    return 0;
}
