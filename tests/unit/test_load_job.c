/* Job files: what is accepted, what is refused and how it says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "load/option.h"

static int parse(struct job_file *jobs, const char *text, struct err *e) {
    *e = (struct err){0};
    return job_file_parse(jobs, "test.fio", text, strlen(text), e);
}

static void test_job_reads_globals_and_sections(void **state) {
    struct job_file jobs;
    struct err e;
    const char *text =
        "# comment\n[global]\nbs=8k\niodepth = 16\nioengine=libaio\ndirect=1\n\n"
        "[reader]\nrw=randread\nruntime=2m\ntime_based\n; another\n[writer]\nrw=write\nbs=64k,128k\nsize=1g\n";
    assert_int_equal(parse(&jobs, text, &e), 0);
    assert_int_equal(jobs.count, 2);
    assert_string_equal(jobs.job[0].name, "reader");
    assert_true(jobs.job[0].random && jobs.job[0].time_based);
    assert_int_equal(jobs.job[0].runtime_ns, 120000000000LL);
    assert_int_equal(jobs.job[0].bs[RUN_READ], 8192);
    assert_int_equal(jobs.job[0].iodepth, 16);
    assert_int_equal(jobs.job[1].bs[RUN_READ], 65536);
    assert_int_equal(jobs.job[1].bs[RUN_WRITE], 131072);
    assert_int_equal(jobs.job[1].bs[RUN_TRIM], 131072);
    assert_int_equal(jobs.job[1].size.bytes, 1 << 30);
    assert_int_equal(jobs.job[1].read_percent, 0);
    assert_string_equal(jobs.notes, "ioengine ");
    job_file_release(&jobs);
}

static void test_job_global_applies_only_to_later_sections(void **state) {
    struct job_file jobs;
    struct err e;
    assert_int_equal(parse(&jobs, "[a]\n[global]\niodepth=4\n[b]\n", &e), 0);
    assert_int_equal(jobs.job[0].iodepth, 1);
    assert_int_equal(jobs.job[1].iodepth, 4);
    job_file_release(&jobs);
}

static void test_job_sizes_follow_fio(void **state) {
    static const struct {
        const char *text;
        uint64_t bytes;
    } table[] = {{"512", 512},     {"4k", 4096},      {"4K", 4096},       {"4kb", 4096},      {"1m", 1 << 20},
                 {"1mi", 1 << 20}, {"1mib", 1000000}, {"2g", 2ULL << 30}, {"1t", 1ULL << 40}, {"0x1000", 4096}};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct job_file jobs;
        struct err e;
        char text[64];
        snprintf(text, sizeof(text), "[a]\nsize=%s\n", table[i].text);
        assert_int_equal(parse(&jobs, text, &e), 0);
        assert_int_equal(jobs.job[0].size.bytes, table[i].bytes);
        job_file_release(&jobs);
    }
}

/* Each bad file: the line it must name and a word of the explanation. */
static void test_job_refuses_by_line(void **state) {
    static const struct {
        const char *text, *where, *word;
    } table[] = {
        {"[a]\nrw=read\nbssplit=4k/50\n", "test.fio:3", "bssplit"},
        {"[a]\nbssplit=4k/60:8k/50\n", "test.fio:2", "100 %"},
        {"[a]\nbssplit=4k/60:1000/40\n", "test.fio:2", "multiples of 512"},
        {"[a]\nbsrange=4k\n", "test.fio:2", "MIN-MAX"},
        {"[a]\nblockalign=100\n", "test.fio:2", "512"},
        {"[a]\nrw=randread:0\n", "test.fio:2", "from 1"},
        {"[a]\nrw=read:100\n", "test.fio:2", "512"},
        {"[a]\nrw=randread:-4\n", "test.fio:2", "from 1"},
        {"[a]\nverfy=md5\n", "test.fio:2", "did you mean verify?"},
        {"[a]\nbogus=1\n", "test.fio:2", "steadystate"},
        {"[a]\nnrfiles=2\n", "test.fio:2", "one drive"},
        {"[global]\nexec_prerun=ls\n[a]\n", "test.fio:2", "programs"},
        {"[a]\nverify=fnord\n", "test.fio:2", "crc32c"},
        {"[a]\nverify=pattern\n", "test.fio", "verify_pattern"},
        {"[a]\nverify_pattern=\"open\n", "test.fio:2", "%o"},
        {"[a]\nverify=crc32c\nverify_interval=1000\n", "test.fio", "multiple of 512"},
        {"[a]\nrw=write\nverify=crc32c\nverify_offset=4090\n", "test.fio", "header"},
        {"[a]\nrandom_distribution=zipf:\n", "test.fio:2", "THETA"},
        {"[a]\nrandom_distribution=zipf:-1\n", "test.fio:2", "THETA"},
        {"[a]\nrandom_distribution=pareto:1.5\n", "test.fio:2", "between 0 and 1"},
        {"[a]\nrandom_distribution=zoned:60/100:40\n", "test.fio:2", "ACCESS"},
        {"[a]\nbs=(4k\n", "test.fio:2", "multiples of 512"},
        {"[a]\nbs=(4k)x\n", "test.fio:2", "multiples of 512"},
        {"[a]\nbs=(4k/0)\n", "test.fio:2", "multiples of 512"},
        {"[a]\nbs=(4k-8k)\n", "test.fio:2", "multiples of 512"},
        {"[a]\nsize=(2^2000)\n", "test.fio:2", "size"},
        {"[a]\nsize=(1.5%2)\n", "test.fio:2", "size"},
        {"[a]\nsize=((-2)^63/-1)\n", "test.fio:2", "size"},
        {"[a]\nsize=(-((-2)^63))\n", "test.fio:2", "size"},
        {"[a]\nruntime=(1q)\n", "test.fio:2", "runtime"},
        {"[a]\nnumjobs=$ncpus*\n", "test.fio:2", "around a keyword"},
        {"[a]\nnumjobs=$cpus\n", "test.fio:2", "from 1"},
        {"[a]\nverify_state_load=1\n", "test.fio:2", "new drive"},
        {"[a]\nrandom_distribution=normal:101\n", "test.fio:2", "0 to 100"},
        {"[a]\nrandom_distribution=zoned:60/10\n", "test.fio:2", "ACCESS"},
        {"[a]\nrandom_distribution=zoned:60/70:40/40\n", "test.fio:2", "ACCESS"},
        {"[a]\nrandom_distribution=gauss:1\n", "test.fio:2", "pareto"},
        {"[a]\nrandom_generator=mersenne\n", "test.fio:2", "tausworthe, lfsr"},
        {"[a]\nrw=randread\nrandom_generator=lfsr\nbsrange=4k-8k\n", "test.fio", "norandommap"},
        {"[a]\nzonemode=zoned\n", "test.fio:2", "none, strided, zbd"},
        {"[a]\nzonemode=strided\n", "test.fio", "zonesize"},
        {"[a]\nzonemode=strided\nzonesize=1000\n", "test.fio", "multiples of 512"},
        {"[a]\nrw=trimwrite\nzonemode=zbd\nzonesize=1m\n", "test.fio", "trimwrite"},
        {"[a]\nsteadystate=iops\n", "test.fio:2", "iops_slope:LIMIT"},
        {"[a]\nsteadystate=iops:2%\n", "test.fio", "steadystate_duration"},
        {"[a]\nsteadystate=iops:2%\nss_dur=1\n", "test.fio", "two samples"},
        {"[a]\nwait_for=b\n[b]\n", "test.fio", "no job of this name"},
        {"[a]\nrate=1m\nrate_iops=10\n", "test.fio", "only one"},
        {"[a]\nstartdelay=5-1\n", "test.fio:2", "range"},
        {"[a]\nprio=8\n", "test.fio:2", "from 0 to 7"},
        {"[a]\ncgroup_weight=0\n", "test.fio:2", "10 to 1000"},
        {"[a]\nkb_base=1001\n", "test.fio:2", "1000, 1024"},
        {"[a]\nsync=maybe\n", "test.fio:2", "dsync"},
        {"[a]\nreplay_skip=read,erase\n", "test.fio:2", "trim"},
        {"[a]\nread_iolog=x\nloops=2\n", "test.fio", "read_iolog"},
        {"[a]\ncontinue_on_error=often\n", "test.fio:2", "verify"},
        {"[a]\nthinktime_spin=1\n", "test.fio", "thinktime"},
        {"[a]\nsize=${NO_SUCH_VARIABLE_HERE}\n", "test.fio:2", "environment"},
        {"[a]\nsize=${OPEN\n", "test.fio:2", "without }"},
        {"[a]\ninclude other.fio\n", "test.fio:2", "include"},
        {"[a]\nrw=sideways\n", "test.fio:2", "randread"},
        {"[a]\nbs=100\n", "test.fio:2", "multiples of 512"},
        {"[a]\nbs=4k,4k,4k,4k\n", "test.fio:2", "three"},
        {"[a]\nbs=\n", "test.fio:2", "bs"},
        {"[a]\niodepth=0\n", "test.fio:2", "from 1"},
        {"[a]\niodepth=many\n", "test.fio:2", "from 1"},
        {"[a]\nnumjobs=1000000\n", "test.fio:2", "from 1"},
        {"[a]\nrwmixread=101\n", "test.fio:2", "from 0 to 100"},
        {"[a]\nsize=101%\n", "test.fio:2", "percentage"},
        {"[a]\nsize=99999999999999999999\n", "test.fio:2", "size"},
        {"[a]\nsize=99999999t\n", "test.fio:2", "size"},
        {"[a]\nruntime=-1\n", "test.fio:2", "runtime"},
        {"[a]\nruntime=10parsecs\n", "test.fio:2", "runtime"},
        {"[a]\ntime_based=2\n", "test.fio:2", "0 or 1"},
        {"[a]\ntime_based\n", "test.fio", "needs a runtime"},
        {"rw=read\n", "test.fio:1", "section"},
        {"[]\n", "test.fio:1", "[name]"},
        {"[a\n", "test.fio:1", "[name]"},
        {"", "test.fio", "no job"},
        {"[global]\nrw=read\n", "test.fio", "no job"},
        {"[a]\nnumber_ios=-1\n", "test.fio:2", "number"},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct job_file jobs;
        struct err e;
        assert_true(parse(&jobs, table[i].text, &e) < 0);
        if (!strstr(e.text, table[i].where) || !strstr(e.text, table[i].word))
            fail_msg("%s\n-> %s", table[i].text, e.text);
        job_file_release(&jobs);
    }
}

