/*
 * drivelab oops: kernels and modules as they lie on disks. All compressions of
 * images, EFI zboot, bare images, kallsyms tables of all ages, split debug files
 * by build id and by link.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <lzma.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>
#ifdef HAVE_BZIP2
#include <bzlib.h>
#endif
#ifdef HAVE_LZ4
#include <lz4.h>
#endif
#ifdef HAVE_LZO
#include <lzo/lzo1x.h>
#endif

#include "diag/oops/file/kallsyms.h"
#include "diag/oops/file/object.h"
#include "diag/oops/file/unpack.h"
#include "oops_cc.h"

#define PLAIN_BYTES 100000u
#define ROOM        200000u

/* Bytes with some repetition, as an ELF file begins. */
static void fill(uint8_t *plain) {
    uint32_t random = 5;
    for (unsigned i = 0; i < PLAIN_BYTES; i++)
        plain[i] = (uint8_t)(((random = random * 1664525 + 1013904223) >> 24) & 0x1f);
    for (unsigned i = 0; i < PLAIN_BYTES / 2; i++)
        plain[i] = (uint8_t)(i % 100);
    memcpy(plain, "\177ELF", 4);
}

static size_t pack_gzip(const uint8_t *plain, uint8_t *packed) {
    z_stream z = {.next_in = (Bytef *)(uintptr_t)plain, .avail_in = PLAIN_BYTES, .next_out = packed, .avail_out = ROOM};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return z.total_out;
}

static size_t pack_zstd(const uint8_t *plain, uint8_t *packed) {
    return ZSTD_compress(packed, ROOM, plain, PLAIN_BYTES, 3);
}

static size_t pack_xz(const uint8_t *plain, uint8_t *packed) {
    size_t out = 0;
    assert_int_equal(lzma_easy_buffer_encode(6, LZMA_CHECK_CRC32, NULL, plain, PLAIN_BYTES, packed, &out, ROOM),
                     LZMA_OK);
    return out;
}

static size_t pack_lzma(const uint8_t *plain, uint8_t *packed) {
    lzma_stream x = LZMA_STREAM_INIT;
    lzma_options_lzma options;
    assert_false(lzma_lzma_preset(&options, 6));
    assert_int_equal(lzma_alone_encoder(&x, &options), LZMA_OK);
    x.next_in = plain;
    x.avail_in = PLAIN_BYTES;
    x.next_out = packed;
    x.avail_out = ROOM;
    assert_int_equal(lzma_code(&x, LZMA_FINISH), LZMA_STREAM_END);
    lzma_end(&x);
    return x.total_out;
}

#ifdef HAVE_BZIP2
static size_t pack_bzip2(const uint8_t *plain, uint8_t *packed) {
    unsigned len = ROOM;
    assert_int_equal(BZ2_bzBuffToBuffCompress((char *)packed, &len, (char *)(uintptr_t)plain, PLAIN_BYTES, 9, 0, 0),
                     BZ_OK);
    return len;
}
#endif

#ifdef HAVE_LZ4
/* A legacy frame of two blocks, with the unpacked size behind it as the kernel's build puts it. */
static size_t pack_lz4(const uint8_t *plain, uint8_t *packed) {
    size_t at = 4;
    memcpy(packed, "\x02\x21\x4c\x18", 4);
    for (unsigned i = 0; i < 2; i++) {
        int n = LZ4_compress_default((const char *)plain + i * PLAIN_BYTES / 2, (char *)packed + at + 4,
                                     PLAIN_BYTES / 2, (int)(ROOM - at - 4));
        uint32_t size = (uint32_t)n;
        assert_true(n > 0);
        memcpy(packed + at, &size, 4);
        at += 4 + size;
    }
    memcpy(packed + at, "\xa0\x86\x01\x00", 4);
    return at + 4;
}
#endif

#ifdef HAVE_LZO
static void put_be(uint8_t *packed, size_t *at, uint32_t n, unsigned bytes) {
    for (unsigned i = bytes; i-- > 0;)
        packed[(*at)++] = (uint8_t)(n >> 8 * i);
}

