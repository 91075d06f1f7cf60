/*
 * The ledger's inside: a generation for every 4 KiB unit, from which the whole
 * contents follow.
 */
#ifndef DRIVELAB_HOST_LEDGER_H
#define DRIVELAB_HOST_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#define LEDGER_UNIT 4096u

struct ledger;

/* Claim units for one command; false if another command in flight has any of them. */
bool ledger_claim(struct ledger *ledger, uint64_t unit, uint32_t units);
void ledger_unclaim(struct ledger *ledger, uint64_t unit, uint32_t units);

/* Start a new generation of the units and write their contents to `data`. */
void ledger_stamp(struct ledger *ledger, uint64_t unit, uint32_t units, void *data);

/* After a write that failed: what the units hold is unknown. */
void ledger_forget(struct ledger *ledger, uint64_t unit, uint32_t units);

/*
 * Compare `data` with what the units should hold. Returns the number of wrong
 * units; *first gets the first of them, *compared grows by those compared.
 */
uint32_t ledger_verify(const struct ledger *ledger, uint64_t unit, uint32_t units, const void *data, uint64_t *first,
                       uint64_t *compared);

#endif