static void test_job_long_and_binary_lines_are_refused(void **state) {
    struct job_file jobs;
    struct err e = {0};
    static char text[9000];
    memset(text, 'a', sizeof(text));
    assert_true(job_file_parse(&jobs, "x", text, sizeof(text), &e) < 0);
    job_file_release(&jobs);
    assert_true(job_file_parse(&jobs, "x", "[a]\nrw=re\0ad\n", 13, &e) < 0);
    assert_non_null(strstr(e.text, "x:2"));
    job_file_release(&jobs);
}

static void test_job_resolves_against_capacity(void **state) {
    const uint64_t capacity = 1 << 30;
    struct job_file jobs;
    struct err e;
    assert_int_equal(parse(&jobs, "[a]\noffset=25%\nsize=50%\n[b]\n[c]\noffset=1g\n[d]\nsize=2g\n[e]\nsize=512\n", &e),
                     0);
    assert_int_equal(job_resolve(&jobs.job[0], capacity, 0, &e), 0);
    assert_true(jobs.job[0].offset.bytes <= capacity / 4 && jobs.job[0].offset.bytes > capacity / 4 - 8192);
    assert_int_equal(jobs.job[0].size.bytes, capacity / 2);
    assert_int_equal(job_resolve(&jobs.job[1], capacity, 0, &e), 0);
    assert_int_equal(jobs.job[1].size.bytes, capacity);
    for (int i = 2; i < 5; i++)
        assert_true(job_resolve(&jobs.job[i], capacity, 0, &e) < 0);
    job_file_release(&jobs);
}

