/*
 * Is this file of the kernel that reported? Its banner or its module's version
 * magic, its build id, the sizes of the functions that the report names, and the
 * bytes at the fault are compared; what speaks against it is quoted.
 */
#include <stdio.h>
#include <string.h>

#include "diag/oops/symbols/bytes.h"
#include "diag/oops/symbols/calls.h"
#include "diag/oops/symbols/sym_int.h"

#define SURE 3u /* symbols that do not fit, and a quarter of all: files of the kernel that reported have none */

static bool accuse(struct oops_session *s, struct oops_object *object, const char *why) {
    object->wrong = true;
    if (!*object->name)
        s->v->wrong_kernel = true;
    oops_note(s->pool, &s->v->misfits, "%s is not of the kernel that reported: %s", object->elf->path, why);
    return false;
}

static uint16_t machine_of(enum oops_arch arch) {
    static const uint16_t machines[OOPS_ARCHES] = {
        [OOPS_ARCH_X86_64] = EM_X86_64, [OOPS_ARCH_I386] = EM_386,    [OOPS_ARCH_ARM64] = EM_AARCH64,
        [OOPS_ARCH_ARM] = EM_ARM,       [OOPS_ARCH_RISCV] = EM_RISCV,
    };
    return arch < OOPS_ARCHES ? machines[arch] : 0;
}

/* A copy of a string in the image; NULL: there is none. */
static const char *string_in(struct oops_session *s, const struct oops_elf_section *section, const char *start) {
    const uint8_t *at = section && section->data ? memmem(section->data, section->size, start, strlen(start)) : NULL;
    size_t left = at ? (size_t)(section->data + section->size - at) : 0;
    size_t len = at ? strnlen((const char *)at, left < 512 ? left : 512) : 0;
    return at ? oops_pool_strn(s->pool, (const char *)at,
                               strcspn((const char *)at, "\n") < len ? strcspn((const char *)at, "\n") : len)
              : NULL;
}

static const char *banner_of(struct oops_session *s, const struct oops_object *object) {
    const struct oops_sym *sym;
    size_t len;
    if (oops_symtab_named(&object->symtab, "linux_banner", &sym, 1)) {
        const uint8_t *text = oops_object_code(object, sym->addr, 512, &len);
        if (text && len > 14 && memcmp(text, "Linux version ", 14) == 0) {
            size_t end = 0;
            while (end < len && text[end] && text[end] != '\n')
                end++;
            return oops_pool_strn(s->pool, (const char *)text, end);
        }
    }
    return string_in(s, oops_elf_find(object->elf, ".rodata"), "Linux version ");
}

static bool has_word(const char *text, const char *word, size_t len) {
    for (const char *at = text; (at = strstr(at, word)) != NULL; at++)
        if ((at == text || at[-1] == ' ' || at[-1] == '(' || at[-1] == '=') &&
            (at[len] == 0 || at[len] == ' ' || at[len] == ')'))
            return true;
    return false;
}

/* "#1  Debian 6.1.192-2": the number of the build and versions are in the banner too. */
static const char *word_not_in(struct oops_session *s, const char *version, const char *banner) {
    while (*version) {
        size_t len = strcspn(version, " ");
        const char *word = oops_pool_strn(s->pool, version, len);
        bool telling = *word == '#' || (*word >= '0' && *word <= '9' && strpbrk(word, ".-"));
        if (len && telling && !has_word(banner, word, len))
            return word;
        version += len;
        version += strspn(version, " ");
    }
    return NULL;
}

static bool judge_banner(struct oops_session *s, struct oops_object *object) {
    const struct oops_report *r = s->report;
    const char *banner = banner_of(s, object), *word;
    if (!banner)
        return true;
    if (*r->release && !has_word(banner, r->release, strlen(r->release)))
        return accuse(s, object,
                      oops_pool_printf(s->pool, "the report is of %s, the file says \"%.60s\"", r->release, banner));
    if ((word = word_not_in(s, r->version, banner)))
        return accuse(s, object,
                      oops_pool_printf(s->pool, "the report is of %s %s, the file says \"%.200s\"", r->release,
                                       r->version, banner));
    return true;
}

static bool judge_module(struct oops_session *s, struct oops_object *object) {
    const char *magic = string_in(s, oops_elf_find(object->elf, ".modinfo"), "vermagic=");
    const char *release = s->report->release;
    if (!magic || !*release || has_word(magic, release, strlen(release)))
        return true;
    return accuse(s, object,
                  oops_pool_printf(s->pool, "the report is of %s, the module is for %.60s", release, magic + 9));
}

static bool judge_build_id(struct oops_session *s, struct oops_object *object, const char *printed) {
    char hex[2 * OOPS_BUILD_ID_MAX + 1] = "";
    for (unsigned i = 0; i < object->elf->build_id_len; i++)
        snprintf(hex + 2 * i, 3, "%02x", object->elf->build_id[i]);
    if (!*printed || !*hex || strncmp(hex, printed, strlen(printed)) == 0)
        return true;
    return accuse(s, object, oops_pool_printf(s->pool, "build id %s in the report, %s in the file", printed, hex));
}

