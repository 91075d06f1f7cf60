/*
 * Contents that prove themselves: each 8-byte word of a unit depends on the
 * run's seed, the unit's address, its generation and the word's position, so
 * stale, misplaced, torn and swapped data all show.
 */
#include "host/ledger.h"

#include <stdlib.h>
#include <string.h>

#include "host/workload.h"

#define WORDS (LEDGER_UNIT / sizeof(uint64_t))
#define BUSY  0x80000000u /* in generation[]: claimed by a command */

struct ledger {
    uint64_t seed, units;
    uint32_t *generation; /* 0: contents unknown */
};

struct ledger *ledger_new(uint64_t bytes, uint64_t seed) {
    struct ledger *ledger = calloc(1, sizeof(*ledger));
    if (!ledger)
        return NULL;
    ledger->seed = seed;
    ledger->units = bytes / LEDGER_UNIT;
    ledger->generation = calloc(ledger->units ? ledger->units : 1, sizeof(*ledger->generation));
    if (!ledger->generation) {
        free(ledger);
        return NULL;
    }
    return ledger;
}

void ledger_free(struct ledger *ledger) {
    if (!ledger)
        return;
    free(ledger->generation);
    free(ledger);
}

bool ledger_claim(struct ledger *ledger, uint64_t unit, uint32_t units) {
    if (unit + units > ledger->units)
        return false;
    for (uint32_t i = 0; i < units; i++)
        if (ledger->generation[unit + i] & BUSY)
            return false;
    for (uint32_t i = 0; i < units; i++)
        ledger->generation[unit + i] |= BUSY;
    return true;
}

void ledger_unclaim(struct ledger *ledger, uint64_t unit, uint32_t units) {
    for (uint32_t i = 0; i < units; i++)
        ledger->generation[unit + i] &= ~BUSY;
}

/* First word and step of a unit's contents (splitmix64's finalizer). */
static uint64_t unit_key(const struct ledger *ledger, uint64_t unit, uint32_t generation) {
    uint64_t x = ledger->seed ^ (unit * 0x9e3779b97f4a7c15u) ^ ((uint64_t)generation << 40);
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static void fill(uint64_t *words, uint64_t key) {
    uint64_t step = key | 1;
    for (unsigned i = 0; i < WORDS; i++)
        words[i] = (key + i * step) ^ (key >> 7);
}

void ledger_stamp(struct ledger *ledger, uint64_t unit, uint32_t units, void *data) {
    for (uint32_t i = 0; i < units; i++) {
        uint32_t *generation = &ledger->generation[unit + i], next = (*generation & ~BUSY) + 1;
        *generation = (next & BUSY ? 1 : next) | BUSY;
        fill((uint64_t *)data + i * WORDS, unit_key(ledger, unit + i, *generation & ~BUSY));
    }
}

void ledger_forget(struct ledger *ledger, uint64_t unit, uint32_t units) {
    for (uint32_t i = 0; i < units; i++)
        ledger->generation[unit + i] &= BUSY;
}

uint32_t ledger_verify(const struct ledger *ledger, uint64_t unit, uint32_t units, const void *data, uint64_t *first,
                       uint64_t *compared) {
    uint64_t expected[WORDS];
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < units; i++) {
        uint32_t generation = ledger->generation[unit + i] & ~BUSY;
        if (!generation)
            continue;
        fill(expected, unit_key(ledger, unit + i, generation));
        ++*compared;
        if (memcmp(expected, (const uint64_t *)data + i * WORDS, LEDGER_UNIT) && wrong++ == 0)
            *first = unit + i;
    }
    return wrong;
}
