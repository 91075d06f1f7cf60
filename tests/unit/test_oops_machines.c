/*
 * drivelab oops with modules for other machines, where clang can make them: a
 * bad pointer is walked to the caller that made it.
 */
#include "oops_module.h"

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

static void test_oops_machines_walk_on_arm64(void **state) {
    struct bed *native = bed_of(state), bed = {.cc = native->cc};
    struct err e = {0};
    struct oops_report *r;
    char text[4096];
    if (!oops_cc_object(&bed.cc, "arm.ko", bed_source, "clang --target=aarch64-linux-gnu", bed.module,
                        sizeof(bed.module)))
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

/* A NULL pointer was called: its caller stands in the link register alone. */
static const char form_call[] =
    "Unable to handle kernel NULL pointer dereference at virtual address 0000000000000000\n"
    "Mem abort info:\n  ESR = 0x0000000086000004\n  EC = 0x21: IABT (current EL), IL = 32 bits\n"
    "Internal error: Oops: 0000000086000004 [#1] PREEMPT SMP\n"
    "CPU: 1 PID: 51 Comm: test Tainted: G OE 6.1.0-test #1\n"
    "pstate: 80000005 (Nzcv daif -PAN -UAO -TCO -DIT -SSBS BTYPE=--)\n"
    "pc : 0x0\nlr : calls+0x%llx/0x%llx [bed]\nsp : ffff80000a3b3d40\n"
    "x29: ffff80000a3b3d40 x28: 0000000000000000 x27: 0000000000000000\n"
    "x2 : 0000000000000000 x1 : 0000000000000000 x0 : 0000000000000003\n"
    "Call trace:\n 0x0\n entry+0x%llx/0x%llx [bed]\n"
    "Code: bad PC value\n---[ end trace 0000000000000000 ]---\n";

static void test_oops_machines_know_the_caller_by_the_link_register(void **state) {
    struct bed *native = bed_of(state), bed = {.cc = native->cc};
    struct err e = {0};
    struct oops_report *r;
    char text[4096], named[256];
    if (!oops_cc_object(&bed.cc, "arm.ko", bed_source, "clang --target=aarch64-linux-gnu", bed.module,
                        sizeof(bed.module)))
        skip();
    bed.object = oops_object_open(bed.module, "bed", NULL, &e);
    assert_non_null(bed.object);
    snprintf(text, sizeof(text), form_call, (unsigned long long)after_call(&bed, "calls"),
             (unsigned long long)symbol(&bed, "calls")->span, (unsigned long long)after_call(&bed, "entry"),
             (unsigned long long)symbol(&bed, "entry")->span);
    assert_int_equal(oops_read_text(text, strlen(text), &r, 1), 1);
    snprintf(named, sizeof(named), "cd %s && mkdir -p arm && cp arm.ko arm/bed.ko", bed.cc.dir);
    assert_int_equal(system(named), 0);
    snprintf(named, sizeof(named), "%s/arm/bed.ko", bed.cc.dir);
    struct oops_verdict v = explain(&bed, r, named);
    assert_int_equal(v.lr.count, 1);
    assert_string_equal(v.lr.places[0].function, "calls");
    assert_true(v.blame.there);
    assert_string_equal(v.blame.variable, "drive->ops->finish");
    assert_string_equal(v.blame.function, "calls");
    oops_report_free(r);
    oops_object_free(bed.object);
}

/* ---- Thumb: what ARM kernels with CONFIG_THUMB2_KERNEL print ---- */

static const char form_thumb[] = "8<--- cut here ---\n"
                                 "Unable to handle kernel NULL pointer dereference at virtual address 00000004\n"
                                 "[00000004] *pgd=00000000\n"
                                 "Internal error: Oops: 5 [#1] SMP THUMB2\n"
                                 "Modules linked in: bed(OE)\n"
                                 "CPU: 0 PID: 51 Comm: test Tainted: G OE 6.1.0-test #1\n"
                                 "PC is at takes_lock+0x%llx/0x%llx [bed]\nLR is at completes+0x%llx/0x%llx [bed]\n"
                                 "pc : [<bf000%03x>]    lr : [<bf000%03x>]    psr: 60000033\n"
                                 "sp : e091de80  ip : 00000000  fp : 00000000\n"
                                 "r10: 00000000  r9 : 00000000  r8 : 00000000\n"
                                 "r7 : 00000000  r6 : 00000000  r5 : 00000000  r4 : 00000000\n"
                                 "r3 : 00000000  r2 : 00000000  r1 : 00000000  r0 : 00000004\n"
                                 "Flags: nZCv  IRQs on  FIQs on  Mode SVC_32  ISA Thumb  Segment none\n"
                                 " takes_lock [bed] from completes+0x%llx/0x%llx [bed]\n"
                                 " completes [bed] from submits+0x%llx/0x%llx [bed]\n"
                                 "Code: bf00 bf00 bf00 bf00 (%04x) %04x\n"
                                 "---[ end trace 0000000000000000 ]---\n";

/* The first load of the function. */
static uint64_t load_of(struct bed *bed, const char *name) {
    struct oops_code code;
    uint64_t off = 0;
    assert_int_equal(oops_code_init(&code, bed->object, NULL, symbol(bed, name)), 0);
    for (unsigned i = 0; i < code.count && !off; i++)
        if (code.steps[i].step.kind == OOPS_STEP_LOAD && code.steps[i].step.src == 0)
            off = code.steps[i].off;
    oops_code_release(&code);
    return off;
}

/* Return addresses have their lowest bit set. */
static void fill_thumb(struct bed *bed, char *text, size_t size) {
    const struct oops_sym *lock = symbol(bed, "takes_lock");
    unsigned long long span = lock->span, at = load_of(bed, "takes_lock"), c = after_call(bed, "completes") | 1,
                       s = after_call(bed, "submits") | 1, cs = symbol(bed, "completes")->span,
                       ss = symbol(bed, "submits")->span;
    uint16_t half[2];
    size_t got;
    assert_true(lock->thumb);
    memcpy(half, oops_object_code(bed->object, lock->addr + at, 4, &got), 4);
    snprintf(text, size, form_thumb, at, span, c, cs, (unsigned)at, 0x101, c, cs, s, ss, half[0], half[1]);
}

static void test_oops_machines_walk_in_thumb(void **state) {
    struct bed *native = bed_of(state), bed = {.cc = native->cc};
    struct err e = {0};
    struct oops_report *r;
    char text[4096], named[256];
    if (!oops_cc_object(&bed.cc, "thumb.ko", bed_source, "clang --target=armv7a-linux-gnueabihf -mthumb", bed.module,
                        sizeof(bed.module)))
        skip();
    bed.object = oops_object_open(bed.module, "bed", NULL, &e);
    assert_non_null(bed.object);
    fill_thumb(&bed, text, sizeof(text));
    assert_int_equal(oops_read_text(text, strlen(text), &r, 1), 1);
    snprintf(named, sizeof(named), "cd %s && mkdir -p thumb && cp thumb.ko thumb/bed.ko", bed.cc.dir);
    assert_int_equal(system(named), 0);
    snprintf(named, sizeof(named), "%s/thumb/bed.ko", bed.cc.dir);
    struct oops_verdict v = explain(&bed, r, named);
    assert_string_equal(v.insn.text, "ldr r0, [r0, #0]");
    assert_true(v.insn.mem.ea_matches);
    assert_true(v.blame.there);
    assert_string_equal(v.blame.variable, "x");
    assert_string_equal(v.blame.function, "completes");
    assert_string_equal(v.blame.member, "wait.lock");
    assert_int_equal(v.chain_count, 1);
    assert_string_equal(v.chain[0].variable, "drive->done");
    oops_report_free(r);
    oops_object_free(bed.object);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oops_machines_walk_on_arm64),
        cmocka_unit_test(test_oops_machines_know_the_caller_by_the_link_register),
        cmocka_unit_test(test_oops_machines_walk_in_thumb),
    };
    return cmocka_run_group_tests(tests, bed_setup, bed_teardown);
}