static void parsed(struct job_file *jobs, const char *text) {
    struct err e;
    if (parse(jobs, text, &e))
        fail_msg("%s\n-> %s", text, e.text);
}

static uint64_t size_of(const char *value) {
    struct job_file jobs;
    struct err e = {0};
    char text[200];
    snprintf(text, sizeof(text), "[a]\nsize=%s\n", value);
    if (parse(&jobs, text, &e))
        fail_msg("%s", e.text);
    uint64_t bytes = jobs.job[0].size.bytes;
    job_file_release(&jobs);
    return bytes;
}

/* fio's arithmetic: % before ^ before * and /; a unit is of the product before it. */
static void test_job_values_may_be_arithmetic(void **state) {
    static const struct {
        const char *text;
        uint64_t bytes;
    } table[] = {{"(1024*1024)", 1 << 20},  {"(2*4k)", 8192},     {"(4k*2)", 8192},       {"(16/4k)", 4096},
                 {"(4096+4096)k", 8 << 20}, {"(2^12)", 4096},     {"(2^3^2)", 512},       {"(2 ^ 2 * 3)", 12},
                 {"(20480 % 16384)", 4096}, {"(-4k + 8k)", 4096}, {"(0x10 * 1k)", 16384}, {"((1+1)*(2+2)*1m)", 8 << 20},
                 {"(1.5*1m)", 3 << 19},     {"(7/2)", 3},         {"(1 + 2k)", 2049},     {"(2*5%3)", 4},
                 {"(2^-1*8)", 4},           {"(1kib)", 1000},     {"(10 - 2 - 3)", 5}};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (size_of(table[i].text) != table[i].bytes)
            fail_msg("%s -> %llu", table[i].text, (unsigned long long)size_of(table[i].text));
    struct job_file jobs;
    parsed(&jobs, "[a]\nruntime=(1+1)\nthinktime=(2*50ms)\niodepth=(2*8)\nbsrange=(4*1k)-(8*1k)\nbs_is_seq_rand=0\n");
    assert_int_equal(jobs.job[0].runtime_ns, 2000000000);
    assert_int_equal(jobs.job[0].thinktime_ns, 100000000);
    assert_int_equal(jobs.job[0].iodepth, 16);
    assert_int_equal(jobs.job[0].bs_max[RUN_WRITE], 8192);
    job_file_release(&jobs);
}

