/*
 * drivelab oops: what instructions do to registers, on each architecture, as
 * bytes that an assembler made.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <elf.h>

#include "diag/oops/insn/flow.h"

struct row {
    const char *text;
    uint8_t code[8];
    unsigned len;
    enum oops_step_kind kind;
    const char *dst, *src; /* "" none */
    int64_t imm;
    uint64_t target; /* from address 0x1000 */
};

#define AT 0x1000u

static const struct row x86[] = {
    {"mov %rdi,%rbx", {0x48, 0x89, 0xfb}, 3, OOPS_STEP_COPY, "rbx", "rdi", 0, 0},
    {"lea 0x8(%rdi),%r12", {0x4c, 0x8d, 0x67, 0x08}, 4, OOPS_STEP_COPY, "r12", "rdi", 8, 0},
    {"add $0x10,%rax", {0x48, 0x83, 0xc0, 0x10}, 4, OOPS_STEP_COPY, "rax", "rax", 16, 0},
    {"sub $0x10,%rax", {0x48, 0x83, 0xe8, 0x10}, 4, OOPS_STEP_COPY, "rax", "rax", -16, 0},
    {"mov 0x58(%rdi),%rdi", {0x48, 0x8b, 0x7f, 0x58}, 4, OOPS_STEP_LOAD, "rdi", "rdi", 0x58, 0},
    {"mov 0x10(%rip),%rax", {0x48, 0x8b, 0x05, 0x10, 0, 0, 0}, 7, OOPS_STEP_LOAD, "rax", "", AT + 7 + 0x10, 0},
    {"xor %edi,%edi", {0x31, 0xff}, 2, OOPS_STEP_CONST, "rdi", "", 0, 0},
    {"mov $0x5,%esi", {0xbe, 5, 0, 0, 0}, 5, OOPS_STEP_CONST, "rsi", "", 5, 0},
    {"call .+0x105", {0xe8, 0, 1, 0, 0}, 5, OOPS_STEP_CALL, "", "", 0, AT + 0x105},
    {"call *0x8(%rax)", {0xff, 0x50, 0x08}, 3, OOPS_STEP_CALL, "", "rax", 8, 0},
    {"jmp .+0x12", {0xeb, 0x10}, 2, OOPS_STEP_JUMP, "", "", 0, AT + 0x12},
    {"je .+0x12", {0x74, 0x10}, 2, OOPS_STEP_BRANCH, "", "", 0, AT + 0x12},
    {"ret", {0xc3}, 1, OOPS_STEP_RETURN, "", "", 0, 0},
    {"ud2", {0x0f, 0x0b}, 2, OOPS_STEP_TRAP, "", "", 0, 0},
    {"lock cmpxchg %edx,(%rdi)", {0xf0, 0x0f, 0xb1, 0x17}, 4, OOPS_STEP_OTHER, "", "", 0, 0},
};

