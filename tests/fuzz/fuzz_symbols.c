/*
 * Files of symbols: any bytes as an ELF file, packed or not, with symbol tables,
 * kallsyms, BTF and DWARF in it. What is found has to stay within the file.
 *
 * The entries of debug information are asked for as a report would: lines,
 * variables and types at the first functions.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "diag/oops/file/kallsyms.h"
#include "diag/oops/file/object.h"
#include "diag/oops/file/unpack.h"
#include "diag/oops/symbols/origin.h"
#include "fuzz.h"

#define FUNCTIONS 8u

static bool touch_type(void *ctx, const struct oops_var *var) {
    struct oops_member member;
    struct oops_type to = oops_type_pointee(&var->type);
    fuzz_require(var->name && *var->name);
    oops_type_name(&var->type, ctx);
    for (uint64_t off = 0; off < 64; off += 8)
        if (oops_type_member(&to, off, NULL, ctx, &member))
            fuzz_require(member.path != NULL);
    return true;
}

static void look_at_rules(struct oops_object *object, uint64_t addr) {
    Dwarf_Frame *frame;
    Dwarf_Op own[3], *ops;
    size_t count;
    if (!oops_dwarf_frame(object->dwarf, addr, &frame))
        return;
    dwarf_frame_cfa(frame, &ops, &count);
    for (int reg = 0; reg < 33; reg++)
        dwarf_frame_register(frame, reg, own, &ops, &count);
    free(frame);
}

static void look_at(struct oops_object *object, const struct oops_sym *sym, struct oops_pool *pool) {
    struct oops_place *places;
    struct oops_code code;
    if (object->dwarf) {
        unsigned n = oops_dwarf_places(object->dwarf, sym->addr, pool, &places);
        for (unsigned i = 0; i < n; i++)
            fuzz_require(places[i].function && places[i].file);
        oops_vars_at(object->dwarf, sym->addr + 1, touch_type, pool);
        oops_vars_argument(object->dwarf, sym->addr + 8, 5);
        look_at_rules(object, sym->addr + 4);
    }
    if (oops_code_init(&code, object, NULL, sym) != 0)
        return;
    for (unsigned i = 0; i < code.count && i < 16; i++)
        oops_origin_of(&code, sym->addr + code.steps[i].off, 5, 0, pool);
    oops_code_release(&code);
}

static void look_around(struct oops_object *object) {
    struct oops_pool *pool = oops_pool_new();
    unsigned looked = 0;
    for (unsigned i = 0; pool && i < object->symtab.count && looked < FUNCTIONS; i++) {
        const struct oops_sym *sym = &object->symtab.syms[i];
        fuzz_require(sym->name != NULL);
        if (sym->type == STT_FUNC && ++looked)
            look_at(object, sym, pool);
    }
    oops_object_btf(object, object);
    oops_pool_free(pool);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[64];
    struct err e = {0};
    int fd = memfd_create("fuzz", 0);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        exit(1);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    struct oops_object *object = oops_object_open(path, "fuzz", NULL, &e);
    fuzz_require((object == NULL) == (e.text[0] != '\0'));
    if (object)
        look_around(object);
    oops_object_free(object);
    close(fd);
    return 0;
}
