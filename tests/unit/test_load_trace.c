/* Traces: every format, packed and plain; what is wrong with a file is said with its place. */
#include "load/trace/trace.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <cmocka.h>

static char folder[] = "/tmp/drivelab-trace-XXXXXX";
static char path_of_file[300];

static const char *file_named(const char *name, const void *bytes, size_t len) {
    snprintf(path_of_file, sizeof(path_of_file), "%s/%s", folder, name);
    FILE *f = fopen(path_of_file, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, len, f), len);
    fclose(f);
    return path_of_file;
}

static const char *text_file(const char *text) {
    return file_named("trace", text, strlen(text));
}

static struct trace *open_as(const char *path, const char *format, uint64_t bad_lines, struct err *e) {
    const struct trace_config config = {.path = path, .format = format, .bad_lines = bad_lines};
    return trace_open(&config, e);
}

struct expected {
    int64_t at_ns;
    enum trace_op op;
    uint64_t offset, bytes;
    uint32_t device;
};

static void expect_records(struct trace *t, const struct expected *x, unsigned count) {
    struct err e = {0};
    struct trace_record r;
    for (unsigned i = 0; i < count; i++) {
        int got = trace_next(t, &r, &e);
        if (got != 1)
            fail_msg("record %u: %d %s", i, got, e.text);
        assert_int_equal(r.at_ns, x[i].at_ns);
        assert_int_equal(r.op, x[i].op);
        assert_int_equal(r.offset, x[i].offset);
        assert_int_equal(r.bytes, x[i].bytes);
        assert_int_equal(r.device, x[i].device);
    }
    int end = trace_next(t, &r, &e);
    if (end)
        fail_msg("after the last: %d %s", end, e.text);
}

#define EXPECT(t, ...)                                                                                                 \
    do {                                                                                                               \
        static const struct expected x[] = {__VA_ARGS__};                                                              \
        expect_records(t, x, sizeof(x) / sizeof(*x));                                                                  \
        trace_close(t);                                                                                                \
    } while (0)

static struct trace *must_open(const char *text, const char *format) {
    struct err e = {0};
    struct trace *t = open_as(text_file(text), NULL, 0, &e);
    if (!t)
        fail_msg("%s", e.text);
    assert_string_equal(trace_format_name(t), format);
    return t;
}

/* ---- Formats, found by looking ---- */

static void test_trace_drivelab(void **state) {
    struct trace *t =
        must_open("# drivelab trace 1\n1000,W,4096,8192\n1500,R,0,512\n1500,T,0,4096\n9000,F,0,0\n", "drivelab");
    EXPECT(t, {0, TRACE_WRITE, 4096, 8192}, {500, TRACE_READ, 0, 512}, {500, TRACE_TRIM, 0, 4096}, {8000, TRACE_FLUSH});
}

static void test_trace_fio_version_2(void **state) {
    struct trace *t = must_open("fio version 2 iolog\n/dev/x add\n/dev/x open\n/dev/x read 4096 512\n/dev/x wait 7 0\n"
                                "/dev/x write 0 1024\n/dev/x sync 0 0\n/dev/x trim 512 512\n/dev/x close\n",
                                "fio");
    EXPECT(t, {0, TRACE_READ, 4096, 512}, {7000, TRACE_WRITE, 0, 1024}, {7000, TRACE_FLUSH},
           {7000, TRACE_TRIM, 512, 512});
}

static void test_trace_fio_version_3(void **state) {
    struct trace *t =
        must_open("fio version 3 iolog\n5 x add\n9 x open\n20 x read 4096 512\n25 x datasync 0 0\n30 x close\n", "fio");
    EXPECT(t, {0, TRACE_READ, 4096, 512}, {5000, TRACE_FLUSH});
}

static void test_trace_mqsim(void **state) {
    struct trace *t = must_open("938513000 4 264719034 16 0\n938828000 3 197570570 8 1\n", "mqsim");
    EXPECT(t, {0, TRACE_WRITE, 264719034ull * 512, 8192, 4}, {315000, TRACE_READ, 197570570ull * 512, 4096, 3});
}