bool oops_judge_file(struct oops_session *s, struct oops_object *object) {
    uint16_t machine = machine_of(s->report->arch);
    if (machine && object->elf->machine != machine)
        return accuse(s, object,
                      oops_pool_printf(s->pool, "it is for another machine than %s", oops_arch_name(s->report->arch)));
    if (*object->name)
        return judge_module(s, object);
    return judge_banner(s, object) && judge_build_id(s, object, s->report->build_id);
}

/* Return addresses that no call ends at, although the sizes of their functions fit. */
static unsigned stray_returns(struct oops_session *s, struct oops_object *object) {
    unsigned n = 0;
    for (unsigned i = 0; i < s->count && object->dwarf; i++) {
        const struct oops_spot *spot = &s->spots[i];
        struct oops_code code;
        Dwarf_Die die, cu;
        if (spot->object != object || spot->exact || spot->guess ||
            !oops_dwarf_function(object->dwarf, oops_spot_at(spot), &die, &cu) ||
            oops_code_init(&code, object, s->kernel, spot->sym) != 0)
            continue;
        n += code.count && oops_callee_before(&code, spot->addr).kind == OOPS_CALLEE_NONE;
        oops_code_release(&code);
    }
    return n;
}

bool oops_judge_symbols(struct oops_session *s, struct oops_object *object, const struct oops_judgement *j) {
    if (j->named && !object->symtab.count) {
        oops_note(s->pool, &s->v->symbols,
                  "%s: it is stripped or damaged: it has neither symbols nor debug information", object->elf->path);
        return false;
    }
    unsigned unfit = j->named - j->fitting, stray = stray_returns(s, object), bad = unfit + stray;
    if (bad == 0 || bad * (bad >= SURE ? 4 : 2) <= j->named || (bad < SURE && j->fitting))
        return true;
    const struct oops_symbol *p = j->first_unfit;
    if (!p)
        return accuse(s, object,
                      oops_pool_printf(s->pool, "%u of the %u functions named call nobody where the report says so",
                                       stray, j->named));
    const struct oops_sym *sym = NULL;
    const char *what = !oops_symtab_named(&object->symtab, p->name, &sym, 1)
                           ? "it has no such function"
                           : oops_pool_printf(s->pool, "there it has 0x%llx bytes", (unsigned long long)sym->span);
    return accuse(s, object,
                  oops_pool_printf(s->pool,
                                   "%u of the %u functions named are not in it with their sizes, "
                                   "%s+0x%llx/0x%llx for one: %s",
                                   unfit, j->named, p->name, (unsigned long long)p->off, (unsigned long long)p->size,
                                   what));
}

/* What the file is held to be the right one by: two flavours of one version may have functions of one size. */
static const char *told_by(struct oops_session *s, const struct oops_object *object) {
    const struct oops_report *r = s->report;
    if (*object->name) {
        const char *magic = *r->release ? string_in(s, oops_elf_find(object->elf, ".modinfo"), "vermagic=") : NULL;
        return magic ? oops_pool_printf(s->pool, "it was built for %s", r->release) : "";
    }
    if (*r->build_id && object->elf->build_id_len)
        return "its build id is the one printed";
    const char *banner = *r->release ? banner_of(s, object) : NULL;
    bool telling = banner && (strchr(r->version, '#') || strpbrk(r->version, "0123456789"));
    return telling  ? oops_pool_printf(s->pool, "its banner says %s %s, as the report does", r->release, r->version)
           : banner ? oops_pool_printf(s->pool, "its banner says %s, as the report does", r->release)
                    : "";
}

const char *oops_judge_words(struct oops_session *s, struct oops_object *object, const struct oops_judgement *j) {
    const char *how = told_by(s, object);
    if (!j->named)
        return *how ? oops_pool_printf(s->pool, "; %s", how) : "";
    return oops_pool_printf(s->pool, "; %s; %u of the %u functions named are in it with their sizes%s",
                            *how ? how : "no build id and no release tells whether it is the right one", j->fitting,
                            j->named, *how ? "" : ", which another flavour of the same version may have too");
}

bool oops_judge_bytes(struct oops_session *s, const struct oops_spot *pc) {
    const struct oops_state *state = oops_report_fault(s->report);
    struct oops_bytes b;
    if (!state || !pc->object || !oops_bytes_compare(pc->object, state, pc->addr, &b))
        return true;
    if (b.has_slide && !s->v->has_slide && !*pc->object->name) {
        s->v->has_slide = true;
        s->v->slide = b.slide;
        s->v->slide_how = "from the bytes of Code:";
    }
    if (oops_bytes_differ(&b))
        return accuse(
            s, pc->object,
            oops_pool_printf(
                s->pool,
                "of the %u bytes of Code: %u are others (at %s%+d %02x, in the file %02x), beside %u where the "
                "kernel patches itself",
                b.compared, b.wrong, pc->sym->name, b.first_wrong, b.there, b.here, b.excused));
    oops_note(s->pool, &s->v->reasons, "%u of the %u bytes of Code: are those of %s%s",
              b.compared - b.excused - b.wrong, b.compared, pc->object->elf->path,
              b.wrong     ? ""
              : b.excused ? ", the others are where the kernel patches or relocates itself"
                          : "");
    return true;
}
