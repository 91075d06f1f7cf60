/*
 * drivelab oops with files: symbols of relocatable objects by section, namesakes,
 * members and variables by DWARF, files of another build.
 */
#include "oops_module.h"

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

/* Where the element of the array has been loaded: what follows takes a member of it. */
static uint64_t behind_the_element(struct bed *bed, int *reg) {
    struct oops_code code;
    uint64_t off = 0;
    assert_int_equal(oops_code_init(&code, bed->object, NULL, symbol(bed, "picks")), 0);
    for (unsigned i = 0; i < code.count && !off; i++) {
        const struct oops_step *step = &code.steps[i].step;
        if (step->kind != OOPS_STEP_LOAD || !step->indexed)
            continue;
        off = code.steps[i].off + step->len;
        *reg = step->dst;
    }
    oops_code_release(&code);
    assert_true(off > 0);
    return off;
}

static void test_oops_symbols_name_the_element(void **state) {
    struct bed *bed = bed_of(state);
    int reg = -1;
    uint64_t off = behind_the_element(bed, &reg);
    struct oops_report *r = report(bed, "picks", 40, 3, unreadable, (const char *const[]){"entry", NULL});
    r->states[r->fault_state].pc.off = off;
    struct oops_verdict v = explain(bed, r, bed->module);
    assert_true(v.blame.there);
    assert_string_equal(v.blame.variable, "registry[3]");
    assert_string_equal(v.blame.member, "port[1].a");

    struct oops_code code; /* without registers the element has a name only */
    struct oops_type type;
    const char *name;
    assert_int_equal(oops_code_init(&code, bed->object, NULL, symbol(bed, "picks")), 0);
    struct oops_origin o = oops_origin_of(&code, code.sym->addr + off, reg, 0, r->pool);
    assert_int_equal(o.kind, OOPS_ORIGIN_LOAD);
    assert_true(oops_origin_name(&code, &o, r->pool, &name, &type));
    assert_string_equal(name, "registry[i]");
    oops_code_release(&code);
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oops_symbols_sections_do_not_overlap),
        cmocka_unit_test(test_oops_symbols_find_lines_by_section),
        cmocka_unit_test(test_oops_symbols_know_inlined_functions),
        cmocka_unit_test(test_oops_symbols_tell_namesakes_apart_by_size),
        cmocka_unit_test(test_oops_symbols_name_members),
        cmocka_unit_test(test_oops_symbols_stop_at_the_callees_type),
        cmocka_unit_test(test_oops_symbols_blame_a_parameter),
        cmocka_unit_test(test_oops_symbols_name_the_element),
        cmocka_unit_test(test_oops_symbols_walk_to_the_caller_that_made_the_address),
        cmocka_unit_test(test_oops_symbols_blame_a_called_pointer),
        cmocka_unit_test(test_oops_symbols_say_when_the_bytes_are_others),
        cmocka_unit_test(test_oops_symbols_say_when_sizes_are_others),
    };
    return cmocka_run_group_tests(tests, bed_setup, bed_teardown);
}