static void test_trace_msr(void **state) {
    struct trace *t = must_open("128166372003061629,hm,1,Read,383496192,32768,113736\n"
                                "128166372003061639,hm,0,Write,4096,512,1\n",
                                "msr");
    EXPECT(t, {0, TRACE_READ, 383496192, 32768, 1}, {1000, TRACE_WRITE, 4096, 512, 0});
}

static void test_trace_alibaba(void **state) {
    struct trace *t =
        must_open("419,W,8792731648,16384,1577808000000046\n725,R,24576,4096,1577808000000146\n", "alibaba");
    EXPECT(t, {0, TRACE_WRITE, 8792731648, 16384, 419}, {100000, TRACE_READ, 24576, 4096, 725});
}

static void test_trace_tencent(void **state) {
    struct trace *t = must_open("1538323200,12910952,128,0,1063\n1538323201,6,8,1,1064\n", "tencent");
    EXPECT(t, {0, TRACE_READ, 12910952ull * 512, 65536, 1063}, {1000000000, TRACE_WRITE, 3072, 4096, 1064});
}

static void test_trace_spc(void **state) {
    struct trace *t = must_open("0,20941264,8192,W,0.551706\n1,20939840,4096,r,0.554041\n", "spc");
    EXPECT(t, {0, TRACE_WRITE, 20941264ull * 512, 8192, 0}, {2335000, TRACE_READ, 20939840ull * 512, 4096, 1});
}

static void test_trace_systor(void **state) {
    struct trace *t = must_open("Timestamp,Response,IOType,LUN,Offset,Size\n1455592511.006588,0.000134,W,2,4096,512\n"
                                "1455592511.006688,,R,0,8192,4096\n",
                                "systor");
    EXPECT(t, {0, TRACE_WRITE, 4096, 512, 2}, {100000, TRACE_READ, 8192, 4096, 0});
}

static void test_trace_fiu(void **state) {
    struct trace *t = must_open("89967404237264 4892 syslogd 904265560 8 W 6 0 531e779a9e4e\n"
                                "89967404237300 4892 syslogd 8 16 R 6 0 531e779a9e4e\n",
                                "fiu");
    EXPECT(t, {0, TRACE_WRITE, 904265560ull * 512, 4096, 6 << 20}, {36, TRACE_READ, 4096, 8192, 6 << 20});
}

static void test_trace_headings_are_left_out(void **state) {
    struct trace *t = must_open("Timestamp,Hostname,DiskNumber,Type,Offset,Size,ResponseTime\n"
                                "128166372003061629,hm,0,Read,0,512,1\n",
                                "msr");
    EXPECT(t, {0, TRACE_READ, 0, 512, 0});
    t = must_open("device_id,opcode,offset,length,timestamp\n1,R,0,512,7\n", "alibaba");
    EXPECT(t, {0, TRACE_READ, 0, 512, 1});
}

static const char blkparse_text[] = "259,0    1        1     0.000000000  1234  Q   R 2048 + 8 [fio]\n"
                                    "259,0    1        2     0.000001000  1234  G   R 2048 + 8 [fio]\n"
                                    "259,0    1        3     0.000002000  1234  D   R 2048 + 8 [fio]\n"
                                    "259,0    0        1     0.000900000  1234  Q  WS 4096 + 16 [jbd2]\n"
                                    "259,0    0        2     0.001000000  1234  Q FWS [jbd2]\n"
                                    "259,0    0        3     0.002000000  1234  Q  DS 0 + 2048 [fstrim]\n"
                                    "259,0    0        4     0.003000000     0  C   R 2048 + 8 [0]\n"
                                    "CPU0 (nvme0n1):\n Reads Queued:           1,        4KiB\n";
#define NVME0 (259u << 20)

static void test_trace_blkparse_queued(void **state) {
    struct trace *t = must_open(blkparse_text, "blkparse");
    EXPECT(t, {0, TRACE_READ, 1 << 20, 4096, NVME0}, {900000, TRACE_WRITE, 2 << 20, 8192, NVME0},
           {1000000, TRACE_FLUSH, 0, 0, NVME0}, {2000000, TRACE_TRIM, 0, 1 << 20, NVME0});
}

