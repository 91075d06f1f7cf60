/* Hard disks against the oracle of all drives: random requests and power cuts, with caches of all shapes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "drive_oracle.h"

#define DISK "drive.kind=hdd", "drive.capacity=4MiB"

static const char *const shapes[][12] = {
    {DISK, "hdd.write_segments=1", "hdd.segment_bytes=4KiB", "hdd.queue_depth=1"},
    {DISK, "hdd.write_segments=3", "hdd.segment_bytes=8KiB", "hdd.queue_depth=4", "hdd.read_segments=0"},
    {DISK, "hdd.sector_bytes=512", "hdd.write_segments=16", "hdd.segment_bytes=64KiB", "hdd.policy=fcfs"},
    {DISK, "hdd.write_segments=64", "hdd.policy=look", "hdd.read_segments=2", "hdd.read_ahead=1MiB"},
    {DISK, "hdd.write_cache=no", "hdd.write_segments=2", "hdd.segment_bytes=16KiB"},
    {DISK, "hdd.zones=0-99999:256:40:48:1000", "hdd.defects=500", "hdd.grown_defects=500", "hdd.pressure_percent=0",
     "hdd.write_back_age=0"},
};

static void test_hdd_agrees_with_the_oracle(void **state) {
    for (unsigned i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct drive_config config;
        static struct oracle o;
        oracle_config(&config, shapes[i]);
        oracle_open(&o, &config, "memory", NULL, 90 + i);
        for (unsigned round = 0; round < 6; round++) {
            oracle_run(&o, 500, true);
            oracle_power_cut(&o);
            oracle_check(&o);
        }
        oracle_run(&o, 500, false);
        oracle_verify(&o);
        oracle_check(&o);
        oracle_close(&o);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_hdd_agrees_with_the_oracle)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
