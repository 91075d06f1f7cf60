/*
 * drivelab oops: registers of callers by the rules of unwinding, variables by
 * them, how far a kernel was moved, callers that only a link register tells.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "diag/oops/log/reader.h"
#include "diag/oops/report/stack.h"
#include "diag/oops/symbols/origin.h"
#include "diag/oops/symbols/symbols.h"
#include "oops_cc.h"

static const char source[] =
    "#define plain __attribute__((noinline, noclone))\n"
    "struct item { int a; int b; struct item *next; };\n"
    "int sink, other_sink;\n"
    "plain int leaf(int *place) { return *place; }\n"
    "plain int keeps(struct item *item) { int v = leaf(&item->b); sink += item->a; return v; }\n"
    "plain int holds(struct item *owner, struct item *item)\n"
    "{ int v = keeps(item); sink += owner->a; return v; }\n"
    "plain int top(struct item *all) { int v = holds(all, all->next); sink++; return v; }\n"
    "int entry(void) { other_sink = 3; return top(0); }\n";

#define CC_X86 "cc -mcmodel=kernel -fcf-protection=none -fno-ipa-ra" /* as with -pg */

struct bed {
    struct oops_cc cc;
    char file[160], linked[160];
    struct oops_object *object; /* a module */
    struct oops_object *kernel; /* the same, linked; NULL: no linker */
};

static void link_it(struct bed *bed) {
    char command[512];
    struct err e = {0};
    snprintf(bed->linked, sizeof(bed->linked), "%s/vmlinux", bed->cc.dir);
    snprintf(command, sizeof(command),
             "ld -Ttext=0xffffffff81000000 -Tdata=0xffffffff82000000 -e entry %s -o %s 2>/dev/null", bed->file,
             bed->linked);
    if (system(command) == 0)
        bed->kernel = oops_object_open(bed->linked, "", NULL, &e);
}

static int bed_setup(void **state) {
    struct bed *bed = calloc(1, sizeof(*bed));
    struct err e = {0};
    *state = NULL;
    if (oops_cc_init(&bed->cc) && oops_cc_object(&bed->cc, "bed.ko", source, CC_X86, bed->file, sizeof(bed->file)))
        bed->object = oops_object_open(bed->file, "bed", NULL, &e);
    if (!bed->object) {
        print_message("no compiler for x86-64, or: %s\n", e.text);
        free(bed);
        return 0;
    }
    link_it(bed);
    *state = bed;
    return 0;
}