static const struct row arm64[] = {
    {"add x0, x1, x2, lsl #3", {0x20, 0x0c, 0x02, 0x8b}, 4, OOPS_STEP_SUM, "x0", "x1", 0, 0},
    {"add x0, x1, w2, uxtw #3", {0x20, 0x4c, 0x22, 0x8b}, 4, OOPS_STEP_SUM, "x0", "x1", 0, 0},
    {"ldr x0, [x1, w2, uxtw #3]", {0x20, 0x58, 0x62, 0xf8}, 4, OOPS_STEP_LOAD, "x0", "x1", 0, 0},
    {"str w6, [x0]", {0x06, 0x00, 0x00, 0xb9}, 4, OOPS_STEP_OTHER, "", "", 0, 0},
    {"udf #0", {0x00, 0x00, 0x00, 0x00}, 4, OOPS_STEP_TRAP, "", "", 0, 0},
    {"mov x19, x0", {0xf3, 0x03, 0x00, 0xaa}, 4, OOPS_STEP_COPY, "x19", "x0", 0, 0},
    {"add x20, x0, #0x8", {0x14, 0x20, 0x00, 0x91}, 4, OOPS_STEP_COPY, "x20", "x0", 8, 0},
    {"sub x0, x1, #0x98", {0x20, 0x60, 0x02, 0xd1}, 4, OOPS_STEP_COPY, "x0", "x1", -0x98, 0},
    {"ldr x0, [x0, #88]", {0x00, 0x2c, 0x40, 0xf9}, 4, OOPS_STEP_LOAD, "x0", "x0", 88, 0},
    {"ldur x0, [x1, #-8]", {0x20, 0x80, 0x5f, 0xf8}, 4, OOPS_STEP_LOAD, "x0", "x1", -8, 0},
    {"mov x0, #0", {0x00, 0x00, 0x80, 0xd2}, 4, OOPS_STEP_CONST, "x0", "", 0, 0},
    {"mov x0, xzr", {0xe0, 0x03, 0x1f, 0xaa}, 4, OOPS_STEP_CONST, "x0", "", 0, 0},
    {"bl .+0x100", {0x40, 0x00, 0x00, 0x94}, 4, OOPS_STEP_CALL, "", "", 0, AT + 0x100},
    {"blr x8", {0x00, 0x01, 0x3f, 0xd6}, 4, OOPS_STEP_CALL, "", "x8", 0, 0},
    {"b .-4", {0xff, 0xff, 0xff, 0x17}, 4, OOPS_STEP_JUMP, "", "", 0, AT - 4},
    {"cbz x0, .+8", {0x40, 0x00, 0x00, 0xb4}, 4, OOPS_STEP_BRANCH, "", "", 0, AT + 8},
    {"tbnz w0, #3, .+8", {0x40, 0x00, 0x18, 0x37}, 4, OOPS_STEP_BRANCH, "", "", 0, AT + 8},
    {"ret", {0xc0, 0x03, 0x5f, 0xd6}, 4, OOPS_STEP_RETURN, "", "x30", 0, 0},
    {"brk #0x800", {0x00, 0x00, 0x21, 0xd4}, 4, OOPS_STEP_TRAP, "", "", 0, 0},
};

static const struct row arm[] = {
    {"add r0, r3, r0, lsl #2", {0x00, 0x01, 0x83, 0xe0}, 4, OOPS_STEP_SUM, "r0", "r3", 0, 0},
    {"mov r4, r0", {0x00, 0x40, 0xa0, 0xe1}, 4, OOPS_STEP_COPY, "r4", "r0", 0, 0},
    {"add r0, r4, #4", {0x04, 0x00, 0x84, 0xe2}, 4, OOPS_STEP_COPY, "r0", "r4", 4, 0},
    {"sub r0, r1, #0x98", {0x98, 0x00, 0x41, 0xe2}, 4, OOPS_STEP_COPY, "r0", "r1", -0x98, 0},
    {"mov r1, #0", {0x00, 0x10, 0xa0, 0xe3}, 4, OOPS_STEP_CONST, "r1", "", 0, 0},
    {"mvn r0, #21", {0x15, 0x00, 0xe0, 0xe3}, 4, OOPS_STEP_CONST, "r0", "", 0xffffffea, 0},
    {"movw r0, #0x1234", {0x34, 0x02, 0x01, 0xe3}, 4, OOPS_STEP_CONST, "r0", "", 0x1234, 0},
    {"ldr r2, [r0, #88]", {0x58, 0x20, 0x90, 0xe5}, 4, OOPS_STEP_LOAD, "r2", "r0", 88, 0},
    {"ldr r2, [r0, #-8]", {0x08, 0x20, 0x10, 0xe5}, 4, OOPS_STEP_LOAD, "r2", "r0", -8, 0},
    {"ldr r0, [pc, #-4]",
     {0x04, 0x00, 0x1f, 0xe5, 0x78, 0x56, 0x34, 0x12},
     8,
     OOPS_STEP_CONST,
     "r0",
     "",
     0x12345678,
     0},
    {"ldrb r3, [r0]", {0x00, 0x30, 0xd0, 0xe5}, 4, OOPS_STEP_OTHER, "", "", 0, 0},
    {"str r1, [r2]", {0x00, 0x10, 0x82, 0xe5}, 4, OOPS_STEP_OTHER, "", "", 0, 0},
    {"bl .+0x100", {0x3e, 0x00, 0x00, 0xeb}, 4, OOPS_STEP_CALL, "", "", 0, AT + 0x100},
    {"blx r3", {0x33, 0xff, 0x2f, 0xe1}, 4, OOPS_STEP_CALL, "", "r3", 0, 0},
    {"bx lr", {0x1e, 0xff, 0x2f, 0xe1}, 4, OOPS_STEP_RETURN, "", "lr", 0, 0},
    {"pop {r4, pc}", {0x10, 0x80, 0xbd, 0xe8}, 4, OOPS_STEP_RETURN, "", "", 0, 0},
    {"cmp r0, #0", {0x00, 0x00, 0x50, 0xe3}, 4, OOPS_STEP_OTHER, "", "", 0, 0},
    {"beq .+8", {0x00, 0x00, 0x00, 0x0a}, 4, OOPS_STEP_BRANCH, "", "", 0, AT + 8},
    {"b .-4", {0xfd, 0xff, 0xff, 0xea}, 4, OOPS_STEP_JUMP, "", "", 0, AT - 4},
    {"moveq r0, r4", {0x04, 0x00, 0xa0, 0x01}, 4, OOPS_STEP_OTHER, "", "", 0, 0},
    {"add r0, pc, #16", {0x10, 0x00, 0x8f, 0xe2}, 4, OOPS_STEP_CONST, "r0", "", AT + 24, 0},
    {"udf (BUG)", {0xf2, 0x01, 0xf0, 0xe7}, 4, OOPS_STEP_TRAP, "", "", 0, 0},
};

