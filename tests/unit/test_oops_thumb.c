/*
 * drivelab oops: Thumb instructions, as bytes that an assembler made and in the
 * words of binutils; listings of "Code:" lines of halfwords.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "diag/oops/insn/thumb.h"
#include "diag/oops/log/reader.h"
#include "diag/oops/verdict/verdict.h"

#define AT 0x1000u

struct row {
    const char *text;
    uint16_t half[2]; /* the second one 0: 16 bits */
    enum oops_step_kind kind;
    int dst, src;
    int64_t imm;
    uint32_t writes;
};

static const struct row rows[] = {
    {"movs r1, #0", {0x2100}, OOPS_STEP_CONST, 1, -1, 0, 1u << 1},
    {"mov r4, r0", {0x4604}, OOPS_STEP_COPY, 4, 0, 0, 1u << 4},
    {"movs r3, r1", {0x000b}, OOPS_STEP_COPY, 3, 1, 0, 1u << 3},
    {"adds r0, #8", {0x3008}, OOPS_STEP_COPY, 0, 0, 8, 1u},
    {"subs r0, r1, #1", {0x1e48}, OOPS_STEP_COPY, 0, 1, -1, 1u},
    {"add.w r0, r4, #136", {0xf104, 0x0088}, OOPS_STEP_COPY, 0, 4, 136, 1u},
    {"subw r2, r3, #4095", {0xf6a3, 0x72ff}, OOPS_STEP_COPY, 2, 3, -4095, 1u << 2},
    {"add sp, #16", {0xb004}, OOPS_STEP_COPY, 13, 13, 16, 1u << 13},
    {"movw r0, #4660", {0xf241, 0x2034}, OOPS_STEP_CONST, 0, -1, 0x1234, 1u},
    {"movt r0, #49152", {0xf2cc, 0x0000}, OOPS_STEP_COPY, 0, 0, 0xc0000000, 1u},
    {"mvn.w r0, #21", {0xf06f, 0x0015}, OOPS_STEP_CONST, 0, -1, 0xffffffea, 1u},
    {"ldr r3, [r0, #4]", {0x6843}, OOPS_STEP_LOAD, 3, 0, 4, 1u << 3},
    {"ldr.w r3, [r0, #200]", {0xf8d0, 0x30c8}, OOPS_STEP_LOAD, 3, 0, 200, 1u << 3},
    {"ldr.w r3, [r0, #-4]", {0xf850, 0x3c04}, OOPS_STEP_LOAD, 3, 0, -4, 1u << 3},
    {"ldr.w r4, [r0], #4", {0xf850, 0x4b04}, OOPS_STEP_LOAD, 4, 0, 0, 1u << 4 | 1u},
    {"ldrb r3, [r0, #1]", {0x7843}, OOPS_STEP_OTHER, -1, -1, 0, 1u << 3},
    {"str.w r4, [sp, #-4]!", {0xf84d, 0x4d04}, OOPS_STEP_OTHER, -1, -1, 0, 1u << 13},
    {"ldrd r2, r3, [r0, #8]", {0xe9d0, 0x2302}, OOPS_STEP_OTHER, -1, -1, 0, 3u << 2},
    {"strex r3, r2, [r1]", {0xe841, 0x2300}, OOPS_STEP_OTHER, -1, -1, 0, 1u << 3},
    {"push {r4, lr}", {0xb510}, OOPS_STEP_OTHER, -1, -1, 0, 1u << 13},
    {"pop {r4, pc}", {0xbd10}, OOPS_STEP_RETURN, -1, -1, 0, 1u << 13 | 1u << 4},
    {"ldmia.w sp!, {r4, r5, r8, pc}", {0xe8bd, 0x8130}, OOPS_STEP_RETURN, -1, -1, 0, 1u << 13 | 0x130},
    {"stmdb sp!, {r4, r8, lr}", {0xe92d, 0x4110}, OOPS_STEP_OTHER, -1, -1, 0, 1u << 13},
    {"bx lr", {0x4770}, OOPS_STEP_RETURN, -1, 14, 0, 0},
    {"blx r3", {0x4798}, OOPS_STEP_CALL, -1, 3, 0, 0x500f},
    {"bl +0x100", {0xf000, 0xf87e}, OOPS_STEP_CALL, -1, -1, 0, 0x500f},
    {"b.w -0x10", {0xf7ff, 0xbff6}, OOPS_STEP_JUMP, -1, -1, 0, 0},
    {"beq.n +0x8", {0xd002}, OOPS_STEP_BRANCH, -1, -1, 0, 0},
    {"bne.w +0x800", {0xf040, 0x83fe}, OOPS_STEP_BRANCH, -1, -1, 0, 0},
    {"cbz r0, +0x8", {0xb110}, OOPS_STEP_BRANCH, -1, -1, 0, 0},
    {"udf #2 (BUG)", {0xde02}, OOPS_STEP_TRAP, -1, -1, 0, 0},
    {"ite eq", {0xbf0c}, OOPS_STEP_OTHER, -1, -1, 0, 0},
    {"tbb [pc, r3]", {0xe8df, 0xf003}, OOPS_STEP_JUMP, -1, -1, 0, 0},
    {"ubfx r0, r1, #4, #8", {0xf3c1, 0x1007}, OOPS_STEP_OTHER, -1, -1, 0, 1u},
    {"umull r0, r1, r2, r3", {0xfba2, 0x0103}, OOPS_STEP_OTHER, -1, -1, 0, 3u},
    {"mrc 15, 0, r3, cr13, cr0, {4}", {0xee1d, 0x3f90}, OOPS_STEP_OTHER, -1, -1, 0, 1u << 3},
    {"dmb ish", {0xf3bf, 0x8f5b}, OOPS_STEP_OTHER, -1, -1, 0, 0},
};