static void test_trace_blkparse_issued(void **state) {
    struct err e = {0};
    struct trace *t = open_as(text_file(blkparse_text), "blkparse:D", 0, &e);
    assert_non_null(t);
    EXPECT(t, {0, TRACE_READ, 1 << 20, 4096, NVME0});
}

static void test_trace_blkparse_zones(void **state) {
    struct trace *t =
        must_open("259,0 1 1 0.000000000 9 Q ZA 2048 + 8 [fio]\n259,0 1 2 0.000001000 9 Q FZA 2048 + 8 [fio]\n"
                  "259,0 1 3 0.000002000 9 Q ZR 4096 + 0 [fio]\n259,0 1 4 0.000003000 9 Q ZF 4096 + 0 [fio]\n"
                  "259,0 1 5 0.000004000 9 Q ZO 0 + 2048 [fio]\n259,0 1 6 0.000005000 9 Q ZC 0 + 0 [fio]\n"
                  "259,0 1 7 0.000006000 9 Q ZRA 0 + 0 [fio]\n259,0 1 8 0.000007000 9 Q WZ 8 + 8 [fio]\n",
                  "blkparse");
    EXPECT(t, {0, TRACE_APPEND, 1 << 20, 4096, NVME0}, {1000, TRACE_APPEND, 1 << 20, 4096, NVME0},
           {2000, TRACE_ZONE_RESET, 2 << 20, 0, NVME0}, {3000, TRACE_ZONE_FINISH, 2 << 20, 0, NVME0},
           {4000, TRACE_ZONE_OPEN, 0, 0, NVME0}, {5000, TRACE_ZONE_CLOSE, 0, 0, NVME0},
           {7000, TRACE_WRITE, 4096, 4096, NVME0});
}

/* ---- blktrace ---- */

struct bt {
    uint32_t magic, sequence;
    uint64_t time, sector;
    uint32_t bytes, action, pid, device, cpu;
    uint16_t error, pdu_len;
} __attribute__((packed));

enum { Q = 1, D = 7, READ = 1 << 16, WRITE = 2 << 16, FLUSH = 4 << 16, NOTIFY = 1 << 26, DISCARD = 1 << 29 };

static struct bt event(uint64_t time, uint32_t action, uint64_t sector, uint32_t bytes) {
    return (struct bt){
        .magic = 0x65617407, .time = time, .action = action, .sector = sector, .bytes = bytes, .device = 7};
}

/* struct blk_io_trace2 */
struct bt2 {
    uint32_t magic, sequence;
    uint64_t time, sector;
    uint32_t bytes, pid;
    uint64_t action;
    uint32_t device, cpu;
    uint16_t error, pdu_len;
    uint8_t pad[12];
} __attribute__((packed));

static struct bt2 event2(uint64_t time, uint64_t action, uint64_t sector, uint32_t bytes) {
    return (struct bt2){
        .magic = 0x65617408, .time = time, .action = action, .sector = sector, .bytes = bytes, .device = 7};
}

static void test_trace_blktrace_version_8(void **state) {
    struct err e = {0};
    const uint64_t append = 1ull << 32, reset = 1ull << 33, finish = 1ull << 35, of_cgroup = 1 << 8;
    struct bt2 events[] = {event2(0, NOTIFY, 0, 0),
                           event2(1000, Q | of_cgroup | WRITE, 8, 4096),
                           event2(2000, Q | WRITE | append, 4096, 8192),
                           event2(3000, Q | WRITE | reset, 8192, 0),
                           event2(4000, Q | WRITE | finish, 8192, 0),
                           event2(5000, D | READ, 0, 512)};
    struct trace *t = open_as(file_named("dump8", events, sizeof(events)), NULL, 0, &e);
    if (!t)
        fail_msg("%s", e.text);
    EXPECT(t, {0, TRACE_WRITE, 4096, 4096, 7}, {1000, TRACE_APPEND, 2 << 20, 8192, 7},
           {2000, TRACE_ZONE_RESET, 4 << 20, 0, 7}, {3000, TRACE_ZONE_FINISH, 4 << 20, 0, 7});
    t = open_as(file_named("dump8", events, sizeof(events) - 5), NULL, 0, &e);
    struct trace_record r;
    int got = 1;
    while (t && got == 1)
        got = trace_next(t, &r, &e);
    assert_true(got < 0);
    trace_close(t);
}

