/*
 * drivelab oops with files that are packed, damaged, missing or hostile.
 */
#include "oops_module.h"

#include <errno.h>
#include <fcntl.h>
#include <lzma.h>
#include <sys/stat.h>
#include <zlib.h>
#include <zstd.h>

#include "diag/oops/file/guard.h"
#include "diag/oops/file/locate.h"
#include "diag/oops/file/unpack.h"

static size_t slurp(const char *path, uint8_t **data) {
    struct stat st;
    int fd = open(path, O_RDONLY);
    assert_int_equal(fstat(fd, &st), 0);
    *data = malloc((size_t)st.st_size);
    assert_int_equal(read(fd, *data, (size_t)st.st_size), st.st_size);
    close(fd);
    return (size_t)st.st_size;
}

static void spill(const char *path, const void *data, size_t len) {
    FILE *out = fopen(path, "w");
    assert_int_equal(fwrite(data, 1, len, out), len);
    fclose(out);
}

static void check_packed(struct bed *bed, const char *suffix, const void *data, size_t len) {
    char path[256];
    struct err e = {0};
    snprintf(path, sizeof(path), "%s%s", bed->module, suffix);
    spill(path, data, len);
    struct oops_elf *elf = oops_elf_open(path, &e);
    assert_string_equal(e.text, "");
    assert_int_equal(elf->size, bed->object->elf->size);
    assert_memory_equal(elf->map, bed->object->elf->map, elf->size);
    oops_elf_free(elf);
    spill(path, data, len / 2);
    assert_null(oops_elf_open(path, &e));
    assert_non_null(strstr(e.text, "damaged"));
}

static void test_oops_symbols_read_packed_modules(void **state) {
    struct bed *bed = bed_of(state);
    uint8_t *plain;
    size_t len = slurp(bed->module, &plain), room = len * 2 + 4096, out = 0;
    uint8_t *packed = malloc(room);
    check_packed(bed, ".zst", packed, ZSTD_compress(packed, room, plain, len, 3));
    assert_int_equal(lzma_easy_buffer_encode(6, LZMA_CHECK_CRC32, NULL, plain, len, packed, &out, room), LZMA_OK);
    check_packed(bed, ".xz", packed, out);
    z_stream z = {.next_in = plain, .avail_in = (uInt)len, .next_out = packed, .avail_out = (uInt)room};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    check_packed(bed, ".gz", packed, z.total_out);
    deflateEnd(&z);
    free(plain);
    free(packed);
}

