/*
 * drivelab oops with files: symbols of relocatable objects by section, namesakes,
 * members and variables by DWARF, packed files, damaged ones, the wrong ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <lzma.h>
#include <sys/stat.h>
#include <zlib.h>
#include <zstd.h>

#include "diag/oops/guard.h"
#include "diag/oops/locate.h"
#include "diag/oops/origin.h"
#include "diag/oops/reader.h"
#include "diag/oops/symbols.h"
#include "diag/oops/unpack.h"
#include "oops_cc.h"

static const char source[] =
    "#define init __attribute__((section(\".init.text\"), noinline, noclone))\n"
    "#define plain __attribute__((noinline, noclone))\n"
    "struct lock { int value; };\n"
    "struct wait { struct lock lock; struct wait *next; };\n"
    "struct done { unsigned count; struct wait wait; };\n"
    "struct port { int a; union { long b; char c[16]; }; };\n"
    "struct ops { int (*finish)(int); };\n"
    "struct drive { char name[16]; struct port port[3]; unsigned bits : 3, more : 9; struct done *done;\n"
    "               const struct ops *ops; };\n"
    "int sink;\n"
    "static plain int first(int a) { sink += a; return a * 3; }\n"
    "static init int starts(int *at) { sink++; return *at + first(1); }\n"
    "plain int takes_lock(struct lock *lock) { return lock->value; }\n"
    "plain int completes(struct done *x) { int v = takes_lock(&x->wait.lock); sink++; return v; }\n"
    "plain int submits(struct drive *drive) { int v = completes(drive->done); sink++; return v; }\n"
    "plain long reads_port(struct drive *drive) { return drive->port[2].b; }\n"
    "plain int calls(struct drive *drive) { int v = drive->ops->finish(3); sink++; return v; }\n"
    "static inline int inner(struct drive *in) { sink = in->port[1].a; return sink * 5; }\n"
    "plain int outer(struct drive *out) { return inner(out) + 1; }\n"
    "int entry(void) { return starts(&sink) + submits(0) + reads_port(0) + calls(0) + outer(0); }\n";

#define CC_X86 "cc -mcmodel=kernel -fcf-protection=none"

struct bed {
    struct oops_cc cc;
    char module[160];
    struct oops_object *object;
};

static int bed_setup(void **state) {
    struct bed *bed = calloc(1, sizeof(*bed));
    struct err e = {0};
    *state = NULL;
    if (oops_cc_init(&bed->cc) && oops_cc_object(&bed->cc, "bed.ko", source, CC_X86, bed->module, sizeof(bed->module)))
        bed->object = oops_object_open(bed->module, "bed", NULL, &e);
    if (!bed->object) {
        print_message("no compiler for x86-64, or: %s\n", e.text);
        free(bed);
        return 0;
    }
    *state = bed;
    return 0;
}

static int bed_teardown(void **state) {
    struct bed *bed = *state;
    if (bed) {
        oops_object_free(bed->object);
        oops_cc_release(&bed->cc);
    }
    free(bed);
    return 0;
}

static struct bed *bed_of(void **state) {
    if (!*state)
        skip();
    return *state;
}

static const struct oops_sym *symbol(struct bed *bed, const char *name) {
    const struct oops_sym *sym = NULL;
    assert_int_equal(oops_symtab_named(&bed->object->symtab, name, &sym, 1), 1);
    return sym;
}

/* ---- Symbols ---- */

static void test_oops_symbols_sections_do_not_overlap(void **state) {
    struct bed *bed = bed_of(state);
    const struct oops_sym *starts = symbol(bed, "starts");
    assert_string_equal(bed->object->elf->sections[starts->section].name, ".init.text");
    assert_string_equal(oops_symtab_at(&bed->object->symtab, starts->addr)->name, "starts");
    assert_string_equal(oops_symtab_at(&bed->object->symtab, starts->addr + starts->size - 1)->name, "starts");
    assert_true(starts->last);
    assert_int_equal(oops_sym_fit(starts, 1, 0x1000), OOPS_FIT_ROUNDED);
    assert_int_equal(oops_sym_fit(starts, 1, starts->span), OOPS_FIT_SPAN);
    assert_int_equal(oops_sym_fit(starts, starts->size + 1, 0x1000), OOPS_FIT_NONE);
    const struct oops_sym *completes = symbol(bed, "completes");
    assert_false(completes->last);
    assert_true(completes->span >= completes->size);
    assert_int_equal(oops_sym_fit(completes, 1, 0x1000), OOPS_FIT_NONE);
}

