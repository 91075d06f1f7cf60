/* What the files of the option tables share. */
#ifndef DRIVELAB_BASE_OPT_INT_H
#define DRIVELAB_BASE_OPT_INT_H

#include "base/opt.h"

#define OPT_VALUE_TEXT 320 /* enough for any value as text, but tables (OPT_TEXT), which are cut */

/*
 * Parse `text` by the row's type and range into `config`. Returns 0 or -EINVAL,
 * `e` naming option, value and what is allowed; `config` is then untouched.
 */
int opt_value_parse(const struct opt_row *row, void *config, const char *text, struct err *e);

#endif
