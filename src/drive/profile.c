/* Loading a profile; see profile.h. */
#include "drive/profile.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define NAMES_MAX 64

static bool is_path(const char *drive) {
    size_t len = strlen(drive);
    return strchr(drive, '/') || (len > 4 && !strcmp(drive + len - 4, ".ini"));
}

static int unknown_drive(const char *drive, struct err *e) {
    char names[600] = "";
    const char *list[NAMES_MAX + 1] = {0};
    unsigned n = 0;
    size_t used = 0;
    for (const struct profile *p = profiles; p->name; p++) {
        if (used < sizeof(names))
            used += snprintf(names + used, sizeof(names) - used, "%s%s", p == profiles ? "" : ", ", p->name);
        if (n < NAMES_MAX)
            list[n++] = p->name;
    }
    const char *nearest = text_nearest(drive, list);
    return err_set(e, ENOENT, "no drive is called \"%s\"%s%s%s; built in are %s; or give the path of an INI file",
                   drive, nearest ? " (did you mean " : "", nearest ? nearest : "", nearest ? "?)" : "", names);
}

int profile_load(struct opt_set *set, const char *drive, const char *const *skip, char *name, struct err *e) {
    if (is_path(drive)) {
        const char *base = strrchr(drive, '/') ? strrchr(drive, '/') + 1 : drive;
        snprintf(name, OPT_STRING_MAX, "%.*s", (int)strcspn(base, "."), base);
        return opt_load_ini(set, drive, skip, e);
    }
    for (const struct profile *p = profiles; p->name; p++)
        if (!strcmp(p->name, drive)) {
            snprintf(name, OPT_STRING_MAX, "%s", drive);
            return opt_load_ini_text(set, drive, p->text, strlen(p->text), skip, e);
        }
    return unknown_drive(drive, e);
}