static void test_oops_symbols_find_lines_by_section(void **state) {
    struct bed *bed = bed_of(state);
    struct oops_pool *pool = oops_pool_new();
    struct oops_place *places;
    assert_int_equal(oops_dwarf_places(bed->object->dwarf, symbol(bed, "starts")->addr, pool, &places), 1);
    assert_string_equal(places[0].function, "starts");
    assert_int_equal(places[0].line, 12);
    assert_int_equal(oops_dwarf_places(bed->object->dwarf, symbol(bed, "first")->addr, pool, &places), 1);
    assert_int_equal(places[0].line, 11);
    oops_pool_free(pool);
}

static void test_oops_symbols_know_inlined_functions(void **state) {
    struct bed *bed = bed_of(state);
    struct oops_pool *pool = oops_pool_new();
    struct oops_place *places;
    assert_int_equal(oops_dwarf_places(bed->object->dwarf, symbol(bed, "outer")->addr, pool, &places), 2);
    assert_string_equal(places[0].function, "inner");
    assert_true(places[0].inlined);
    assert_int_equal(places[0].line, 18);
    assert_string_equal(places[1].function, "outer");
    assert_int_equal(places[1].line, 19);
    oops_pool_free(pool);
}

static void test_oops_symbols_tell_namesakes_apart_by_size(void **state) {
    struct oops_symtab table;
    const struct oops_sym *found[4];
    oops_symtab_init(&table);
    for (unsigned i = 0; i < 3; i++) {
        struct oops_sym sym = {.name = "hash", .addr = 0x1000 + 0x100 * i * (i + 1), .section = 1, .type = STT_FUNC};
        assert_int_equal(oops_symtab_add(&table, &sym), 0);
    }
    assert_int_equal(oops_symtab_finish(&table, NULL), 0);
    assert_int_equal(oops_symtab_named(&table, "hash", found, 4), 3);
    assert_int_equal(found[0]->span, 0x200);
    assert_int_equal(found[1]->span, 0x400);
    assert_null(oops_symtab_at(&table, 0xfff));
    assert_ptr_equal(oops_symtab_at(&table, 0x11ff), found[0]);
    assert_int_equal(oops_symtab_named(&table, "cash", found, 4), 0);
    oops_symtab_release(&table);
}

/* ---- Types ---- */

struct wanted {
    const char *name;
    struct oops_type type;
};

static bool take_type(void *ctx, const struct oops_var *var) {
    struct wanted *w = ctx;
    if (strcmp(var->name, w->name) == 0)
        w->type = oops_type_pointee(&var->type);
    return true;
}

static struct oops_type pointee_of(struct bed *bed, const char *function, const char *name) {
    struct wanted w = {.name = name};
    oops_vars_at(bed->object->dwarf, symbol(bed, function)->addr, take_type, &w);
    assert_int_equal(w.type.from, OOPS_TYPE_DWARF);
    return w.type;
}

