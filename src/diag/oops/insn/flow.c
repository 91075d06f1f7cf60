/*
 * The rows of architectures. Source: the psABI of each for numbers of registers,
 * arguments and what calls clobber.
 */
#include "diag/oops/insn/flow.h"

#include <string.h>

static const struct oops_flow *const rows[] = {&oops_flow_x86_64, &oops_flow_arm64, &oops_flow_riscv, &oops_flow_arm,
                                               &oops_flow_i386};

const struct oops_flow *oops_flow_of(uint16_t machine) {
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i]->machine == machine)
            return rows[i];
    return NULL;
}

int oops_flow_register(const struct oops_flow *flow, const char *name) {
    for (unsigned i = 0; i < flow->registers; i++)
        if (strcmp(flow->names[i], name) == 0)
            return (int)i;
    return -1;
}