/* As lzop -9 writes it: a block, a block that did not get smaller, the end. */
static size_t pack_lzo(const uint8_t *plain, uint8_t *packed) {
    static _Alignas(16) uint8_t work[LZO1X_1_MEM_COMPRESS];
    size_t at = 9;
    lzo_uint n = 0, half = PLAIN_BYTES / 2;
    assert_int_equal(lzo_init(), LZO_E_OK);
    memcpy(packed, "\x89LZO\x00\r\n\x1a\n", 9);
    put_be(packed, &at, 0x1030, 2);
    put_be(packed, &at, 0x20a0, 2);
    put_be(packed, &at, 0x0940, 2);
    put_be(packed, &at, 0x0309, 2);     /* method, level */
    put_be(packed, &at, 0x03000001, 4); /* Adler-32 of what is unpacked */
    at += 12;
    put_be(packed, &at, 3, 1);
    at += 3 + 4; /* name, checksum */
    put_be(packed, &at, PLAIN_BYTES / 2, 4);
    assert_int_equal(lzo1x_1_compress(plain, half, packed + at + 8, &n, work), LZO_E_OK);
    assert_true(n < half);
    put_be(packed, &at, (uint32_t)n, 4);
    at += 4 + n;
    put_be(packed, &at, PLAIN_BYTES / 2, 4);
    put_be(packed, &at, PLAIN_BYTES / 2, 4);
    at += 4;
    memcpy(packed + at, plain + half, half);
    at += half;
    put_be(packed, &at, 0, 4);
    return at;
}
#endif

static const struct {
    const char *name;
    size_t (*pack)(const uint8_t *plain, uint8_t *packed);
} packings[] = {
    {"gzip", pack_gzip},   {"zstd", pack_zstd}, {"xz", pack_xz}, {"lzma", pack_lzma},
#ifdef HAVE_BZIP2
    {"bzip2", pack_bzip2},
#endif
#ifdef HAVE_LZ4
    {"lz4", pack_lz4},
#endif
#ifdef HAVE_LZO
    {"lzop", pack_lzo},
#endif
};
#define PACKINGS (sizeof(packings) / sizeof(packings[0]))

static void check_content(int fd, const uint8_t *plain) {
    uint8_t *got = malloc(PLAIN_BYTES + 1);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, got, PLAIN_BYTES + 1, 0), PLAIN_BYTES);
    assert_memory_equal(got, plain, PLAIN_BYTES);
    free(got);
    close(fd);
}

static void put_u32(uint8_t *at, uint32_t n) {
    memcpy(at, &n, 4);
}

/* A boot sector and setup code, then the payload. */
static size_t wrap_x86(const uint8_t *packed, size_t len, uint8_t *image) {
    memset(image, 0, 0x1000);
    image[0x1f1] = 4; /* sectors of setup */
    memcpy(image + 0x202, "HdrS", 4);
    put_u32(image + 0x248, 0x200);
    put_u32(image + 0x24c, (uint32_t)len);
    memcpy(image + 5 * 512 + 0x200, packed, len);
    return 5 * 512 + 0x200 + len;
}

static size_t wrap_zboot(const uint8_t *packed, size_t len, uint8_t *image) {
    memset(image, 0, 0x800);
    memcpy(image, "MZ\0\0zimg", 8);
    put_u32(image + 8, 0x800);
    put_u32(image + 12, (uint32_t)len);
    memcpy(image + 0x800, packed, len);
    return 0x800 + len;
}

static void test_oops_files_of_all_packings(void **state) {
    uint8_t *plain = malloc(PLAIN_BYTES), *packed = malloc(ROOM), *image = malloc(2 * ROOM);
    (void)state;
    fill(plain);
    for (size_t i = 0; i < PACKINGS; i++) {
        struct err e = {0};
        size_t len = packings[i].pack(plain, packed), size;
        assert_string_equal(oops_unpack_kind(packed, len), packings[i].name);
        check_content(oops_unpack(packed, len, &e), plain);
        size = wrap_x86(packed, len, image);
        check_content(oops_unpack_vmlinuz(image, size, &e), plain);
        size = wrap_zboot(packed, len, image);
        check_content(oops_unpack_vmlinuz(image, size, &e), plain);
        memset(image, 0x55, 3000); /* where nothing says where the payload is */
        memcpy(image + 3000, packed, len);
        check_content(oops_unpack_vmlinuz(image, 3000 + len, &e), plain);
        memcpy(image, "\x1f\x8b\x08 as it happens", 16); /* something that only looks packed comes first */
        check_content(oops_unpack_vmlinuz(image, 3000 + len, &e), plain);
        memmove(image + 100, image, 16);
        check_content(oops_unpack_vmlinuz(image, 3000 + len, &e), plain);
        assert_string_equal(e.text, "");
    }
    free(plain);
    free(packed);
    free(image);
}