static void test_trace_blktrace_merges_processors(void **state) {
    struct err e = {0};
    struct bt one[] = {event(1000, NOTIFY, 0, 0), event(2000, Q | READ, 8, 4096), event(9000, Q | WRITE, 16, 512)};
    struct bt two[] = {event(3000, D | READ, 8, 4096), event(4000, Q | WRITE | FLUSH, 0, 0),
                       event(9500, Q | DISCARD | WRITE, 0, 8192)};
    file_named("x.blktrace.1", two, sizeof(two));
    struct trace *t = open_as(file_named("x.blktrace.0", one, sizeof(one)), NULL, 0, &e);
    assert_non_null(t);
    assert_string_equal(trace_format_name(t), "blktrace");
    EXPECT(t, {0, TRACE_READ, 4096, 4096, 7}, {2000, TRACE_FLUSH, 0, 0, 7}, {7000, TRACE_WRITE, 8192, 512, 7},
           {7500, TRACE_TRIM, 0, 8192, 7});
}

static void test_trace_blktrace_skips_attached_data(void **state) {
    struct err e = {0};
    unsigned char bytes[2 * sizeof(struct bt) + 700] = {0};
    struct bt first = event(1, Q | READ, 0, 512), second = event(2, Q | READ, 1, 512);
    first.pdu_len = 700;
    memcpy(bytes, &first, sizeof(first));
    memcpy(bytes + sizeof(first) + 700, &second, sizeof(second));
    struct trace *t = open_as(file_named("dump", bytes, sizeof(bytes)), NULL, 0, &e);
    assert_non_null(t);
    EXPECT(t, {0, TRACE_READ, 0, 512, 7}, {1, TRACE_READ, 512, 512, 7});
}

static void test_trace_blktrace_cut_short(void **state) {
    struct err e = {0};
    struct trace_record r;
    struct bt events[] = {event(1, Q | READ, 0, 512), event(2, Q | READ, 0, 512)};
    struct trace *t = open_as(file_named("dump", events, sizeof(events) - 5), NULL, 0, &e);
    int got = t ? trace_next(t, &r, &e) : -1;
    assert_true(got < 0);
    assert_non_null(strstr(e.text, "within a record"));
    trace_close(t);
}

/* ---- Packed files ---- */

static size_t long_trace(char *text, size_t size, unsigned lines) {
    size_t len = (size_t)snprintf(text, size, "# drivelab trace 1\n");
    for (unsigned i = 0; i < lines; i++)
        len += (size_t)snprintf(text + len, size - len, "%u,R,%u,4096\n", i * 10, i * 4096);
    assert_true(len < size);
    return len;
}

static void expect_long(const char *path, unsigned lines) {
    struct err e = {0};
    struct trace_record r;
    struct trace *t = open_as(path, NULL, 0, &e);
    if (!t)
        fail_msg("%s", e.text);
    unsigned n = 0;
    int got;
    for (; (got = trace_next(t, &r, &e)) == 1; n++)
        assert_int_equal(r.offset, n * 4096);
    if (got)
        fail_msg("%s", e.text);
    assert_int_equal(n, lines);
    trace_close(t);
}

#define LONG_LINES 40000

static void test_trace_packed_by_gzip_in_two_members(void **state) {
    size_t size = 4 << 20;
    char *text = malloc(size);
    size_t len = long_trace(text, size, LONG_LINES);
    snprintf(path_of_file, sizeof(path_of_file), "%s/t.gz", folder);
    gzFile gz = gzopen(path_of_file, "wb");
    gzwrite(gz, text, (unsigned)(len / 2));
    gzclose(gz);
    gz = gzopen(path_of_file, "ab");
    gzwrite(gz, text + len / 2, (unsigned)(len - len / 2));
    gzclose(gz);
    expect_long(path_of_file, LONG_LINES);
    free(text);
}

