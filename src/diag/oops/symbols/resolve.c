/*
 * From "f+0x1c/0x40 [mod]" to a place in a file. Several functions may have one
 * name: the printed size is the distance to the next symbol; then the bytes at
 * the program counter; then whether a call ends at the offset and where it
 * leads. What is still tied is counted and said.
 */
#include <string.h>

#include "diag/oops/file/demangle.h"
#include "diag/oops/symbols/bytes.h"
#include "diag/oops/symbols/calls.h"
#include "diag/oops/symbols/sym_int.h"

#define NAMESAKES_MAX 256u

uint64_t oops_spot_at(const struct oops_spot *spot) {
    bool start = spot->sym && spot->addr == spot->sym->addr; /* of a stale entry: no call lies before it */
    return spot->exact || start || spot->addr == 0 ? spot->addr : spot->addr - 1;
}

/* What follows is the code that was interrupted there, not a caller. */
static bool is_entry(const struct oops_session *session, const struct oops_spot *spot) {
    const struct oops_trace *trace = oops_report_trace(session->report);
    const struct oops_frame *f = spot->frame >= 0 && trace ? &trace->frames[spot->frame] : NULL;
    return f && f->kind != OOPS_FRAME_PC && f->state >= 0 &&
           session->report->states[f->state].role == OOPS_STATE_INTERRUPTED;
}

struct oops_spot *oops_session_caller(struct oops_session *session, const struct oops_spot *from) {
    struct oops_spot *first = NULL;
    for (unsigned i = (unsigned)(from - session->spots) + 1; i < session->count; i++) {
        if (is_entry(session, &session->spots[i - 1]))
            return first;
        if (!session->spots[i].guess)
            return &session->spots[i];
        if (!first && !session->spots[i].exact)
            first = &session->spots[i];
    }
    return first; /* after a jump to nowhere the unwinder vouches for nothing */
}

/* Does the call before a return address lead to the inner frame's function? 2 yes, 1 to somebody, 0 there is no call */
static unsigned call_score(struct oops_session *session, struct oops_object *object, const struct oops_sym *sym,
                           uint64_t ret, const struct oops_spot *inner) {
    struct oops_code code;
    unsigned score = 0;
    if (oops_code_init(&code, object, session->kernel, sym) != 0)
        return 0;
    struct oops_callee c = oops_callee_before(&code, ret);
    if (c.kind != OOPS_CALLEE_NONE && !c.tail)
        score = c.kind == OOPS_CALLEE_DIRECT && inner && inner->sym && strcmp(c.name, inner->sym->name) == 0 ? 2 : 1;
    oops_code_release(&code);
    return score;
}

/* Higher is better. */
static unsigned score_of(struct oops_session *session, struct oops_object *object, const struct oops_sym *sym,
                         const struct oops_symbol *printed, const struct oops_state *state,
                         const struct oops_spot *inner) {
    struct oops_bytes b;
    uint64_t addr = sym->addr + printed->off - (sym->thumb && (printed->off & 1));
    if (state)
        return oops_bytes_compare(object, state, addr, &b) ? 1 + OOPS_CODE_MAX - b.wrong : 0;
    return call_score(session, object, sym, addr, inner);
}

bool oops_resolve(struct oops_session *session, struct oops_object *object, const struct oops_symbol *printed,
                  const struct oops_state *state, const struct oops_spot *inner, struct oops_spot *spot) {
    const struct oops_sym *found[NAMESAKES_MAX];
    unsigned n = oops_symtab_named(&object->symtab, printed->name, found, NAMESAKES_MAX), kept = 0;
    enum oops_fit best_fit = OOPS_FIT_NONE;
    if (n > NAMESAKES_MAX)
        n = NAMESAKES_MAX;
    for (unsigned i = 0; i < n; i++) {
        enum oops_fit fit = printed->has_size                ? oops_sym_fit(found[i], printed->off, printed->size)
                            : printed->off <= found[i]->span ? OOPS_FIT_SPAN
                                                             : OOPS_FIT_NONE;
        if (fit == OOPS_FIT_NONE || fit < best_fit)
            continue;
        kept = fit > best_fit ? 0 : kept;
        best_fit = fit;
        found[kept++] = found[i];
    }
    if (!kept)
        return false;
    unsigned best = 0, best_score = 0, ties = 0;
    for (unsigned i = 0; i < kept && kept > 1; i++) {
        unsigned score = score_of(session, object, found[i], printed, state, inner);
        ties = score > best_score ? 1 : ties + (score == best_score);
        best = score > best_score ? i : best;
        best_score = score > best_score ? score : best_score;
    }
    spot->object = object;
    spot->sym = found[best];
    spot->addr = found[best]->addr + printed->off;
    if (found[best]->thumb) /* return addresses say so in their lowest bit */
        spot->addr &= ~1ull;
    spot->resolved->candidates = ties > 1 ? ties : 1;
    if (ties > 1)
        spot->resolved->note = oops_pool_printf(session->pool, "%u functions of this name fit", ties);
    else if (best_fit == OOPS_FIT_ROUNDED)
        spot->resolved->note = "the size is that of the module's pages";
    return true;
}

/* Functions of a module that are not in .text: whoever looks their offset up there finds another one. */
static void note_section(struct oops_session *session, const struct oops_spot *spot) {
    const struct oops_elf *elf = spot->object->elf;
    const char *name =
        elf->type == ET_REL && spot->sym->section < elf->section_count ? elf->sections[spot->sym->section].name : "";
    const char *note = spot->resolved->note;
    if (*name && strcmp(name, ".text") != 0)
        spot->resolved->note = oops_pool_printf(session->pool, "in the section %s%s%s", name, *note ? "; " : "", note);
}

void oops_resolve_places(struct oops_session *session, struct oops_spot *spot) {
    struct oops_resolved *r = spot->resolved;
    note_section(session, spot);
    r->found = true;
    r->object = oops_pool_str(session->pool, spot->object->elf->path);
    r->address = spot->addr;
    if (spot->object->dwarf)
        r->count = oops_dwarf_places(spot->object->dwarf, oops_spot_at(spot), session->pool, &r->places);
    if (r->count == 0) { /* the symbol alone */
        struct oops_place *place = oops_pool_push(session->pool, &r->places, &r->count, sizeof(*place), 1);
        if (place)
            *place = (struct oops_place){
                .function = oops_demangle(session->pool, oops_pool_str(session->pool, spot->sym->name)), .file = ""};
    }
}