static int bed_teardown(void **state) {
    struct bed *bed = *state;
    if (bed) {
        oops_object_free(bed->object);
        oops_object_free(bed->kernel);
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

static const struct oops_sym *symbol(const struct oops_object *object, const char *name) {
    const struct oops_sym *sym = NULL;
    assert_int_equal(oops_symtab_named(&object->symtab, name, &sym, 1), 1);
    return sym;
}

/* Offset behind the first call in a function. */
static uint64_t after_call(struct oops_object *object, const char *name) {
    struct oops_code code;
    uint64_t off = 0;
    assert_int_equal(oops_code_init(&code, object, NULL, symbol(object, name)), 0);
    for (unsigned i = 0; i < code.count && !off; i++)
        if (code.steps[i].step.kind == OOPS_STEP_CALL)
            off = code.steps[i].off + code.steps[i].step.len;
    oops_code_release(&code);
    return off;
}

#define LEAF_FAULT  0x1004u
#define ITEM        0xffff888003001000u
#define OWNER       0xffff888003002000u
#define STACK_START 0xffffc90000123d00u

struct form {
    char text[8192];
    char *at;
};

static void add(struct form *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void add(struct form *f, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    f->at += vsnprintf(f->at, (size_t)(f->text + sizeof(f->text) - f->at), fmt, args);
    va_end(args);
}

static void begin(struct form *f, struct oops_object *object, const char *module, const char *extra) {
    f->at = f->text;
    add(f,
        "BUG: unable to handle page fault for address: 0000000000001004\n"
        "#PF: supervisor read access in kernel mode\n#PF: error_code(0x0000) - not-present page\n"
        "Oops: 0000 [#1] SMP PTI\nCPU: 0 PID: 7 Comm: test Tainted: G OE 4.4.0-test #1\n"
        "RIP: 0010:leaf+0x0/0x%llx%s\nCode: Bad RIP value.\n"
        "RSP: 0018:%016llx EFLAGS: 00010046\nRAX: 0000000000000000 RBX: %016llx RCX: 0000000000000022\n"
        "RDX: 0000000000000001 RSI: 0000000000000000 RDI: %016llx\n%s",
        (unsigned long long)symbol(object, "leaf")->span, module, (unsigned long long)STACK_START,
        (unsigned long long)ITEM, (unsigned long long)LEAF_FAULT, extra);
}

static void frames(struct form *f, struct oops_object *object, const char *module) {
    static const char *const names[] = {"keeps", "holds", "top"};
    add(f, "Call Trace:\n <TASK>\n");
    for (unsigned i = 0; i < 3; i++)
        add(f, " %s+0x%llx/0x%llx%s\n", names[i], (unsigned long long)after_call(object, names[i]),
            (unsigned long long)symbol(object, names[i])->span, module);
    add(f, " </TASK>\nModules linked in: bed(OE)\n---[ end trace 0000000000000000 ]---\n");
}

static struct oops_report *parse(struct form *f) {
    struct oops_report *reports[1];
    assert_int_equal(oops_read_text(f->text, strlen(f->text), reports, 1), 1);
    return reports[0];
}

static struct oops_verdict explain(struct oops_report *r, const char *vmlinux, const char *module) {
    const char *modules[] = {module, NULL};
    struct oops_sources sources = {.vmlinux = vmlinux, .modules = modules};
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

static const struct oops_local *local(const struct oops_verdict *v, const char *function, const char *name) {
    for (unsigned i = 0; i < v->local_count; i++)
        if (strcmp(v->locals[i].function, function) == 0 && strcmp(v->locals[i].name, name) == 0)
            return &v->locals[i];
    return NULL;
}

/* ---- Variables of callers ---- */

static void test_oops_unwind_keeps_what_the_callee_did_not_touch(void **state) {
    struct bed *bed = bed_of(state);
    struct form f;
    begin(&f, bed->object, " [bed]", "");
    frames(&f, bed->object, " [bed]");
    struct oops_report *r = parse(&f);
    struct oops_verdict v = explain(r, NULL, bed->file);
    const struct oops_local *item = local(&v, "keeps", "item");
    assert_non_null(item);
    assert_true(item->value == ITEM);
    assert_int_equal(item->frame, 1);
    assert_string_equal(item->type, "struct item *");
    assert_null(local(&v, "holds", "owner")); /* keeps() has pushed its register */
    assert_non_null(local(&v, "leaf", "place"));
    assert_true(local(&v, "leaf", "place")->value == LEAF_FAULT);
    assert_true(v.frames[0].reg_count > 0);
    oops_report_free(r);
}

/* A function in assembly has no rules, and the walk loses the register that it computes. */
static void test_oops_unwind_suspects_by_value(void **state) {
    static const char assembly[] =
        "struct item { int a; int b; struct item *next; };\nint sink;\nint length(void *text);\n"
        "__asm__(\".text\\n.globl length\\n.type length,@function\\nlength: lea (%rdi,%rdi,1),%rdx\\nshr %rdx\\n\"\n"
        "        \"1: movl 4(%rdx),%eax\\nret\\n.size length,.-length\\n\");\n"
        "__attribute__((noinline)) int keeps(struct item *item) { int v = length(item); sink += item->a; return v; }\n"
        "int entry(void) { return keeps(0); }\n";
    struct bed *bed = bed_of(state);
    struct err e = {0};
    char file[160], command[320];
    if (!oops_cc_object(&bed->cc, "asm.ko", assembly, CC_X86, file, sizeof(file)))
        skip();
    snprintf(command, sizeof(command), "cd %s && mkdir -p asm && mv asm.ko asm/bed.ko", bed->cc.dir);
    assert_int_equal(system(command), 0);
    snprintf(file, sizeof(file), "%s/asm/bed.ko", bed->cc.dir);
    struct oops_object *object = oops_object_open(file, "bed", NULL, &e);
    assert_non_null(object);
    struct form f = {.at = f.text};
    add(&f,
        "BUG: kernel NULL pointer dereference, address: 0000000000000004\n"
        "#PF: supervisor read access in kernel mode\n#PF: error_code(0x0000) - not-present page\n"
        "Oops: 0000 [#1] SMP PTI\nCPU: 0 PID: 7 Comm: test Tainted: G OE 6.1.0-test #1\n"
        "RIP: 0010:length+0x7/0x%llx [bed]\nCode: 48 8d 14 3f 48 d1 ea <8b> 42 04 c3\n"
        "RSP: 0018:%016llx EFLAGS: 00010046\nRAX: 0000000000000000 RBX: 0000000000000000 RCX: 0000000000000022\n"
        "RDX: 0000000000000000 RSI: 0000000000000000 RDI: 0000000000000000\nCall Trace:\n"
        " keeps+0x%llx/0x%llx [bed]\n---[ end trace 0000000000000000 ]---\n",
        (unsigned long long)symbol(object, "length")->span, (unsigned long long)STACK_START,
        (unsigned long long)after_call(object, "keeps"), (unsigned long long)symbol(object, "keeps")->span);
    struct oops_report *r = parse(&f);
    struct oops_verdict v = explain(r, NULL, file);
    assert_non_null(local(&v, "keeps", "item"));
    assert_true(v.blame.there);
    assert_string_equal(v.blame.variable, "item");
    assert_string_equal(v.blame.function, "keeps");
    assert_string_equal(v.blame.member, "b");
    assert_int_equal(v.blame.frame, 1);
    assert_int_equal(v.confidence, OOPS_CONFIDENCE_MEDIUM);
    oops_report_free(r);
    oops_object_free(object);
}

static void test_oops_unwind_reads_the_printed_stack(void **state) {
    struct bed *bed = bed_of(state);
    struct form f;
    char stack[512];
    /* leaf's return address; keeps' saved register and return address */
    snprintf(stack, sizeof(stack), "Stack:\n %016llx %016llx %016llx %016llx\nCR2: 0000000000001004\n",
             0xffffffffc0000001ull, (unsigned long long)OWNER, 0xffffffffc0000002ull, 0x77ull);
    begin(&f, bed->object, " [bed]", stack);
    frames(&f, bed->object, " [bed]");
    struct oops_report *r = parse(&f);
    struct oops_verdict v = explain(r, NULL, bed->file);
    const struct oops_local *owner = local(&v, "holds", "owner");
    assert_non_null(owner);
    assert_true(owner->value == OWNER);
    assert_non_null(local(&v, "keeps", "item"));
    oops_report_free(r);
}

static void test_oops_unwind_reads_stacks_of_all_forms(void **state) {
    static const char x86[] = "BUG: unable to handle kernel paging request at 0000000000001004\n"
                              "Oops: 0000 [#1] SMP\nRIP: 0010:[<ffffffff81000000>]  [<ffffffff81000000>] f+0x0/0x10\n"
                              "RSP: 0018:ffff880012345678  EFLAGS: 00010046\n"
                              "RAX: 0000000000000000 RBX: 0000000000000001 RCX: 0000000000000022\n"
                              "Stack:\n 0000000000000011 0000000000000022 0000000000000033\n 0000000000000044\n"
                              "Call Trace:\n [<ffffffff81000100>] g+0x3/0x10\n---[ end trace 0000000000000000 ]---\n";
    static const char arm[] = "Unable to handle kernel NULL pointer dereference at virtual address 00000004\n"
                              "Internal error: Oops: 5 [#1] SMP ARM\nPC is at f+0x0/0x10\nLR is at g+0x4/0x10\n"
                              "pc : [<c0100000>]    lr : [<c0100104>]    psr: 60000013\n"
                              "sp : df8cbff8  ip : 00000000  fp : df8cc00c\n"
                              "Process test (pid: 1, stack limit = 0xdf8ca210)\n"
                              "Stack: (0xdf8cbff8 to 0xdf8cc010)\n"
                              "bfe0:                                                       00000011 00000022\n"
                              "c000: 00000033 00000044 00000055 00000066\n"
                              "[<c0100000>] (f) from [<c0100104>] (g+0x4/0x10)\n---[ end trace 0000000000000000 ]---\n";
    struct oops_report *r;
    struct oops_stack_words s;
    uint64_t value;
    assert_int_equal(oops_read_text(x86, strlen(x86), &r, 1), 1);
    oops_stack_read(r, oops_report_fault(r), &s);
    assert_int_equal(s.count, 4);
    assert_true(oops_stack_at(&s, 0xffff880012345680, 8, &value) && value == 0x22);
    assert_true(oops_stack_at(&s, 0xffff880012345690, 4, &value) && value == 0x44);
    assert_true(oops_stack_at(&s, 0xffff880012345682, 8, &value) && value == 0x0033000000000000);
    assert_false(oops_stack_at(&s, 0xffff880012345698, 8, &value));
    assert_false(oops_stack_at(&s, 0xffff880012345670, 8, &value));
    oops_report_free(r);
    assert_int_equal(oops_read_text(arm, strlen(arm), &r, 1), 1);
    oops_stack_read(r, oops_report_fault(r), &s);
    assert_int_equal(s.count, 6);
    assert_true(oops_stack_at(&s, 0xdf8cbff8, 4, &value) && value == 0x11);
    assert_true(oops_stack_at(&s, 0xdf8cc000, 4, &value) && value == 0x33);
    assert_true(oops_stack_at(&s, 0xdf8cc00c, 4, &value) && value == 0x66);
    oops_report_free(r);
}

/* ---- KASLR ---- */

#define SLIDE 0x2d200000ull

static struct bed *linked_bed(void **state) {
    struct bed *bed = bed_of(state);
    if (!bed->kernel)
        skip();
    return bed;
}

static void test_oops_slide_by_stack(void **state) {
    struct bed *bed = linked_bed(state);
    struct form f;
    char stack[256];
    snprintf(stack, sizeof(stack), "Stack:\n %016llx %016llx %016llx\nCR2: 0000000000001004\n",
             (unsigned long long)(symbol(bed->kernel, "keeps")->addr + after_call(bed->kernel, "keeps") + SLIDE),
             (unsigned long long)OWNER,
             (unsigned long long)(symbol(bed->kernel, "holds")->addr + after_call(bed->kernel, "holds") + SLIDE));
    begin(&f, bed->kernel, "", stack);
    frames(&f, bed->kernel, "");
    struct oops_report *r = parse(&f);
    struct oops_verdict v = explain(r, bed->linked, NULL);
    assert_true(v.has_slide);
    assert_true(v.slide == SLIDE);
    assert_non_null(strstr(v.slide_how, "stack"));
    assert_non_null(local(&v, "holds", "owner"));
    oops_report_free(r);
}

static struct oops_verdict with_registers(struct bed *bed, struct oops_report **r, uint64_t r12, uint64_t r13,
                                          uint64_t r14, uint64_t r15) {
    struct form f;
    char regs[256];
    snprintf(regs, sizeof(regs), "R12: %016llx R13: %016llx R14: %016llx\nR15: %016llx FS: 00 GS: 00\n",
             (unsigned long long)r12, (unsigned long long)r13, (unsigned long long)r14, (unsigned long long)r15);
    begin(&f, bed->kernel, "", regs);
    frames(&f, bed->kernel, "");
    *r = parse(&f);
    return explain(*r, bed->linked, NULL);
}

static bool has_note(const struct oops_notes *notes, const char *words) {
    for (unsigned i = 0; i < notes->count; i++)
        if (strstr(notes->s[i], words))
            return true;
    return false;
}

static void test_oops_slide_by_registers(void **state) {
    struct bed *bed = linked_bed(state);
    struct oops_report *r;
    uint64_t sink = symbol(bed->kernel, "sink")->addr, other = symbol(bed->kernel, "other_sink")->addr,
             entry = symbol(bed->kernel, "entry")->addr;
    struct oops_verdict v = with_registers(bed, &r, sink + SLIDE, entry + SLIDE, 0, 0);
    assert_true(v.has_slide);
    assert_true(v.slide == SLIDE);
    assert_true(has_note(&v.facts, "r12 is &sink, r13 is entry"));
    oops_report_free(r);
    v = with_registers(bed, &r, sink + SLIDE, 0, 0, 0); /* one proves nothing */
    assert_false(v.has_slide);
    oops_report_free(r);
    v = with_registers(bed, &r, sink + SLIDE, other + SLIDE, sink + SLIDE + 0x200000, other + SLIDE + 0x200000);
    assert_false(v.has_slide);
    assert_true(has_note(&v.facts, "not certain"));
    oops_report_free(r);
}

static void test_oops_slide_by_addresses_of_the_trace(void **state) {
    struct bed *bed = linked_bed(state);
    struct form f;
    uint64_t leaf = symbol(bed->kernel, "leaf")->addr + SLIDE,
             keeps = symbol(bed->kernel, "keeps")->addr + after_call(bed->kernel, "keeps") + SLIDE;
    f.at = f.text;
    add(&f,
        "BUG: unable to handle kernel paging request at 0000000000001004\nOops: 0000 [#1] SMP\n"
        "CPU: 0 PID: 7 Comm: test Tainted: G OE 4.4.0-test #1\n"
        "RIP: 0010:[<%016llx>]  [<%016llx>] leaf+0x0/0x%llx\nRSP: 0018:ffff880012345678  EFLAGS: 00010046\n"
        "RAX: 0000000000000000 RBX: 0000000000000001 RCX: 0000000000000022\nCall Trace:\n"
        " [<%016llx>] keeps+0x%llx/0x%llx\n---[ end trace 0000000000000000 ]---\n",
        (unsigned long long)leaf, (unsigned long long)leaf, (unsigned long long)symbol(bed->kernel, "leaf")->span,
        (unsigned long long)keeps, (unsigned long long)after_call(bed->kernel, "keeps"),
        (unsigned long long)symbol(bed->kernel, "keeps")->span);
    struct oops_report *r = parse(&f);
    struct oops_verdict v = explain(r, bed->linked, NULL);
    assert_true(v.has_slide);
    assert_true(v.slide == SLIDE);
    oops_report_free(r);
}

/* ---- Other machines, where clang can make objects for them ---- */

/* A machine's module, and a report of leaf(4): `lr` the return address that stands nowhere else. */
struct machine {
    const char *name, *compiler;
    const char *head; /* up to the program counter */
    const char *pc;   /* with the sizes of leaf */
    const char *lr;   /* "" none */
    const char *regs;
    const char *trace;
    const char *code;
};

static const struct machine machines[] = {
    {"arm64", "clang --target=aarch64-linux-gnu",
     "Unable to handle kernel NULL pointer dereference at virtual address 0000000000000004\n"
     "Mem abort info:\n  ESR = 0x0000000096000004\nInternal error: Oops: 0000000096000004 [#1] PREEMPT SMP\n"
     "CPU: 1 PID: 51 Comm: test Tainted: G OE 6.1.0-test #1\n"
     "pstate: 80000005 (Nzcv daif -PAN -UAO -TCO -DIT -SSBS BTYPE=--)\n",
     "pc : leaf+0x0/0x%llx [bed]\n", "lr : keeps+0x%llx/0x%llx [bed]\n",
     "sp : ffff80000a3b3d40\nx29: ffff80000a3b3d40 x28: 0000000000000000 x27: 0000000000000000\n"
     "x20: 0000000000000000 x19: 0000000000000000 x0 : 0000000000000004\n",
     "Call trace:\n", "Code: d503201f d503201f d503201f d503201f (b9400000)\n"},
    {"arm", "clang --target=arm-linux-gnueabi -march=armv7-a -marm",
     "Unable to handle kernel NULL pointer dereference at virtual address 00000004\n[00000004] *pgd=00000000\n"
     "Internal error: Oops: 5 [#1] SMP ARM\nCPU: 0 PID: 51 Comm: test Tainted: G OE 6.1.0-test #1\n",
     "PC is at leaf+0x0/0x%llx [bed]\n", "LR is at keeps+0x%llx/0x%llx [bed]\n",
     "pc : [<bf000000>]    lr : [<bf000018>]    psr: 60000013\nsp : d0829e40  ip : 00000000  fp : 00000000\n"
     "r10: 00000000  r9 : 00000000  r8 : 00000000\nr7 : 00000000  r6 : 00000000  r5 : 00000000  r4 : 00000000\n"
     "r3 : 00000000  r2 : 00000000  r1 : 00000000  r0 : 00000004\n",
     "Call trace:\n", "Code: e320f000 e320f000 e320f000 e320f000 (e5900000)\n"},
    {"i386", "clang -m32 -mregparm=3",
     "BUG: kernel NULL pointer dereference, address: 00000004\n#PF: supervisor read access in kernel mode\n"
     "#PF: error_code(0x0000) - not-present page\n*pde = 00000000\nOops: 0000 [#1] SMP\n"
     "CPU: 0 PID: 51 Comm: test Tainted: G OE 6.1.0-test #1\n",
     "EIP: leaf+0x0/0x%llx [bed]\n", "",
     "Code: <8b> 00 c3 90\nEAX: 00000004 EBX: 00000000 ECX: 00000000 EDX: 00000000\n"
     "ESI: 00000000 EDI: 00000000 EBP: 00000000 ESP: c2003e5c\nDS: 007b ES: 007b FS: 00d8 GS: 0000 SS: 0068 EFLAGS: "
     "00010246\nCR0: 80050033 CR2: 00000004 CR3: 02a8c000 CR4: 00000690\n",
     "Call Trace:\n", ""},
    {"riscv", "clang --target=riscv64-linux-gnu -mno-relax",
     "Unable to handle kernel NULL pointer dereference at virtual address 0000000000000004\nOops [#1]\n"
     "CPU: 0 PID: 51 Comm: test Tainted: G OE 6.1.0-test #1\n",
     "epc : leaf+0x0/0x%llx [bed]\n", " ra : keeps+0x%llx/0x%llx [bed]\n",
     "epc : ffffffff01a83000 ra : ffffffff01a83018 sp : ff20000000a3bd40\n"
     " gp : ffffffff81a83000 tp : ff60000002830000 t0 : 0000000000000000\n"
     " s0 : 0000000000000000 s1 : 0000000000000000 a0 : 0000000000000004\n"
     " s2 : 0000000000000000 s3 : 0000000000000000 s4 : 0000000000000000\n"
     "status: 0000000200000120 badaddr: 0000000000000004 cause: 000000000000000d\n",
     "Call Trace:\n", ""},
};

static void fill(struct form *f, const struct machine *m, struct oops_object *object, bool with_caller) {
    unsigned long long span = symbol(object, "leaf")->span, keeps = after_call(object, "keeps"),
                       holds = after_call(object, "holds"), keeps_span = symbol(object, "keeps")->span,
                       holds_span = symbol(object, "holds")->span;
    f->at = f->text;
    add(f, "%s", m->head);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    add(f, m->pc, span);
    if (*m->lr)
        add(f, m->lr, keeps, keeps_span);
#pragma GCC diagnostic pop
    add(f, "%s%s", m->regs, m->trace);
    if (with_caller)
        add(f, " keeps+0x%llx/0x%llx [bed]\n", keeps, keeps_span);
    add(f, " holds+0x%llx/0x%llx [bed]\n%s---[ end trace 0000000000000000 ]---\n", holds, holds_span, m->code);
}

static void check_machine(struct bed *bed, const struct machine *m) {
    struct err e = {0};
    char file[160], command[320];
    if (!oops_cc_object(&bed->cc, "other.ko", source, m->compiler, file, sizeof(file))) {
        print_message("%s: not here\n", m->compiler);
        return;
    }
    snprintf(command, sizeof(command), "cd %s && mkdir -p %s && mv other.ko %s/bed.ko", bed->cc.dir, m->name, m->name);
    assert_int_equal(system(command), 0);
    snprintf(file, sizeof(file), "%s/%s/bed.ko", bed->cc.dir, m->name);
    struct oops_object *object = oops_object_open(file, "bed", NULL, &e);
    assert_non_null(object);
    for (unsigned with_caller = *m->lr ? 0 : 1; with_caller < 2; with_caller++) {
        struct form f;
        fill(&f, m, object, with_caller);
        struct oops_report *r = parse(&f);
        assert_string_equal(oops_arch_name(r->arch), m->name);
        struct oops_verdict v = explain(r, NULL, file);
        if (!v.blame.there || strcmp(v.blame.variable, "item") || strcmp(v.blame.function, "keeps"))
            fail_msg("%s: %s", m->name, v.headline);
        assert_string_equal(v.blame.member, "b");
        assert_int_equal(v.blame.value, 0);
        assert_int_equal(v.lr.count > 0, !with_caller);
        if (!local(&v, "keeps", "item") || local(&v, "keeps", "item")->value != 0)
            fail_msg("%s: its register is not known in keeps()", m->name);
        assert_non_null(local(&v, "leaf", "place"));
        assert_true(local(&v, "leaf", "place")->value == 4);
        oops_report_free(r);
    }
    oops_object_free(object);
}

/* "Backtrace:" has what each function saved of its caller's registers. */
static void test_oops_unwind_takes_registers_that_arm_prints(void **state) {
    struct bed *bed = bed_of(state);
    struct err e = {0};
    char file[160], command[320];
    if (!oops_cc_object(&bed->cc, "other.ko", source, machines[1].compiler, file, sizeof(file)))
        skip();
    snprintf(command, sizeof(command), "cd %s && mkdir -p arm2 && mv other.ko arm2/bed.ko", bed->cc.dir);
    assert_int_equal(system(command), 0);
    snprintf(file, sizeof(file), "%s/arm2/bed.ko", bed->cc.dir);
    struct oops_object *object = oops_object_open(file, "bed", NULL, &e);
    assert_non_null(object);
    unsigned long long keeps = after_call(object, "keeps"), holds = after_call(object, "holds"),
                       keeps_span = symbol(object, "keeps")->span, holds_span = symbol(object, "holds")->span;
    struct form f = {.at = f.text};
    add(&f, "%sPC is at leaf+0x0/0x%llx [bed]\nLR is at keeps+0x%llx/0x%llx [bed]\n%sBacktrace: \n", machines[1].head,
        (unsigned long long)symbol(object, "leaf")->span, keeps, keeps_span, machines[1].regs);
    add(&f, "[<bf000000>] (leaf [bed]) from [<bf000018>] (keeps+0x%llx/0x%llx [bed])\n", keeps, keeps_span);
    add(&f, "[<bf000008>] (keeps [bed]) from [<bf000054>] (holds+0x%llx/0x%llx [bed])\n r5:00000001 r4:c4007700\n",
        holds, holds_span);
    add(&f, "%s---[ end trace 0000000000000000 ]---\n", machines[1].code);
    struct oops_report *r = parse(&f);
    struct oops_verdict v = explain(r, NULL, file);
    const struct oops_local *owner = local(&v, "holds", "owner");
    assert_non_null(owner);
    assert_int_equal(owner->value, 0xc4007700);
    assert_int_equal(local(&v, "keeps", "item")->value, 0);
    oops_report_free(r);
    oops_object_free(object);
}

/* ---- The wrong kernel ---- */

static void test_oops_unwind_says_when_no_calls_end_there(void **state) {
    struct bed *bed = linked_bed(state);
    struct form f;
    begin(&f, bed->kernel, "", "");
    frames(&f, bed->kernel, "");
    struct oops_report *r = parse(&f);
    struct oops_verdict v = explain(r, bed->linked, NULL);
    assert_false(v.wrong_kernel);
    oops_report_free(r);
    r = parse(&f);
    for (unsigned i = 0; i < 3; i++)
        r->traces[r->main_trace].frames[i].sym.off++;
    v = explain(r, bed->linked, NULL);
    assert_true(v.wrong_kernel);
    assert_true(has_note(&v.misfits, "call nobody"));
    oops_report_free(r);
}

static void test_oops_unwind_on_other_machines(void **state) {
    struct bed *bed = bed_of(state);
    for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++)
        check_machine(bed, &machines[i]);
}

/* ---- Rules in .eh_frame alone ---- */

static struct oops_object *compile_rules(struct bed *bed, const char *compiler, const char *option, const char *name) {
    char command[512], path[160];
    struct err e = {0};
    FILE *out;
    snprintf(path, sizeof(path), "%s/rules.c", bed->cc.dir);
    out = fopen(path, "w");
    assert_non_null(out);
    fputs(source, out);
    fclose(out);
    snprintf(command, sizeof(command),
             "cd %s && %s -g -O2 -fno-pic -fno-stack-protector %s -c rules.c -o %s 2>rules.log", bed->cc.dir, compiler,
             option, name);
    if (system(command) != 0)
        return NULL;
    snprintf(path, sizeof(path), "%s/%s", bed->cc.dir, name);
    return oops_object_open(path, "bed", NULL, &e);
}

static bool same_ops(const Dwarf_Op *a, size_t n, const Dwarf_Op *b, size_t m) {
    bool same = n == m;
    for (size_t i = 0; same && i < n; i++)
        same = a[i].atom == b[i].atom && a[i].number == b[i].number && a[i].number2 == b[i].number2;
    return same;
}

/* At every instruction of a function, in both files. */
static void compare_rules(struct oops_object *a, struct oops_object *b, const char *name) {
    const struct oops_sym *x = symbol(a, name), *y = symbol(b, name);
    assert_int_equal(x->size, y->size);
    for (uint64_t off = 0; off < x->size; off++) {
        Dwarf_Frame *f, *g;
        Dwarf_Op *p, *q, own[3], other[3];
        size_t n, m;
        assert_true(oops_dwarf_frame(a->dwarf, x->addr + off, &f));
        assert_true(oops_dwarf_frame(b->dwarf, y->addr + off, &g));
        assert_int_equal(dwarf_frame_cfa(f, &p, &n), 0);
        assert_int_equal(dwarf_frame_cfa(g, &q, &m), 0);
        assert_true(same_ops(p, n, q, m));
        for (int reg = 0; reg < 31; reg++) {
            int rc = dwarf_frame_register(f, reg, own, &p, &n);
            assert_int_equal(dwarf_frame_register(g, reg, other, &q, &m), rc);
            assert_true(rc != 0 || same_ops(p, n, q, m));
        }
        free(f);
        free(g);
    }
}

static void check_ehframe(struct bed *bed, const char *compiler) {
    static const char *const functions[] = {"leaf", "keeps", "holds", "top", "entry"};
    struct oops_object *debug = compile_rules(bed, compiler, "-fno-asynchronous-unwind-tables", "debug_frame.ko"),
                       *eh = compile_rules(bed, compiler, "-fasynchronous-unwind-tables", "eh_frame.ko");
    if (debug && eh) {
        assert_null(oops_elf_find(eh->elf, ".debug_frame"));
        assert_non_null(oops_elf_find(eh->elf, ".eh_frame"));
        for (unsigned i = 0; i < 5; i++)
            compare_rules(debug, eh, functions[i]);
    }
    oops_object_free(debug);
    oops_object_free(eh);
}

static void test_oops_unwind_by_eh_frame_alone(void **state) {
    struct bed *bed = bed_of(state);
    check_ehframe(bed, CC_X86);
    check_ehframe(bed, "clang --target=aarch64-linux-gnu"); /* where it is */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oops_unwind_keeps_what_the_callee_did_not_touch),
        cmocka_unit_test(test_oops_unwind_suspects_by_value),
        cmocka_unit_test(test_oops_unwind_reads_the_printed_stack),
        cmocka_unit_test(test_oops_unwind_reads_stacks_of_all_forms),
        cmocka_unit_test(test_oops_slide_by_stack),
        cmocka_unit_test(test_oops_slide_by_registers),
        cmocka_unit_test(test_oops_slide_by_addresses_of_the_trace),
        cmocka_unit_test(test_oops_unwind_on_other_machines),
        cmocka_unit_test(test_oops_unwind_takes_registers_that_arm_prints),
        cmocka_unit_test(test_oops_unwind_says_when_no_calls_end_there),
        cmocka_unit_test(test_oops_unwind_by_eh_frame_alone),
    };
    return cmocka_run_group_tests(tests, bed_setup, bed_teardown);
}