static void bytes_of(const uint16_t half[2], uint8_t code[4]) {
    for (unsigned i = 0; i < 4; i++)
        code[i] = (uint8_t)(half[i / 2] >> 8 * (i % 2));
}

static void test_oops_thumb_rows(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];
        struct oops_thumb t;
        uint8_t code[4];
        bytes_of(row->half, code);
        unsigned len = row->half[1] || row->half[0] >> 11 >= 0x1d ? 4 : 2;
        if (!oops_thumb_decode(code, len, AT, 0, &t) || strcmp(t.text, row->text) != 0)
            fail_msg("%s: \"%s\"", row->text, t.text);
        const struct oops_step *s = &t.step;
        if (s->len != len || s->kind != row->kind || s->writes != row->writes)
            fail_msg("%s: %u bytes, kind %d, writes %llx", row->text, s->len, s->kind, (unsigned long long)s->writes);
        bool valued = s->kind == OOPS_STEP_COPY || s->kind == OOPS_STEP_CONST || s->kind == OOPS_STEP_LOAD;
        if (s->dst != row->dst || s->src != row->src || (valued && s->imm != row->imm))
            fail_msg("%s: r%d from r%d, %lld", row->text, s->dst, s->src, (long long)s->imm);
    }
}

static void test_oops_thumb_targets(void **state) {
    (void)state;
    static const struct {
        uint16_t half[2];
        uint64_t target;
    } jumps[] = {{{0xf000, 0xf87e}, AT + 0x100}, {{0xf7ff, 0xbff6}, AT - 0x10}, {{0xd002}, AT + 8}, {{0xe7fe}, AT}};
    for (size_t i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) {
        struct oops_thumb t;
        uint8_t code[4];
        bytes_of(jumps[i].half, code);
        assert_true(oops_thumb_decode(code, 4, AT, 0, &t));
        assert_true(t.step.direct);
        assert_int_equal(t.step.target, jumps[i].target);
    }
}

static void test_oops_thumb_literals_come_from_behind_the_code(void **state) {
    (void)state;
    static const uint8_t code[] = {0x00, 0x4b, 0x70, 0x47, 0x78, 0x56, 0x34, 0x12};
    struct oops_thumb t;
    assert_true(oops_thumb_decode(code, sizeof(code), AT, 0, &t));
    assert_int_equal(t.step.kind, OOPS_STEP_CONST);
    assert_int_equal(t.step.imm, 0x12345678);
    assert_int_equal(t.step.field, 4);
    assert_true(oops_thumb_decode(code, 4, AT, 0, &t)); /* cut before it */
    assert_int_equal(t.step.kind, OOPS_STEP_OTHER);
}