static void test_oops_files_cut_or_bent_are_refused(void **state) {
    uint8_t *plain = malloc(PLAIN_BYTES), *packed = malloc(ROOM), *image = malloc(2 * ROOM);
    uint32_t random = 9;
    (void)state;
    fill(plain);
    for (size_t i = 0; i < PACKINGS; i++) {
        size_t len = packings[i].pack(plain, packed);
        for (unsigned k = 0; k < 40; k++) { /* no crash; what comes out does not matter */
            struct err e = {0};
            size_t size = wrap_zboot(packed, len, image);
            random = random * 1664525 + 1013904223;
            image[random % (k < 20 ? 16 : size)] ^= (uint8_t)(1u << (random >> 29));
            int fd = oops_unpack_vmlinuz(image, k % 3 ? size : size * k / 40, &e);
            assert_true((fd < 0) == (e.text[0] != 0) || fd >= 0);
            if (fd >= 0)
                close(fd);
        }
    }
    free(plain);
    free(packed);
    free(image);
}

/* ---- kallsyms ---- */

#define SYMBOLS 600u

/* One era's layout of the tables. */
struct layout {
    const char *name;
    unsigned word;
    bool addresses;  /* words, before 4.6 */
    bool wide_marks; /* before 4.20 */
    bool behind;     /* offsets stand behind the index, since 6.4 */
    bool sequence;   /* numbers by name, since 6.2 */
    bool negative;   /* offsets with absolute per-CPU symbols */
    bool long_name;  /* more than 127 bytes, since 6.2 */
};

static const struct layout layouts[] = {
    {"3.16", 8, true, true, false, false, false, false},  {"3.16, 32 bits", 4, true, true, false, false, false, false},
    {"4.9", 8, false, true, false, false, true, false},   {"4.9, 32 bits", 4, false, true, false, false, false, false},
    {"5.10", 8, false, false, false, false, true, false}, {"6.2", 8, false, false, false, true, true, true},
    {"6.4", 8, false, false, true, true, true, true},     {"6.4, 32 bits", 4, false, false, true, true, false, true},
    {"6.15", 8, false, false, true, true, false, true},
};

struct blob {
    uint8_t *data;
    size_t len;
};

static void add(struct blob *b, const void *bytes, size_t len) {
    memcpy(b->data + b->len, bytes, len);
    b->len += len;
}

static void add_word(struct blob *b, uint64_t n, unsigned bytes) {
    add(b, &n, bytes);
}

static void pad(struct blob *b, unsigned to) {
    while (b->len % to)
        b->data[b->len++] = 0;
}

static uint64_t base_of(const struct layout *l) {
    return l->word == 8 ? 0xffffffff81000000u : 0xc1000000u;
}

static uint64_t address_of(const struct layout *l, unsigned i) {
    return base_of(l) + 0x40ull * i;
}

static void name_of(const struct layout *l, unsigned i, char *name) {
    int n = sprintf(name, "Tsymbol_%03u", i);
    if (l->long_name && i == 300)
        memset(name + n, 'x', 200), name[n + 200] = 0;
}

static void add_places(struct blob *b, const struct layout *l) {
    for (unsigned i = 0; i < SYMBOLS; i++)
        if (l->addresses)
            add_word(b, address_of(l, i), l->word);
        else
            add_word(b, (uint64_t)(l->negative ? -1 - (int64_t)(0x40 * i) : 0x40 * (int64_t)i), 4);
    pad(b, l->word);
    if (!l->addresses)
        add_word(b, base_of(l), l->word);
}