static void test_trace_packed_by_zstd(void **state) {
    size_t size = 4 << 20, room = ZSTD_compressBound(size);
    char *text = malloc(size), *packed = malloc(room);
    size_t len = long_trace(text, size, LONG_LINES), got = ZSTD_compress(packed, room, text, len, 1);
    expect_long(file_named("t.zst", packed, got), LONG_LINES);
    free(text);
    free(packed);
}

static void expect_error_within(const char *path, const char *says) {
    struct err e = {0};
    struct trace_record r;
    struct trace *t = open_as(path, NULL, 0, &e);
    int got = 1;
    while (t && got == 1)
        got = trace_next(t, &r, &e);
    assert_true(!t || got < 0);
    if (!strstr(e.text, says))
        fail_msg("\"%s\" does not say \"%s\"", e.text, says);
    trace_close(t);
}

static void test_trace_cut_packed_files_are_errors(void **state) {
    size_t size = 4 << 20, room = ZSTD_compressBound(size);
    char *text = malloc(size), *packed = malloc(room);
    size_t len = long_trace(text, size, LONG_LINES), got = ZSTD_compress(packed, room, text, len, 1);
    expect_error_within(file_named("t.zst", packed, got - 20), "ends too early");
    uLongf gz_len = room;
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (unsigned char *)text;
    z.avail_in = (unsigned)len;
    z.next_out = (unsigned char *)packed;
    z.avail_out = (unsigned)gz_len;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    got = z.total_out;
    deflateEnd(&z);
    expect_error_within(file_named("t.gz", packed, got - 20), "ends too early");
    expect_error_within(file_named("t.gz", packed, got - 3), "ends too early");
    packed[got - 6] ^= 0x55; /* the checksum at its end */
    expect_error_within(file_named("t.gz", packed, got), "incorrect data check");
    free(text);
    free(packed);
}

/* ---- Bad input ---- */

static void test_trace_bad_lines_are_named(void **state) {
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"# drivelab trace 1\n1,W,0,512\n2,X,0,512\n", "trace:3: found \"2,X,0,512\""},
        {"# drivelab trace 1\n1,W,-1,512\n", ":2: found \"1,W,-1,512\""},
        {"# drivelab trace 1\n1,W,0\n", "NANOSECONDS,R|W|T|F|A|Z|N|O|C,OFFSET,BYTES"},
        {"# drivelab trace 1\n1,W,0,99999999999999999999\n", ":2:"},
        {"fio version 4 iolog\n", "version 2 iolog"},
        {"fio version 3 iolog\n1 x read 0\n", ":2:"},
        {"fio version 2 iolog\nx wait 9223372036854775807 0\n", ":2:"},
        {"1 0 0 8 1\n2 0 0 8 2\n", ":2: found \"2 0 0 8 2\""},
        {"1 0 36028797018963968 8 1\n", ":1:"},
        {"hello\n", "begins with \"hello"},
        {"", "is empty"},
    };
    for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        expect_error_within(text_file(bad[i].text), bad[i].says);
    expect_error_within("/nowhere/trace", "/nowhere/trace: No such file");
    (void)state;
}

static void test_trace_bad_lines_are_tolerated_up_to_a_limit(void **state) {
    struct err e = {0};
    struct trace_record r;
    static const char text[] = "# drivelab trace 1\n1,W,0,512\nx\ny\n4,R,0,512\nz\n";
    struct trace *t = open_as(text_file(text), NULL, 2, &e);
    assert_non_null(t);
    assert_int_equal(trace_next(t, &r, &e), 1);
    assert_int_equal(trace_next(t, &r, &e), 1);
    assert_int_equal(r.op, TRACE_READ);
    assert_int_equal(trace_notes(t)->bad_lines, 2);
    assert_non_null(strstr(trace_notes(t)->first_bad, ":3: found \"x\""));
    assert_int_equal(trace_next(t, &r, &e), -EINVAL);
    assert_non_null(strstr(e.text, ":6:"));
    trace_close(t);
}

