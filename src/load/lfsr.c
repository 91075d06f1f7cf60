/*
 * Galois form, shifting right. Source of the feedback: Xilinx XAPP 052, table
 * 3, whose polynomials are primitive: a register of k bits takes all values
 * but 0 before it comes back. Values above the count are skipped.
 */
#include "load/lfsr.h"

/* Feedback by number of bits, from 1. */
static const uint64_t masks[] = {
    0x1,           0x3,           0x6,           0xc,         0x14,         0x30,         0x60,         0xb8,
    0x110,         0x240,         0x500,         0x829,       0x100d,       0x2015,       0x6000,       0xd008,
    0x12000,       0x20400,       0x40023,       0x90000,     0x140000,     0x300000,     0x420000,     0xe10000,
    0x1200000,     0x2000023,     0x4000013,     0x9000000,   0x14000000,   0x20000029,   0x48000000,   0x80200003,
    0x100080000,   0x204000003,   0x500000000,   0x801000000, 0x100000001f, 0x2000000031, 0x4400000000, 0xa000140000,
    0x12000000000, 0x300000c0000, 0x63000000000,
};

void lfsr_init(struct lfsr *l, uint64_t count, struct rng *rng) {
    unsigned bits = 64 - (unsigned)__builtin_clzll(count); /* 2^bits - 1 >= count */
    uint64_t period = (UINT64_C(1) << bits) - 1;
    *l = (struct lfsr){.count = count, .mask = masks[bits - 1], .state = 1 + rng_below(rng, period), .left = period};
}

bool lfsr_next(struct lfsr *l, uint64_t *value) {
    while (l->left) {
        uint64_t now = l->state;
        l->state = now >> 1 ^ (now & 1 ? l->mask : 0);
        l->left--;
        if (now <= l->count) {
            *value = now - 1;
            return true;
        }
    }
    return false;
}