static const struct row i386[] = {
    {"mov %eax,%ebx", {0x89, 0xc3}, 2, OOPS_STEP_COPY, "ebx", "eax", 0, 0},
    {"lea 8(%eax),%esi", {0x8d, 0x70, 0x08}, 3, OOPS_STEP_COPY, "esi", "eax", 8, 0},
    {"add $16,%eax", {0x83, 0xc0, 0x10}, 3, OOPS_STEP_COPY, "eax", "eax", 16, 0},
    {"mov 0x58(%eax),%edx", {0x8b, 0x50, 0x58}, 3, OOPS_STEP_LOAD, "edx", "eax", 0x58, 0},
    {"mov 0xc1234567,%eax", {0xa1, 0x67, 0x45, 0x23, 0xc1}, 5, OOPS_STEP_LOAD, "eax", "", 0xc1234567, 0},
    {"xor %eax,%eax", {0x31, 0xc0}, 2, OOPS_STEP_CONST, "eax", "", 0, 0},
    {"mov $0xc1234567,%edx", {0xba, 0x67, 0x45, 0x23, 0xc1}, 5, OOPS_STEP_CONST, "edx", "", 0xc1234567, 0},
    {"call .+0x105", {0xe8, 0x00, 0x01, 0x00, 0x00}, 5, OOPS_STEP_CALL, "", "", 0, AT + 0x105},
    {"call *8(%eax)", {0xff, 0x50, 0x08}, 3, OOPS_STEP_CALL, "", "eax", 8, 0},
    {"je .+0x12", {0x74, 0x10}, 2, OOPS_STEP_BRANCH, "", "", 0, AT + 0x12},
};

static const struct row riscv[] = {
    {"c.add a5, a0", {0xaa, 0x97}, 2, OOPS_STEP_SUM, "a5", "a5", 0, 0},
    {"sh3add a0, a1, a2", {0x33, 0xe5, 0xc5, 0x20}, 4, OOPS_STEP_SUM, "a0", "a2", 0, 0},
    {"mv s1, a0", {0xaa, 0x84}, 2, OOPS_STEP_COPY, "s1", "a0", 0, 0},
    {"addi a0, s1, 8", {0x13, 0x85, 0x84, 0x00}, 4, OOPS_STEP_COPY, "a0", "s1", 8, 0},
    {"li a0, 0", {0x01, 0x45}, 2, OOPS_STEP_CONST, "a0", "", 0, 0},
    {"ld a0, 88(a0)", {0x28, 0x6d}, 2, OOPS_STEP_LOAD, "a0", "a0", 88, 0},
    {"ld a5, -8(a0)", {0x83, 0x37, 0x85, 0xff}, 4, OOPS_STEP_LOAD, "a5", "a0", -8, 0},
    {"jal ra, .+0x100", {0xef, 0x00, 0x00, 0x10}, 4, OOPS_STEP_CALL, "", "", 0, AT + 0x100},
    {"jalr a5", {0x82, 0x97}, 2, OOPS_STEP_CALL, "", "a5", 0, 0},
    {"ret", {0x82, 0x80}, 2, OOPS_STEP_RETURN, "", "ra", 0, 0},
    {"beqz a0, .+8", {0x63, 0x04, 0x05, 0x00}, 4, OOPS_STEP_BRANCH, "", "", 0, AT + 8},
    {"ebreak", {0x02, 0x90}, 2, OOPS_STEP_TRAP, "", "", 0, 0},
};