static void test_job_keywords_are_this_machines(void **state) {
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), cpus = (uint64_t)sysconf(_SC_NPROCESSORS_CONF);
    assert_int_equal(size_of("$pagesize"), page);
    assert_int_equal(size_of("$pagesize*2"), 2 * page);
    assert_int_equal(size_of("(8 + $ncpus)*4k"), (8 + cpus) * 4096);
    assert_true(size_of("$mb_memory*1m") > page && size_of("$mb_memory*1m") % (1 << 20) == 0);
    struct job_file jobs;
    parsed(&jobs, "[a]\ndescription=a$ncpusx\nname=$other\n");
    assert_string_equal(jobs.job[0].name, "$other");
    job_file_release(&jobs);
}

/* Each option: a value, and what it does to the job. */
static void test_job_options_reach_the_job(void **state) {
    struct job_file jobs;
    parsed(&jobs, "[a]\nbsrange=4k-16k,8k:32k\n[b]\nbssplit=4k/50:8k/:64k/20,512/100\n[c]\nbs=,8k\n[d]\nrw=randrw:8\n"
                  "[e]\nrw=write:-8k\n[f]\nrw=randtrimwrite\n[g]\nrate=,500k\nrate_iops=100,\n");
    struct job *j = jobs.job;
    assert_int_equal(j[0].bs[RUN_READ], 4096);
    assert_int_equal(j[0].bs_max[RUN_READ], 16384);
    assert_int_equal(j[0].bs_max[RUN_TRIM], 32768);
    assert_int_equal(j[1].bssplit[RUN_READ].count, 3);
    assert_int_equal(j[1].bssplit[RUN_READ].share[1].percent, 30); /* what is left */
    assert_int_equal(j[1].bs_max[RUN_READ], 65536);
    assert_int_equal(j[1].bssplit[RUN_TRIM].share[0].bytes, 512);
    assert_int_equal(j[2].bs[RUN_READ], 4096);
    assert_int_equal(j[2].bs[RUN_TRIM], 8192);
    assert_int_equal(j[3].rw_every, 8);
    assert_int_equal(j[4].rw_skip, -8192);
    assert_true(j[5].trimwrite && j[5].random && !j[5].uses[RUN_READ]);
    assert_int_equal(j[6].rate[RUN_READ], 0);
    assert_int_equal(j[6].rate[RUN_TRIM], 500 << 10);
    assert_int_equal(j[6].rate_iops[RUN_READ], 100);
    assert_int_equal(j[6].rate_iops[RUN_WRITE], 0);
    job_file_release(&jobs);
}

