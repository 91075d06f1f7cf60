/*
 * Where the symbols of a bare kernel image lie in it. Most kernels have a symbol
 * for the first byte; those that keep functions alone (no CONFIG_KALLSYMS_ALL)
 * begin with the first function, some pages behind the header: functions begin
 * with few different instructions, so the distance with which most symbols hit
 * one of those is taken.
 *
 * Source: vmlinux.lds.S and head.S of arch/arm64 and arch/riscv of Linux for the layout.
 */
#include <string.h>

#include "diag/oops/file/object.h"

#define DISTANCE_MAX 0x400000u
#define PAGE         0x1000u
#define LARGE_PAGE   0x200000ull
#define PROBES       3000u
#define ENOUGH       3u /* of that many probes one has to hit */

static bool begins_function(const uint8_t *code) {
    uint32_t w;
    memcpy(&w, code, 4);
    return w == 0xd503233f || w == 0xd503245f || /* paciasp, bti c */
           w == 0xd503201f ||                    /* nop, for ftrace */
           (w & 0xffc07fff) == 0xa9807bfd ||     /* stp x29, x30, [sp, #-n]! */
           (w & 0xff0003ff) == 0xd10003ff;       /* sub sp, sp, #n */
}

/* How many symbols begin a function if the first one lies `distance` into the image. */
static unsigned hits(const struct oops_object *o, const struct oops_elf_section *image, uint64_t first,
                     uint64_t distance) {
    unsigned every = o->symtab.count / PROBES + 1, n = 0;
    for (unsigned i = 0; i < o->symtab.count; i += every) {
        uint64_t off = o->symtab.syms[i].addr - first + distance;
        n += off < image->size && image->size - off >= 4 && !(off & 3) && begins_function(image->data + off);
    }
    return n;
}

static bool by_functions(const struct oops_object *o, const struct oops_elf_section *image, uint64_t *addr) {
    unsigned best = 0;
    uint64_t first = o->symtab.count ? o->symtab.syms[0].addr : 0;
    if (o->elf->machine != EM_AARCH64)
        return false;
    for (uint64_t distance = 0; distance < DISTANCE_MAX; distance += PAGE) {
        unsigned n = hits(o, image, first, distance);
        if (n > best) {
            best = n;
            *addr = first - distance;
        }
    }
    unsigned probes = o->symtab.count / (o->symtab.count / PROBES + 1);
    return best && best * ENOUGH >= probes;
}

void oops_object_place_image(struct oops_object *o) {
    static const char *const names[] = {"_text", "_head", "_start"};
    const struct oops_elf_section *image = oops_elf_find(o->elf, ".image");
    const struct oops_sym *sym;
    uint64_t addr;
    for (unsigned i = 0; i < 3; i++)
        if (oops_symtab_named(&o->symtab, names[i], &sym, 1)) {
            /* riscv's _text comes behind its header; the image begins with a large page */
            oops_elf_place_image(o->elf, o->elf->machine == EM_RISCV ? sym->addr & ~(LARGE_PAGE - 1) : sym->addr);
            return;
        }
    if (image && by_functions(o, image, &addr))
        oops_elf_place_image(o->elf, addr);
}