static const char *name_of(const struct oops_flow *flow, int reg) {
    return reg >= 0 && (unsigned)reg < flow->registers ? flow->names[reg] : "";
}

static void check(const struct oops_flow *flow, const struct row *row) {
    struct oops_step step;
    if (!flow->decode(row->code, row->len, AT, &step))
        fail_msg("%s %s: not decoded", flow->name, row->text);
    unsigned len = flow == &oops_flow_arm ? 4 : row->len; /* with the pool behind it */
    if (step.len != len || step.kind != row->kind)
        fail_msg("%s %s: kind %d, %u bytes", flow->name, row->text, step.kind, step.len);
    if (strcmp(name_of(flow, step.dst), row->dst) != 0)
        fail_msg("%s %s: to %s", flow->name, row->text, name_of(flow, step.dst));
    bool sourced = step.kind == OOPS_STEP_COPY || step.kind == OOPS_STEP_LOAD || *row->src;
    if (sourced && strcmp(name_of(flow, step.src), row->src) != 0)
        fail_msg("%s %s: from %s", flow->name, row->text, name_of(flow, step.src));
    if (*row->dst && (step.imm != row->imm || !(step.writes >> step.dst & 1)))
        fail_msg("%s %s: %lld", flow->name, row->text, (long long)step.imm);
    if (row->target && (!step.direct || step.target != row->target))
        fail_msg("%s %s: leads to %llx", flow->name, row->text, (unsigned long long)step.target);
}

static void test_oops_flow_x86(void **state) {
    (void)state;
#ifndef HAVE_ZYDIS
    skip();
#endif
    for (size_t i = 0; i < sizeof(x86) / sizeof(x86[0]); i++)
        check(&oops_flow_x86_64, &x86[i]);
}

static void test_oops_flow_arm64(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(arm64) / sizeof(arm64[0]); i++)
        check(&oops_flow_arm64, &arm64[i]);
}

static void test_oops_flow_i386(void **state) {
    (void)state;
#ifndef HAVE_ZYDIS
    skip();
#endif
    for (size_t i = 0; i < sizeof(i386) / sizeof(i386[0]); i++)
        check(&oops_flow_i386, &i386[i]);
}

static void test_oops_flow_arm(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(arm) / sizeof(arm[0]); i++)
        check(&oops_flow_arm, &arm[i]);
}

static void test_oops_flow_riscv(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(riscv) / sizeof(riscv[0]); i++)
        check(&oops_flow_riscv, &riscv[i]);
}

static void test_oops_flow_names_registers(void **state) {
    (void)state;
    assert_ptr_equal(oops_flow_of(EM_X86_64), &oops_flow_x86_64);
    assert_null(oops_flow_of(EM_MIPS));
    assert_int_equal(oops_flow_register(&oops_flow_x86_64, "rdi"), 5);
    assert_int_equal(oops_flow_register(&oops_flow_arm64, "x30"), 30);
    assert_int_equal(oops_flow_register(&oops_flow_riscv, "a0"), 10);
    assert_int_equal(oops_flow_register(&oops_flow_riscv, "rdi"), -1);
}

static void test_oops_flow_takes_any_bytes(void **state) {
    const struct oops_flow *const flows[] = {&oops_flow_x86_64, &oops_flow_arm64, &oops_flow_riscv, &oops_flow_arm,
                                             &oops_flow_i386};
    uint32_t random = 7;
    (void)state;
    for (unsigned i = 0; i < 30000; i++) {
        uint8_t code[16];
        struct oops_step step;
        for (unsigned k = 0; k < sizeof(code); k++)
            code[k] = (uint8_t)((random = random * 1664525 + 1013904223) >> 24);
        if (flows[i % 5]->decode(code, random >> 8 & 15, AT, &step))
            assert_in_range(step.len, 1, 15);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oops_flow_x86),
        cmocka_unit_test(test_oops_flow_i386),
        cmocka_unit_test(test_oops_flow_arm64),
        cmocka_unit_test(test_oops_flow_arm),
        cmocka_unit_test(test_oops_flow_riscv),
        cmocka_unit_test(test_oops_flow_names_registers),
        cmocka_unit_test(test_oops_flow_takes_any_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