static void test_job_times_have_fios_units(void **state) {
    struct job_file jobs;
    parsed(&jobs, "[a]\nthinktime=10\nlatency_target=1ms\nramp_time=2\nstartdelay=1-5s\nss_dur=1m\nmax_latency=3,4s\n");
    const struct job *j = jobs.job;
    assert_int_equal(j->thinktime_ns, 10000);
    assert_int_equal(j->latency_target_ns, 1000000);
    assert_int_equal(j->ramp_ns, 2000000000);
    assert_int_equal(j->startdelay_ns, 1000000000);
    assert_int_equal(j->startdelay_max_ns, 5000000000);
    assert_int_equal(j->steady_duration_ns, 60000000000);
    assert_int_equal(j->max_latency_ns[RUN_READ], 3000);
    assert_int_equal(j->max_latency_ns[RUN_TRIM], 4000000000);
    job_file_release(&jobs);
}

/* It holds for the whole section, wherever it stands. */
static void test_job_kb_base_swaps_the_suffixes(void **state) {
    struct job_file jobs;
    parsed(&jobs, "[a]\nsize=1mi\nio_size=1mib\nkb_base=1000\n[b]\nsize=1m\n");
    assert_int_equal(jobs.job[0].size.bytes, 1000000);
    assert_int_equal(jobs.job[0].io_size.bytes, 1 << 20);
    assert_int_equal(jobs.job[1].size.bytes, 1 << 20);
    job_file_release(&jobs);
}

static void test_job_distributions_and_patterns(void **state) {
    static const uint8_t pattern[] = {0xff, 0, 0, 0, 0, 0, 0, 0, 0, 'a', 'b', 0xf4, 0xff, 0xff, 0xff, 0x10, 0x27};
    struct job_file jobs;
    parsed(&jobs, "[a]\nrandom_distribution=zipf:1.2:0.25\n[b]\nrandom_distribution=zoned:60/10:40/90,100/5\n"
                  "[c]\nrandom_distribution=zoned_abs:60/1m:40/2m\n[d]\nverify_pattern=0xff%o\"ab\"-12\n"
                  "[e]\nverify_pattern=10000\n[f]\nverify_pattern=%o0xff%o\n"
                  "[g]\nrandom_distribution=zipf\n[h]\nrandom_distribution=zoned:60/10:20:20\n");
    const struct job *j = jobs.job;
    assert_true(j[0].random_distribution == JOB_ZIPF && j[0].theta == 1.2 && j[0].center == 0.25 && j[0].norandommap);
    assert_int_equal(j[1].zoned[RUN_READ].count, 2);
    assert_int_equal(j[1].zoned[RUN_TRIM].count, 1);
    assert_int_equal(j[2].zoned[RUN_WRITE].share[1].bytes, 2 << 20);
    assert_int_equal(j[3].verify_pattern_offset[0], 1);
    assert_int_equal(j[3].verify_pattern_bytes, 15);
    assert_memory_equal(j[3].verify_pattern, pattern, 15);
    assert_memory_equal(j[4].verify_pattern, pattern + 15, 2);
    assert_int_equal(j[5].verify_offsets, 2);
    assert_int_equal(j[5].verify_pattern_offset[1], 9);
    assert_true(j[6].theta == 1.1 && j[7].zoned[RUN_READ].share[2].of_percent == 45);
    job_file_release(&jobs);
}

/* fio clamps these silently; a comment may follow a value. */
static void test_job_batches_fit_the_depth(void **state) {
    struct job_file jobs;
    parsed(&jobs, "[a]\niodepth = 4 ; comment\niodepth_batch=100\niodepth_batch_complete=9\niodepth_low=9 # too\n");
    assert_int_equal(jobs.job[0].iodepth, 4);
    assert_int_equal(jobs.job[0].iodepth_batch, 4);
    assert_int_equal(jobs.job[0].iodepth_batch_complete_min, 4);
    assert_int_equal(jobs.job[0].iodepth_low, 4);
    job_file_release(&jobs);
}

static void test_job_variables_come_from_the_environment(void **state) {
    struct job_file jobs;
    setenv("LOAD_JOB_TEST", "16", 1);
    parsed(&jobs, "[a]\niodepth=${LOAD_JOB_TEST}\nsize=${LOAD_JOB_TEST}m\n");
    assert_int_equal(jobs.job[0].iodepth, 16);
    assert_int_equal(jobs.job[0].size.bytes, 16 << 20);
    job_file_release(&jobs);
}