static void test_oops_symbols_name_members(void **state) {
    struct bed *bed = bed_of(state);
    struct oops_pool *pool = oops_pool_new();
    struct oops_type drive = pointee_of(bed, "reads_port", "drive");
    static const struct {
        uint64_t off;
        const char *path;
    } rows[] = {{0, "name[0]"},        {5, "name[5]"}, {16, "port[0].a"}, {24, "port[0].b"}, {40, "port[1].a"},
                {64 + 8, "port[2].b"}, {88, "bits"},   {96, "done"},      {104, "ops"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct oops_member m;
        assert_true(oops_type_member(&drive, rows[i].off, NULL, pool, &m));
        assert_string_equal(m.path, rows[i].path);
        assert_false(m.padding);
    }
    struct oops_member m;
    assert_true(oops_type_member(&drive, 20, NULL, pool, &m));
    assert_true(m.padding);
    assert_false(oops_type_member(&drive, 112, NULL, pool, &m));
    assert_string_equal(oops_type_name(&drive, pool), "struct drive");
    oops_pool_free(pool);
}

static void test_oops_symbols_stop_at_the_callees_type(void **state) {
    struct bed *bed = bed_of(state);
    struct oops_pool *pool = oops_pool_new();
    struct oops_type done = pointee_of(bed, "completes", "x"), lock = pointee_of(bed, "takes_lock", "lock");
    struct oops_member m;
    assert_true(oops_type_member(&done, 8, &lock, pool, &m));
    assert_string_equal(m.path, "wait.lock");
    assert_true(oops_type_member(&done, 8, NULL, pool, &m));
    assert_string_equal(m.path, "wait.lock.value");
    oops_pool_free(pool);
}

/* ---- Whole reports ---- */

/* Offset behind the first call in a function. */
static uint64_t after_call(struct bed *bed, const char *name) {
    const struct oops_sym *sym = symbol(bed, name);
    struct oops_code code;
    uint64_t off = 0;
    assert_int_equal(oops_code_init(&code, bed->object, NULL, sym), 0);
    for (unsigned i = 0; i < code.count && !off; i++)
        if (code.steps[i].step.kind == OOPS_STEP_CALL)
            off = code.steps[i].off + code.steps[i].step.len;
    oops_code_release(&code);
    return off;
}

static char *frame(struct bed *bed, char *at, const char *name) {
    return at + sprintf(at, " %s+0x%llx/0x%llx [bed]\n", name, (unsigned long long)after_call(bed, name),
                        (unsigned long long)symbol(bed, name)->span);
}

/* A report of a fault at the start of `function`, called by those of `callers`. */
static struct oops_report *report(struct bed *bed, const char *function, uint64_t address, uint64_t rdi,
                                  const char *code, const char *const *callers) {
    static char text[8192];
    struct oops_report *reports[1];
    const struct oops_sym *sym = *function ? symbol(bed, function) : NULL;
    char *at = text;
    at += sprintf(at, "BUG: kernel NULL pointer dereference, address: %016llx\n", (unsigned long long)address);
    at += sprintf(at, "#PF: supervisor read access in kernel mode\n#PF: error_code(0x0000) - not-present page\n");
    at += sprintf(at, "Oops: 0000 [#1] SMP PTI\nCPU: 0 PID: 7 Comm: test Tainted: G OE 6.1.0-test #1\n");
    if (sym)
        at += sprintf(at, "RIP: 0010:%s+0x0/0x%llx [bed]\n", function, (unsigned long long)sym->span);
    else
        at += sprintf(at, "RIP: 0010:0x0\n");
    at += sprintf(at, "Code: %s\n", code);
    at += sprintf(at,
                  "RSP: 0018:ffffaef300003dc8 EFLAGS: 00010046\nRAX: 0000000000000000 RBX: 0000000000000000 RCX: "
                  "0000000000000022\nRDX: 0000000000000001 RSI: 0000000000000000 RDI: %016llx\n",
                  (unsigned long long)rdi);
    at += sprintf(at, "CR2: %016llx CR3: 000000012d7e6006 CR4: 0000000000360ef0\nCall Trace:\n <TASK>\n",
                  (unsigned long long)address);
    for (; *callers; callers++)
        at = frame(bed, at, *callers);
    sprintf(at, " </TASK>\nModules linked in: bed(OE)\n---[ end trace 0000000000000000 ]---\n");
    assert_int_equal(oops_read_text(text, strlen(text), reports, 1), 1);
    return reports[0];
}

static struct oops_verdict explain(struct bed *bed, struct oops_report *r, const char *file) {
    const char *modules[] = {file, NULL};
    struct oops_sources sources = {.modules = modules};
    struct oops_verdict v;
    struct err e = {0};
    memset(&v, 0, sizeof(v));
    oops_verdict_text(r, &v);
    struct oops_symbols *symbols = oops_symbols_new(&sources, &e);
    assert_string_equal(e.text, "");
    oops_symbols_explain(symbols, r, &v);
    oops_symbols_free(symbols);
    return v;
}

static const char unreadable[] = "Unable to access opcode bytes at 0xffffffffc0534ff9.";

static void test_oops_symbols_blame_a_parameter(void **state) {
    struct bed *bed = bed_of(state);
    struct oops_report *r = report(bed, "reads_port", 72, 0, unreadable, (const char *const[]){"entry", NULL});
    struct oops_verdict v = explain(bed, r, bed->module);
    assert_true(v.blame.there);
    assert_string_equal(v.blame.variable, "drive");
    assert_string_equal(v.blame.function, "reads_port");
    assert_string_equal(v.blame.member, "port[2].b");
    assert_int_equal(v.pc.count, 1);
    assert_int_equal(v.pc.places[0].line, 16);
    assert_non_null(strstr(v.headline, "`drive` is NULL in reads_port(); touched `drive->port[2].b` (+0x48)"));
    oops_report_free(r);
}

static void test_oops_symbols_walk_to_the_caller_that_made_the_address(void **state) {
    struct bed *bed = bed_of(state);
    struct oops_report *r =
        report(bed, "takes_lock", 8, 8, unreadable, (const char *const[]){"completes", "submits", "entry", NULL});
    struct oops_verdict v = explain(bed, r, bed->module);
    assert_true(v.blame.there);
    assert_string_equal(v.blame.variable, "x");
    assert_string_equal(v.blame.function, "completes");
    assert_string_equal(v.blame.member, "wait.lock");
    assert_int_equal(v.blame.frame, 1);
    assert_int_equal(v.chain_count, 1);
    assert_string_equal(v.chain[0].variable, "drive->done");
    assert_string_equal(v.chain[0].function, "submits");
    oops_report_free(r);
}

static void test_oops_symbols_blame_a_called_pointer(void **state) {
    struct bed *bed = bed_of(state);
    struct oops_report *r = report(bed, "", 0, 3, "Bad RIP value.", (const char *const[]){"calls", "entry", NULL});
    struct oops_verdict v = explain(bed, r, bed->module);
    assert_true(v.blame.there);
    assert_string_equal(v.blame.variable, "drive->ops->finish");
    assert_string_equal(v.blame.member, "finish");
    assert_string_equal(v.blame.function, "calls");
    oops_report_free(r);
}

static void test_oops_symbols_say_when_the_bytes_are_others(void **state) {
    struct bed *bed = bed_of(state);
    struct oops_report *r = report(bed, "reads_port", 72, 0,
                                   "<48> 8b 47 50 5d c3 90 90 90 90 90 90 90 90 90 90 55 48 89 e5 41 54 9c 58 0f 1f",
                                   (const char *const[]){"entry", NULL});
    struct oops_verdict v = explain(bed, r, bed->module);
    assert_false(v.blame.there);
    assert_int_equal(v.pc.count, 0);
    assert_true(v.misfits.count > 0);
    bool said = false;
    for (unsigned i = 0; i < v.misfits.count; i++)
        said |= strstr(v.misfits.s[i], "is not of the kernel that reported") != NULL;
    assert_true(said);
    oops_report_free(r);
}

static void test_oops_symbols_say_when_sizes_are_others(void **state) {
    struct bed *bed = bed_of(state);
    struct oops_report *r = report(bed, "reads_port", 72, 0, unreadable, (const char *const[]){"entry", NULL});
    r->states[r->fault_state].pc.size += 64;
    struct oops_trace *trace = &r->traces[r->main_trace];
    trace->frames[0].sym.size += 64;
    struct oops_verdict v = explain(bed, r, bed->module);
    assert_int_equal(v.pc.count, 0);
    assert_false(v.blame.there);
    assert_true(v.misfits.count > 0);
    oops_report_free(r);
}

/* ---- Other machines, where clang can make objects for them ---- */

static const char form_arm64[] =
    "Unable to handle kernel NULL pointer dereference at virtual address 0000000000000008\n"
    "Mem abort info:\n  ESR = 0x0000000096000004\n  EC = 0x25: DABT (current EL), IL = 32 bits\n"
    "Internal error: Oops: 0000000096000004 [#1] PREEMPT SMP\n"
    "CPU: 1 PID: 51 Comm: test Tainted: G OE 6.1.0-test #1\n"
    "pstate: 80000005 (Nzcv daif -PAN -UAO -TCO -DIT -SSBS BTYPE=--)\n"
    "pc : takes_lock+0x0/0x%llx [bed]\nlr : completes+0x%llx/0x%llx [bed]\nsp : ffff80000a3b3d40\n"
    "x29: ffff80000a3b3d40 x28: 0000000000000000 x27: 0000000000000000\n"
    "x2 : 0000000000000000 x1 : 0000000000000000 x0 : 0000000000000008\n"
    "Call trace:\n takes_lock+0x0/0x%llx [bed]\n completes+0x%llx/0x%llx [bed]\n submits+0x%llx/0x%llx [bed]\n"
    "Code: %08x %08x %08x %08x (%08x)\n---[ end trace 0000000000000000 ]---\n";

static void fill_arm64(struct bed *bed, char *text, size_t size) {
    const struct oops_sym *lock = symbol(bed, "takes_lock");
    unsigned long long span = lock->span, c = after_call(bed, "completes"), s = after_call(bed, "submits"),
                       cs = symbol(bed, "completes")->span, ss = symbol(bed, "submits")->span;
    uint32_t word;
    size_t got;
    memcpy(&word, oops_object_code(bed->object, lock->addr, 4, &got), 4);
    snprintf(text, size, form_arm64, span, c, cs, span, c, cs, s, ss, 0xd503201f, 0xd503201f, 0xd503201f, 0xd503201f,
             word);
}

static void test_oops_symbols_walk_on_arm64(void **state) {
    struct bed *native = bed_of(state), bed = {.cc = native->cc};
    struct err e = {0};
    struct oops_report *r;
    char text[4096];
    if (!oops_cc_object(&bed.cc, "arm.ko", source, "clang --target=aarch64-linux-gnu", bed.module, sizeof(bed.module)))
        skip();
    bed.object = oops_object_open(bed.module, "bed", NULL, &e);
    assert_non_null(bed.object);
    fill_arm64(&bed, text, sizeof(text));
    assert_int_equal(oops_read_text(text, strlen(text), &r, 1), 1);
    char named[256];
    snprintf(named, sizeof(named), "cd %s && mkdir -p arm && cp arm.ko arm/bed.ko", bed.cc.dir);
    assert_int_equal(system(named), 0);
    snprintf(named, sizeof(named), "%s/arm/bed.ko", bed.cc.dir);
    struct oops_verdict v = explain(&bed, r, named);
    assert_true(v.blame.there);
    assert_string_equal(v.blame.variable, "x");
    assert_string_equal(v.blame.function, "completes");
    assert_string_equal(v.blame.member, "wait.lock");
    oops_report_free(r);
    oops_object_free(bed.object);
}

/* ---- Files ---- */

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
        cmocka_unit_test(test_oops_symbols_sections_do_not_overlap),
        cmocka_unit_test(test_oops_symbols_find_lines_by_section),
        cmocka_unit_test(test_oops_symbols_know_inlined_functions),
        cmocka_unit_test(test_oops_symbols_tell_namesakes_apart_by_size),
        cmocka_unit_test(test_oops_symbols_name_members),
        cmocka_unit_test(test_oops_symbols_stop_at_the_callees_type),
        cmocka_unit_test(test_oops_symbols_blame_a_parameter),
        cmocka_unit_test(test_oops_symbols_walk_to_the_caller_that_made_the_address),
        cmocka_unit_test(test_oops_symbols_blame_a_called_pointer),
        cmocka_unit_test(test_oops_symbols_say_when_the_bytes_are_others),
        cmocka_unit_test(test_oops_symbols_say_when_sizes_are_others),
        cmocka_unit_test(test_oops_symbols_walk_on_arm64),
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
