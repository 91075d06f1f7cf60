/*
 * Names that compilers of Rust and C++ have packed, as their sources write them.
 */
#ifndef DRIVELAB_DIAG_OOPS_FILE_DEMANGLE_H
#define DRIVELAB_DIAG_OOPS_FILE_DEMANGLE_H

#include "diag/oops/pool.h"

/*
 * "_RNvCs1234_7mycrate3foo" as "mycrate::foo", "_ZN3foo3barE" as "foo::bar"; any other name, and one that is
 * not whole, as it is. Hashes and the compiler's suffixes (.llvm.123) are left out. In the pool, or `name` itself.
 */
const char *oops_demangle(struct oops_pool *pool, const char *name);

#endif