static void test_trace_long_lines_and_binary_noise(void **state) {
    static char noise[20000];
    memset(noise, '7', sizeof(noise));
    memcpy(noise, "# drivelab trace 1\n", 19);
    expect_error_within(file_named("noise", noise, sizeof(noise)), ":2: a line of more than 4095 characters");
    for (unsigned i = 0; i < sizeof(noise); i++)
        noise[i] = (char)(i * 131 + i / 7);
    expect_error_within(file_named("noise", noise, sizeof(noise)), "no trace format");
}

static void test_trace_unknown_format_lists_all(void **state) {
    struct err e = {0};
    assert_null(open_as(text_file("x"), "blkparse:X", 0, &e));
    assert_non_null(strstr(e.text, "blkparse[:Q|D]"));
    assert_null(open_as(text_file("x"), "dump", 0, &e));
    assert_non_null(strstr(e.text, "mqsim"));
    assert_null(open_as(text_file("\n\nhello\n"), NULL, 0, &e));
    assert_non_null(strstr(e.text, ":3: of no trace format that is known; it begins with \"hello\""));
}

static void test_trace_times_never_fall(void **state) {
    struct trace *t = must_open("# drivelab trace 1\n100,R,0,512\n50,R,0,512\n200,R,0,512\n", "drivelab");
    static const struct expected x[] = {{0, TRACE_READ, 0, 512}, {0, TRACE_READ, 0, 512}, {100, TRACE_READ, 0, 512}};
    expect_records(t, x, 3);
    assert_int_equal(trace_notes(t)->backwards, 1);
    trace_close(t);
}

/* A line may end the file without a newline, have a carriage return, or be blank. */
static void test_trace_line_ends(void **state) {
    struct trace *t = must_open("# drivelab trace 1\r\n1,R,0,512\r\n\r\n  \n2,W,0,512", "drivelab");
    EXPECT(t, {0, TRACE_READ, 0, 512}, {1, TRACE_WRITE, 0, 512});
}

static int make_folder(void **state) {
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    char command[100];
    snprintf(command, sizeof(command), "rm -r %s", folder);
    return system(command);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trace_drivelab),
        cmocka_unit_test(test_trace_fio_version_2),
        cmocka_unit_test(test_trace_fio_version_3),
        cmocka_unit_test(test_trace_mqsim),
        cmocka_unit_test(test_trace_msr),
        cmocka_unit_test(test_trace_alibaba),
        cmocka_unit_test(test_trace_tencent),
        cmocka_unit_test(test_trace_spc),
        cmocka_unit_test(test_trace_systor),
        cmocka_unit_test(test_trace_fiu),
        cmocka_unit_test(test_trace_headings_are_left_out),
        cmocka_unit_test(test_trace_blkparse_queued),
        cmocka_unit_test(test_trace_blkparse_issued),
        cmocka_unit_test(test_trace_blkparse_zones),
        cmocka_unit_test(test_trace_blktrace_version_8),
        cmocka_unit_test(test_trace_blktrace_merges_processors),
        cmocka_unit_test(test_trace_blktrace_skips_attached_data),
        cmocka_unit_test(test_trace_blktrace_cut_short),
        cmocka_unit_test(test_trace_packed_by_gzip_in_two_members),
        cmocka_unit_test(test_trace_packed_by_zstd),
        cmocka_unit_test(test_trace_cut_packed_files_are_errors),
        cmocka_unit_test(test_trace_bad_lines_are_named),
        cmocka_unit_test(test_trace_bad_lines_are_tolerated_up_to_a_limit),
        cmocka_unit_test(test_trace_long_lines_and_binary_noise),
        cmocka_unit_test(test_trace_unknown_format_lists_all),
        cmocka_unit_test(test_trace_times_never_fall),
        cmocka_unit_test(test_trace_line_ends),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