/* gzip members of zeros: about 1000 to 1. */
/* Zeros in gzip: about 1000 to 1. */
static void test_oops_symbols_refuse_a_bomb(void **state) {
    size_t piece = 1u << 20, room = 4u << 20;
    uint8_t *zeros = calloc(1, piece), *packed = malloc(room);
    struct err e = {0};
    z_stream z = {.next_out = packed, .avail_out = (uInt)room};
    (void)state;
    assert_int_equal(deflateInit2(&z, 1, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    while (z.total_in <= OOPS_UNPACK_MAX_BYTES) {
        z.next_in = zeros;
        z.avail_in = (uInt)piece;
        assert_int_equal(deflate(&z, Z_NO_FLUSH), Z_OK);
    }
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(oops_unpack(packed, z.total_out, &e), -EFBIG);
    assert_non_null(strstr(e.text, "more than"));
    deflateEnd(&z);
    free(zeros);
    free(packed);
}

static void test_oops_symbols_survive_cut_and_bent_files(void **state) {
    struct bed *bed = bed_of(state);
    uint8_t *plain;
    size_t len = slurp(bed->module, &plain);
    uint8_t *bent = malloc(len);
    uint32_t random = 12345;
    char path[256];
    snprintf(path, sizeof(path), "%s/bent.ko", bed->cc.dir);
    for (unsigned i = 0; i < 60; i++) {
        struct err e = {0};
        memcpy(bent, plain, len);
        for (unsigned k = 0; k < 8; k++) {
            random = random * 1664525 + 1013904223;
            bent[random % (k < 4 ? len : 4096)] = (uint8_t)(random >> 24);
        }
        spill(path, bent, i % 2 ? len * i / 60 : len);
        struct oops_elf *elf = oops_elf_open(path, &e);
        assert_true((elf == NULL) == (e.text[0] != 0));
        struct oops_symtab table;
        oops_symtab_init(&table);
        if (elf)
            assert_int_equal(oops_symtab_read(&table, elf), 0);
        oops_symtab_release(&table);
        oops_elf_free(elf);
    }
    free(plain);
    free(bent);
}

static void test_oops_symbols_names_missing_files(void **state) {
    const char *modules[] = {"/nowhere/x.ko", NULL};
    struct oops_sources sources = {.modules = modules};
    struct err e = {0};
    (void)state;
    assert_null(oops_symbols_new(&sources, &e));
    assert_non_null(strstr(e.text, "/nowhere/x.ko"));
    modules[0] = "/etc/passwd";
    memset(&e, 0, sizeof(e));
    assert_null(oops_symbols_new(&sources, &e));
    assert_non_null(strstr(e.text, "not that of a module"));
}

static void test_oops_symbols_are_found_below_a_folder(void **state) {
    struct bed *bed = bed_of(state);
    char command[512], path[256];
    snprintf(command, sizeof(command),
             "cd %s && mkdir -p t/lib/modules/6.1.0-test/kernel/a t/boot && cp bed.ko "
             "t/lib/modules/6.1.0-test/kernel/a/my-bed.ko && touch t/boot/vmlinux-6.1.0-test",
             bed->cc.dir);
    assert_int_equal(system(command), 0);
    char dir[128];
    snprintf(dir, sizeof(dir), "%s/t", bed->cc.dir);
    struct oops_where_to where = {.dir = dir, .release = "6.1.0-test", .build_id = ""};
    assert_true(oops_locate_module(&where, "my_bed", path, sizeof(path)));
    assert_non_null(strstr(path, "/kernel/a/my-bed.ko"));
    assert_true(oops_locate_module(&where, "my-bed", path, sizeof(path)));
    assert_false(oops_locate_module(&where, "bed", path, sizeof(path)));
    assert_true(oops_locate_vmlinux(&where, path, sizeof(path)));
    where.release = "../../boot";
    assert_false(oops_locate_vmlinux(&where, path, sizeof(path)));
    assert_false(oops_locate_module(&where, "../x", path, sizeof(path)));
}

/* ---- The process of its own ---- */

static int says_hello(void *ctx, FILE *out, struct err *e) {
    return fputs("hello", out) < 0;
}

static int fails(void *ctx, FILE *out, struct err *e) {
    fputs("half", out);
    return err_set(e, ENOENT, "not there");
}

static int dies(void *ctx, FILE *out, struct err *e) {
    fputs("half", out);
    fflush(out);
    _exit(3);
}

static int counts_to(void *ctx, unsigned i, FILE *out, struct err *e) {
    unsigned *last = ctx;
    fprintf(out, "%u after %u, ", i, *last);
    *last = i;
    if (i == 2)
        _exit(3);
    return i == 4 ? err_set(e, ENOENT, "no four") : 0;
}

static void test_oops_guard_keeps_the_pieces_before_a_failure(void **state) {
    char *text = NULL;
    size_t size = 0;
    struct err e = {0};
    unsigned last = 9;
    FILE *out = open_memstream(&text, &size);
    (void)state;
    assert_int_equal(oops_guard_each(counts_to, &last, 2, out, &e), 2);
    assert_string_equal(e.text, "");
    assert_int_equal(oops_guard_each(counts_to, &last, 5, out, &e), 2);
    assert_int_equal(e.code, -EFAULT);
    fclose(out);
    assert_string_equal(text, "0 after 9, 1 after 0, 0 after 9, 1 after 0, ");
    assert_int_equal(last, 9);
    free(text);
}

static void test_oops_guard_returns_results_and_failures(void **state) {
    char *text = NULL;
    size_t size = 0;
    struct err e = {0};
    FILE *out = open_memstream(&text, &size);
    (void)state;
    assert_int_equal(oops_guard(says_hello, NULL, out, &e), 0);
    assert_int_equal(oops_guard(fails, NULL, out, &e), -ENOENT);
    assert_string_equal(e.text, "not there");
    assert_int_equal(oops_guard(dies, NULL, out, &e), -EFAULT);
    fclose(out);
    assert_string_equal(text, "hello");
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oops_symbols_read_packed_modules),
        cmocka_unit_test(test_oops_symbols_refuse_a_bomb),
        cmocka_unit_test(test_oops_symbols_survive_cut_and_bent_files),
        cmocka_unit_test(test_oops_symbols_names_missing_files),
        cmocka_unit_test(test_oops_symbols_are_found_below_a_folder),
        cmocka_unit_test(test_oops_guard_keeps_the_pieces_before_a_failure),
        cmocka_unit_test(test_oops_guard_returns_results_and_failures),
    };
    return cmocka_run_group_tests(tests, bed_setup, bed_teardown);
}