static void test_oops_thumb_conditions(void **state) {
    (void)state;
    static const uint16_t code[] = {0xbf0c, 0x2001, 0x6803, 0x2002}; /* ite eq, and one behind the block */
    static const char *const texts[] = {"ite eq", "moveq r0, #1", "ldrne r3, [r0, #0]", "movs r0, #2"};
    uint8_t it = 0;
    for (unsigned i = 0; i < 4; i++) {
        struct oops_thumb t;
        uint8_t bytes[2] = {(uint8_t)code[i], (uint8_t)(code[i] >> 8)};
        assert_true(oops_thumb_decode(bytes, 2, AT, it, &t));
        assert_string_equal(t.text, texts[i]);
        bool sure = i == 3;
        assert_int_equal(t.step.kind == OOPS_STEP_CONST || t.step.kind == OOPS_STEP_LOAD, sure);
        it = oops_thumb_it_after(it, &t.step);
    }
    assert_int_equal(it, 0);
    assert_int_equal(oops_thumb_it_of(0x06000c33), 0x0f);
}

/* Any halfwords: within the buffer, and of two or four bytes. */
static void test_oops_thumb_takes_anything(void **state) {
    (void)state;
    uint32_t seed = 1;
    for (unsigned i = 0; i < 300000; i++) {
        struct oops_thumb t;
        uint8_t *code = malloc(4);
        seed = seed * 1664525 + 1013904223;
        memcpy(code, &seed, 4);
        if (i % 2)
            code[1] |= 0xe8;
        unsigned len = i % 5;
        bool known = oops_thumb_decode(code, len, i * 2, (uint8_t)(seed >> 8), &t);
        assert_true(!known || (t.step.len <= len && (t.step.len == 2 || t.step.len == 4)));
        assert_true(known == (t.text[0] != 0));
        assert_true(t.step.dst < 16 && t.step.src < 16 && t.base < 16 && t.index < 16);
        free(code);
    }
}

static const char report_text[] =
    "[   12.000000] Unable to handle kernel NULL pointer dereference at virtual address 0000002c\n"
    "[   12.000000] [0000002c] *pgd=00000000\n"
    "[   12.000000] Internal error: Oops: 17 [#1] SMP THUMB2\n"
    "[   12.000000] CPU: 0 PID: 1 Comm: test Not tainted 5.10.0 #1\n"
    "[   12.000000] PC is at reads+0xa/0x20\n"
    "[   12.000000] LR is at calls+0x13/0x30\n"
    "[   12.000000] pc : [<c0101236>]    lr : [<c0101257>]    psr: 40000033\n"
    "[   12.000000] sp : de8c1e80  ip : 00000000  fp : 00000000\n"
    "[   12.000000] r10: 00000000  r9 : 00000000  r8 : 00000000\n"
    "[   12.000000] r7 : 00000000  r6 : 00000000  r5 : 00000003  r4 : 00000000\n"
    "[   12.000000] r3 : c0a00000  r2 : 00000001  r1 : 00000000  r0 : 00000020\n"
    "[   12.000000] Flags: nZcv  IRQs on  FIQs on  Mode SVC_32  ISA Thumb  Segment user\n"
    "[   12.000000] [<c0101236>] (reads) from [<c0101257>] (calls+0x13/0x30)\n"
    "[   12.000000] Code: 4b03 681a b10a f8d3 (f850) 3025\n"
    "[   12.000000] ---[ end trace 0000000000000000 ]---\n";

static void test_oops_thumb_listing(void **state) {
    (void)state;
    struct oops_report *r;
    struct oops_verdict v;
    memset(&v, 0, sizeof(v));
    assert_int_equal(oops_read_text(report_text, strlen(report_text), &r, 1), 1);
    oops_verdict_text(r, &v);
    assert_string_equal(v.insn.text, "ldr.w r3, [r0, r5, lsl #2]");
    assert_int_equal(v.insn.len, 4);
    assert_true(v.insn.mem.read);
    assert_int_equal(v.insn.mem.ea, 0x2c);
    assert_true(v.insn.mem.ea_matches);
    /* The fourth halfword would begin an instruction that runs over the trap: the three before it can't be in step. */
    assert_true(v.listing_count >= 1);
    assert_true(v.listing[v.listing_count - 1].trapping);
    oops_report_free(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oops_thumb_rows),
        cmocka_unit_test(test_oops_thumb_targets),
        cmocka_unit_test(test_oops_thumb_literals_come_from_behind_the_code),
        cmocka_unit_test(test_oops_thumb_conditions),
        cmocka_unit_test(test_oops_thumb_takes_anything),
        cmocka_unit_test(test_oops_thumb_listing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