static void test_job_notes_what_has_no_effect(void **state) {
    struct job_file jobs;
    parsed(
        &jobs,
        "[global]\nioengine=io_uring\n[a]\nioengine=sync\nmem=malloc\nprio=3\ncgroup=x\nzero_buffers\n[b]\ncgroup=y\n");
    assert_string_equal(jobs.notes, "ioengine mem zero_buffers ");
    assert_string_equal(jobs.scheduling, "prio cgroup ");
    assert_int_equal(jobs.job[0].prio, 3);
    assert_int_equal(jobs.job[1].prio, -1);
    assert_string_equal(jobs.job[1].cgroup, "y");
    job_file_release(&jobs);
}

/* --- files --- */

static void put(const char *folder, const char *name, const char *text, char *path) {
    sprintf(path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void test_job_includes_beside_the_file(void **state) {
    char folder[] = "/tmp/load_job_XXXXXX", a[64], b[64], c[64];
    struct job_file jobs;
    struct err e = {0};
    assert_non_null(mkdtemp(folder));
    put(folder, "b.fio", "iodepth=7\n[two]\nrw=write\n", b);
    put(folder, "a.fio", "[one]\ninclude b.fio\nbs=8k\n", a);
    assert_int_equal(job_file_read(&jobs, a, NULL, &e), 0);
    assert_int_equal(jobs.count, 2);
    assert_int_equal(jobs.job[0].iodepth, 7);
    assert_int_equal(jobs.job[1].bs[RUN_READ], 8192); /* as if the text stood there */
    job_file_release(&jobs);

    put(folder, "b.fio", "# nothing\nrw=sideways\n", b);
    assert_true(job_file_read(&jobs, a, NULL, &e) < 0);
    assert_non_null(strstr(e.text, "b.fio:2: rw=sideways"));
    job_file_release(&jobs);

    put(folder, "b.fio", "\ninclude c.fio\n", b);
    put(folder, "c.fio", "include a.fio\n", c);
    assert_true(job_file_read(&jobs, a, NULL, &e) < 0);
    assert_non_null(strstr(e.text, "c.fio:1: include a.fio"));
    assert_true(strstr(e.text, "a.fio includes ") < strstr(e.text, "b.fio includes "));
    job_file_release(&jobs);

    put(folder, "c.fio", "include none.fio\n", c);
    assert_true(job_file_read(&jobs, a, NULL, &e) < 0);
    assert_non_null(strstr(e.text, "c.fio:1: none.fio: No such file"));
    job_file_release(&jobs);
    remove(a);
    remove(b);
    remove(c);
    remove(folder);
}

static void test_job_overrides_come_last(void **state) {
    char folder[] = "/tmp/load_job_XXXXXX", a[64];
    const char *const good[] = {"iodepth=9", "time_based=0"}, *const bad[] = {"iodepth=0"};
    struct job_file jobs;
    struct err e = {0};
    assert_non_null(mkdtemp(folder));
    put(folder, "a.fio", "[one]\niodepth=3\n[two]\n", a);
    assert_int_equal(job_file_read(&jobs, a, &(struct job_overrides){good, 2}, &e), 0);
    assert_int_equal(jobs.job[0].iodepth, 9);
    assert_int_equal(jobs.job[1].iodepth, 9);
    job_file_release(&jobs);
    assert_true(job_file_read(&jobs, a, &(struct job_overrides){bad, 1}, &e) < 0);
    assert_non_null(strstr(e.text, "--set: iodepth=0"));
    job_file_release(&jobs);
    remove(a);
    remove(folder);
}

/* --- fitting --- */

static int resolve_zoned(const char *text, uint64_t capacity, uint64_t zone_bytes, struct job_file *jobs,
                         struct err *e) {
    parsed(jobs, text);
    *e = (struct err){0};
    return job_resolve(&jobs->job[0], capacity, zone_bytes, e);
}

static void test_job_resolve_refuses_what_does_not_fit(void **state) {
    static const struct {
        const char *text, *word;
        uint64_t zone_bytes;
    } table[] = {
        {"[a]\nsize=4z\n", "zones", 0},
        {"[a]\nzonemode=zbd\n", "zonesize", 0},
        {"[a]\nzonemode=zbd\nzonesize=1m\n", "the drive's zones have 2097152", 2 << 20},
        {"[a]\nzonemode=zbd\noffset=1m\n", "start of a zone", 2 << 20},
        {"[a]\nzonemode=zbd\nsize=1m\n", "smaller than a zone", 2 << 20},
        {"[a]\nzonemode=zbd\nbs=12k\n", "does not fit zones", 2 << 20},
        {"[a]\nnumjobs=4\noffset_increment=400m\n", "last of 4 instances", 0},
        {"[a]\nnumjobs=2\noffset_increment=512m\nsize=600m\n", "last instance", 0},
        {"[a]\nio_size=1k\n", "io_size", 0},
        {"[a]\nrandom_distribution=zoned_abs:50/1g:50/1g\n", "larger than the region", 0},
        {"[a]\nfilesize=1m\noffset=1m\n", "beyond", 0},
        {"[a]\noffset=100\n", "multiple of 512", 0},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct job_file jobs;
        struct err e;
        assert_true(resolve_zoned(table[i].text, 1 << 30, table[i].zone_bytes, &jobs, &e) < 0);
        if (!strstr(e.text, table[i].word))
            fail_msg("%s\n-> %s", table[i].text, e.text);
        job_file_release(&jobs);
    }
}

static void test_job_instances_share_the_drive(void **state) {
    struct job_file jobs;
    struct err e;
    uint64_t offset, size;
    assert_int_equal(
        resolve_zoned("[a]\nnumjobs=3\noffset=10%\noffset_increment=25%\nio_size=50%\n", 1 << 30, 0, &jobs, &e), 0);
    job_region(&jobs.job[0], 2, &offset, &size);
    uint64_t tenth = (1 << 30) / 10, first = tenth + 4096 - tenth % 4096;
    assert_int_equal(offset, first + 2 * (256 << 20));
    assert_int_equal(size, (1 << 30) - offset);
    assert_int_equal(jobs.job[0].io_size.bytes, ((1 << 30) - first) / 2); /* of the region */
    job_file_release(&jobs);
    assert_int_equal(resolve_zoned("[a]\noffset=2z\nsize=3z\n", 1 << 30, 2 << 20, &jobs, &e), 0);
    assert_int_equal(jobs.job[0].offset.bytes, 4 << 20);
    assert_int_equal(jobs.job[0].size.bytes, 6 << 20);
    job_file_release(&jobs);
}

/* Every row can be found by its names, says what it allows and what it means. */
static void test_job_option_rows_are_whole(void **state) {
    unsigned supported = 0;
    for (const struct job_option *o = job_options; o->name; o++) {
        char allowed[600];
        assert_ptr_equal(job_option_find(o->name), o);
        assert_true(o->help && strlen(o->help) > 5);
        if (o->type == JOB_NOTED || o->type == JOB_REFUSED)
            continue;
        supported++;
        if (!job_option_allowed(o, allowed, sizeof(allowed))[0])
            fail_msg("%s says not what it allows", o->name);
        assert_true(o->type != JOB_SPECIAL || o->set);
    }
    assert_true(supported > 90);
    assert_ptr_equal(job_option_find("blocksize"), job_option_find("bs"));
    assert_ptr_equal(job_option_find("ss_dur"), job_option_find("steadystate_duration"));
    assert_null(job_option_find("blocksiz"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_job_reads_globals_and_sections),
        cmocka_unit_test(test_job_global_applies_only_to_later_sections),
        cmocka_unit_test(test_job_sizes_follow_fio),
        cmocka_unit_test(test_job_values_may_be_arithmetic),
        cmocka_unit_test(test_job_keywords_are_this_machines),
        cmocka_unit_test(test_job_refuses_by_line),
        cmocka_unit_test(test_job_long_and_binary_lines_are_refused),
        cmocka_unit_test(test_job_resolves_against_capacity),
        cmocka_unit_test(test_job_options_reach_the_job),
        cmocka_unit_test(test_job_times_have_fios_units),
        cmocka_unit_test(test_job_kb_base_swaps_the_suffixes),
        cmocka_unit_test(test_job_distributions_and_patterns),
        cmocka_unit_test(test_job_batches_fit_the_depth),
        cmocka_unit_test(test_job_variables_come_from_the_environment),
        cmocka_unit_test(test_job_notes_what_has_no_effect),
        cmocka_unit_test(test_job_includes_beside_the_file),
        cmocka_unit_test(test_job_overrides_come_last),
        cmocka_unit_test(test_job_resolve_refuses_what_does_not_fit),
        cmocka_unit_test(test_job_instances_share_the_drive),
        cmocka_unit_test(test_job_option_rows_are_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