static void add_names(struct blob *b, const struct layout *l) {
    uint32_t marks[SYMBOLS / 256 + 1];
    size_t start;
    add_word(b, SYMBOLS, 4);
    pad(b, l->word);
    start = b->len;
    for (unsigned i = 0; i < SYMBOLS; i++) {
        char name[300];
        name_of(l, i, name);
        size_t len = strlen(name);
        if (i % 256 == 0)
            marks[i / 256] = (uint32_t)(b->len - start);
        if (len > 127)
            add_word(b, (len & 0x7f) | 0x80 | len >> 7 << 8, 2);
        else
            add_word(b, len, 1);
        add(b, name, len);
    }
    pad(b, l->word);
    for (unsigned i = 0; i <= (SYMBOLS - 1) / 256; i++)
        add_word(b, marks[i], l->wide_marks ? l->word : 4);
    pad(b, l->word);
}

static void add_tokens(struct blob *b, const struct layout *l) {
    uint16_t index[256];
    size_t start = b->len;
    for (unsigned i = 0; i < 256; i++) { /* every character is its own */
        char token[2] = {i > 32 && i < 127 ? (char)i : 0, 0};
        index[i] = (uint16_t)(b->len - start);
        add(b, token, strlen(token) + 1);
    }
    pad(b, l->word);
    add(b, index, sizeof(index));
    pad(b, l->word);
}

static void build(struct blob *b, const struct layout *l) {
    b->len = 0;
    memset(b->data, 0, 1u << 20);
    for (unsigned i = 0; i < 70000; i++)
        b->data[b->len++] = (uint8_t)(i * 7);
    pad(b, 64);
    if (!l->behind)
        add_places(b, l);
    add_names(b, l);
    if (l->sequence && !l->behind)
        b->len += 3 * SYMBOLS;
    pad(b, l->word);
    add_tokens(b, l);
    if (l->behind)
        add_places(b, l);
    b->len += l->sequence ? 3 * SYMBOLS : 0;
    b->len += 100;
}

static void test_oops_files_kallsyms_of_all_ages(void **state) {
    struct blob b = {malloc(1u << 20), 0};
    (void)state;
    for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
        const struct layout *l = &layouts[i];
        build(&b, l);
        struct oops_elf_section sections[2] = {{.name = ""},
                                               {.name = ".rodata", .flags = SHF_ALLOC, .data = b.data, .size = b.len}};
        struct oops_elf elf = {.is64 = l->word == 8, .type = ET_EXEC, .sections = sections, .section_count = 2};
        struct oops_symtab table;
        const struct oops_sym *sym;
        oops_symtab_init(&table);
        if (oops_kallsyms_read(&elf, &table) != 0 || table.count != SYMBOLS)
            fail_msg("%s: %u symbols", l->name, table.count);
        for (unsigned k = 0; k < SYMBOLS; k += 50) {
            char name[300];
            name_of(l, k, name);
            if (oops_symtab_named(&table, name + 1, &sym, 1) != 1 || sym->addr != address_of(l, k))
                fail_msg("%s: %s", l->name, name + 1);
        }
        oops_symtab_release(&table);
    }
    free(b.data);
}

/* ---- Bare images ---- */

static void test_oops_files_bare_image_of_arm64(void **state) {
    struct blob b = {malloc(1u << 20), 0};
    const struct layout *l = &layouts[6];
    struct err e = {0};
    const struct oops_sym *sym;
    size_t got;
    char path[] = "/tmp/drivelab-test-image-XXXXXX";
    int fd = mkstemp(path);
    (void)state;
    assert_true(fd >= 0);
    build(&b, l);
    memset(b.data, 0, 0x20000 < b.len ? 64 : 64);
    memcpy(b.data, "MZ", 2);
    memcpy(b.data + 0x38, "ARM\x64", 4);
    for (unsigned i = 0; i < SYMBOLS; i++) /* functions begin 64 KiB behind the header, in what is rubbish else */
        put_u32(b.data + 0x1000 + 0x40ull * i, i % 2 ? 0xd503233f : 0xa9be7bfd);
    assert_int_equal(write(fd, b.data, b.len), (ssize_t)b.len);
    close(fd);
    struct oops_object *o = oops_object_open(path, "", NULL, &e);
    assert_string_equal(e.text, "");
    assert_int_equal(o->elf->machine, EM_AARCH64);
    assert_true(o->from_kallsyms);
    assert_int_equal(oops_symtab_named(&o->symtab, "symbol_007", &sym, 1), 1);
    const uint8_t *code = oops_object_code(o, sym->addr, 4, &got);
    assert_ptr_equal(code, o->elf->map + 0x1000 + 0x40 * 7);
    oops_object_free(o);
    unlink(path);
    free(b.data);
}

/* ---- Split debug files ---- */

static const char source[] =
    "int sink;\nint work(int a) { sink += a; return a * 3; }\nint entry(void) { return work(2); }\n";

static struct oops_object *open_split(const char *dir, const char *file, const char *search) {
    const char *dirs[] = {search, NULL};
    struct err e = {0};
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", dir, file);
    struct oops_object *o = oops_object_open(path, "", search ? dirs : NULL, &e);
    assert_string_equal(e.text, "");
    return o;
}

static bool run(const struct oops_cc *cc, const char *what) {
    char command[1024];
    snprintf(command, sizeof(command), "cd %s && { %s; } 2>>cc.log", cc->dir, what);
    return system(command) == 0;
}

/* With an address that has a line: the debug file is in use. */
static void check_split(struct oops_object *o, bool found) {
    struct oops_pool *pool = oops_pool_new();
    struct oops_place *places;
    const struct oops_sym *work;
    assert_int_equal(o->dwarf != NULL, found);
    if (found) {
        assert_ptr_not_equal(o->debug, o->elf);
        assert_int_equal(oops_symtab_named(&o->symtab, "work", &work, 1), 1);
        assert_int_equal(oops_dwarf_places(o->dwarf, work->addr, pool, &places), 1);
        assert_int_equal(places[0].line, 2);
    }
    oops_pool_free(pool);
    oops_object_free(o);
}

static void test_oops_files_split_debug(void **state) {
    struct oops_cc cc;
    char path[160], search[200];
    (void)state;
    if (!oops_cc_init(&cc))
        skip();
    bool made =
        oops_cc_object(&cc, "v.o", source, "cc", path, sizeof(path)) &&
        run(&cc, "ld --build-id=0x0123456789abcdef01234567 -e entry v.o -o whole && "
                 "objcopy --only-keep-debug whole by-link.debug && strip -g -s whole -o bare && "
                 "objcopy --add-gnu-debuglink=by-link.debug bare linked && mkdir -p d/.build-id/01 .debug other && "
                 "cp by-link.debug d/.build-id/01/23456789abcdef01234567.debug");
    if (made) {
        snprintf(search, sizeof(search), "%s/d", cc.dir);
        check_split(open_split(cc.dir, "bare", NULL), false);
        check_split(open_split(cc.dir, "bare", search), true); /* by its build id */
        check_split(open_split(cc.dir, "linked", NULL), true); /* beside it */
        assert_true(run(&cc, "mv by-link.debug .debug/"));
        check_split(open_split(cc.dir, "linked", NULL), true);
        snprintf(search, sizeof(search), "%s/other", cc.dir); /* DIR/FOLDER/NAME, as in /usr/lib/debug */
        assert_true(run(&cc, "mkdir -p other/$PWD && mv .debug/by-link.debug other/$PWD/"));
        check_split(open_split(cc.dir, "linked", NULL), false);
        check_split(open_split(cc.dir, "linked", search), true);
        assert_true(run(&cc, "ld --build-id=0x9999999999999999 -e entry v.o -o foreign && objcopy --only-keep-debug "
                             "foreign by-link.debug"));
        check_split(open_split(cc.dir, "linked", NULL), false); /* of another build */
    }
    oops_cc_release(&cc);
    if (!made)
        skip();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oops_files_of_all_packings),
        cmocka_unit_test(test_oops_files_cut_or_bent_are_refused),
        cmocka_unit_test(test_oops_files_kallsyms_of_all_ages),
        cmocka_unit_test(test_oops_files_bare_image_of_arm64),
        cmocka_unit_test(test_oops_files_split_debug),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
