/*
 * The second stage, from the top: find the files, check that they are the right
 * ones, find every frame in them, say the lines, then calls.c and cause.c.
 */
#include "diag/oops/symbols/symbols.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "diag/oops/file/locate.h"
#include "diag/oops/symbols/linkreg.h"
#include "diag/oops/symbols/slide.h"
#include "diag/oops/symbols/unwind.h"
#include "diag/oops/verdict/cause.h"

#define OBJECTS_MAX   128u
#define PATH_BYTES    1024
#define REGISTERS_MAX 6u /* named ones */

struct oops_symbols {
    struct oops_sources sources;
    const char *dirs[3];                      /* for split debug files */
    struct oops_object *objects[OBJECTS_MAX]; /* opened, for `release` */
    unsigned count;
    char *release;
    const char *missing[OBJECTS_MAX]; /* modules that were not found; of strdup() */
    unsigned missing_count;
};

static struct oops_object *add(struct oops_symbols *s, const char *path, const char *name, bool named, struct err *e) {
    if (s->count == OBJECTS_MAX) {
        err_set(e, E2BIG, "more than %u files", OBJECTS_MAX);
        return NULL;
    }
    struct oops_object *object = oops_object_open(path, name, s->dirs, e);
    if (object) {
        object->named = named;
        if (object->dwarf)
            oops_dwarf_set_source(object->dwarf, s->sources.source_dir);
        s->objects[s->count++] = object;
    }
    return object;
}

static int open_named(struct oops_symbols *s, struct err *e) {
    if (s->sources.vmlinux && !add(s, s->sources.vmlinux, "", true, e))
        return -e->code;
    for (const char *const *m = s->sources.modules; m && *m; m++) {
        char name[128];
        if (!oops_module_name(*m, name, sizeof(name)))
            return err_set(e, EINVAL, "%s: its name is not that of a module (NAME.ko, NAME.ko.xz ...)", *m);
        if (!add(s, *m, name, true, e))
            return -e->code;
    }
    return 0;
}

struct oops_symbols *oops_symbols_new(const struct oops_sources *sources, struct err *e) {
    struct oops_symbols *s = calloc(1, sizeof(*s));
    if (!s) {
        err_set(e, ENOMEM, "no memory");
        return NULL;
    }
    s->sources = *sources;
    unsigned n = 0;
    if (sources->debug_dir)
        s->dirs[n++] = sources->debug_dir;
    if (sources->search)
        s->dirs[n++] = "/usr/lib/debug";
    if (open_named(s, e) != 0) {
        oops_symbols_free(s);
        return NULL;
    }
    return s;
}

static void forget(struct oops_symbols *s, bool all) {
    unsigned kept = 0;
    for (unsigned i = s->count; i-- > 0;) /* modules before the kernel: their BTF builds on its */
        if ((all || !s->objects[i]->named)) {
            oops_object_free(s->objects[i]);
            s->objects[i] = NULL;
        }
    for (unsigned i = 0; i < s->count; i++)
        if (s->objects[i])
            s->objects[kept++] = s->objects[i];
    s->count = kept;
    for (unsigned i = 0; i < s->missing_count; i++)
        free((void *)(uintptr_t)s->missing[i]);
    s->missing_count = 0;
    free(s->release);
    s->release = NULL;
}

void oops_symbols_free(struct oops_symbols *s) {
    if (!s)
        return;
    forget(s, true);
    free(s);
}

/* What was found for another kernel is of no use for this one. */
static void turn_to(struct oops_symbols *s, const struct oops_report *report) {
    if (s->release && strcmp(s->release, report->release) == 0)
        return;
    forget(s, false);
    s->release = strdup(report->release);
    for (unsigned i = 0; i < s->count; i++)
        s->objects[i]->wrong = false;
}

static struct oops_where_to where_to(const struct oops_symbols *s, const struct oops_report *report) {
    return (struct oops_where_to){.dir = s->sources.debug_dir,
                                  .system = s->sources.search,
                                  .release = report->release,
                                  .build_id = report->build_id};
}

static struct oops_object *known(struct oops_symbols *s, const char *name) {
    for (unsigned i = 0; i < s->count; i++)
        if (strcmp(s->objects[i]->name, name) == 0)
            return s->objects[i];
    return NULL;
}

static bool given_up(struct oops_symbols *s, const char *name) {
    for (unsigned i = 0; i < s->missing_count; i++)
        if (strcmp(s->missing[i], name) == 0)
            return true;
    return false;
}

static void say_file(struct oops_session *session, struct oops_object *object, const struct oops_judgement *j) {
    const char *of = *object->name ? object->name : "the kernel", *why = oops_judge_words(session, object, j);
    if (object->dwarf)
        oops_note(session->pool, &session->v->symbols, "%s: symbols and debug information of %s%s", object->debug->path,
                  of, why);
    else
        oops_note(session->pool, &session->v->symbols, "%s: %s of %s, no lines and variables (%s)%s", object->elf->path,
                  object->from_kallsyms ? "the kernel's own symbols" : "symbols", of, object->why, why);
}

/* The kernel (name "") or a module, opened and judged once; NULL: not to be had. */
static struct oops_object *object_for(struct oops_symbols *s, struct oops_session *session, const char *name) {
    struct oops_where_to where = where_to(s, session->report);
    char path[PATH_BYTES];
    struct err e = {0};
    struct oops_object *object = known(s, name);
    if (!object && !given_up(s, name)) {
        bool found =
            *name ? oops_locate_module(&where, name, path, sizeof(path))
                  : oops_locate_vmlinux(&where, path, sizeof(path)) || oops_locate_vmlinuz(&where, path, sizeof(path));
        object = found ? add(s, path, name, false, &e) : NULL;
        if (!object && s->missing_count < OBJECTS_MAX && (s->missing[s->missing_count] = strdup(name)))
            s->missing_count++;
        if (found && !object)
            oops_note(session->pool, &session->v->symbols, "%s", e.text);
    }
    if (!object)
        return NULL;
    object->wrong = false;
    if (object->dwarf)
        oops_dwarf_refill(object->dwarf);
    if (!oops_judge_file(session, object))
        return NULL;
    return object;
}

/* Objects of one report: asked for once each. */
struct lookup {
    struct oops_symbols *s;
    struct oops_session *session;
    const char *names[OBJECTS_MAX];
    struct oops_object *objects[OBJECTS_MAX];
    struct oops_judgement judgements[OBJECTS_MAX];
    unsigned count;
};

static unsigned slot_of(struct lookup *l, const char *printed) {
    char name[128];
    size_t n = 0;
    for (; printed[n] && n + 1 < sizeof(name); n++)
        name[n] = printed[n] == '-' ? '_' : printed[n];
    name[n] = 0;
    for (unsigned i = 0; i < l->count; i++)
        if (strcmp(l->names[i], name) == 0)
            return i;
    if (l->count == OBJECTS_MAX)
        return OBJECTS_MAX;
    l->names[l->count] = oops_pool_str(l->session->pool, name);
    l->objects[l->count] = object_for(l->s, l->session, name);
    return l->count++;
}

static bool find_spot(struct lookup *l, const struct oops_symbol *printed, const struct oops_state *state,
                      const struct oops_spot *inner, struct oops_spot *spot) {
    if (!*printed->name)
        return false;
    unsigned i = slot_of(l, printed->module);
    if (i == OBJECTS_MAX || !l->objects[i])
        return false;
    struct oops_judgement *j = &l->judgements[i];
    j->named++;
    if (oops_resolve(l->session, l->objects[i], printed, state, inner, spot)) {
        j->fitting++;
        return true;
    }
    if (!j->first_unfit)
        j->first_unfit = printed;
    return false;
}

/* arm64 and riscv begin the trace with the program counter itself. */
static bool is_pc_again(const struct oops_state *state, const struct oops_frame *f, unsigned i) {
    return i == 0 && state && state->has_pc && *f->sym.name && strcmp(f->sym.name, state->pc.name) == 0 &&
           f->sym.off == state->pc.off && strcmp(f->sym.module, state->pc.module) == 0;
}

/* The program counter, and the caller that stands in no other place than the link register. */
static struct oops_spot *find_first_spots(struct lookup *l, const struct oops_state *state) {
    struct oops_session *session = l->session;
    struct oops_spot *pc = &session->spots[session->count++], *lr = pc + 1;
    *pc = (struct oops_spot){.frame = OOPS_SPOT_PC, .exact = true, .resolved = &session->v->pc};
    *lr = (struct oops_spot){.frame = OOPS_SPOT_LR, .resolved = &session->v->lr};
    find_spot(l, &state->pc, state, NULL, pc);
    const struct oops_symbol *caller = oops_linkreg_caller(session, pc);
    if (!caller || !find_spot(l, caller, NULL, pc, lr))
        return pc;
    session->count++;
    return lr;
}

static void find_spots(struct lookup *l) {
    struct oops_session *session = l->session;
    const struct oops_state *state = oops_report_fault(session->report);
    const struct oops_trace *trace = oops_report_trace(session->report);
    struct oops_spot *inner = state && state->has_pc ? find_first_spots(l, state) : NULL;
    for (unsigned i = 0; trace && i < trace->count; i++) {
        const struct oops_frame *f = &trace->frames[i];
        struct oops_spot *spot = &session->spots[session->count++];
        bool again = is_pc_again(state, f, i), pc = again || f->kind == OOPS_FRAME_PC;
        *spot = (struct oops_spot){
            .frame = (int)i, .exact = pc, .guess = f->guess || again, .resolved = &session->v->frames[i]};
        const struct oops_state *own = pc && f->state >= 0 && (unsigned)f->state < session->report->state_count
                                           ? &session->report->states[f->state]
                                           : NULL;
        find_spot(l, &f->sym, own, inner, spot);
        if (!spot->guess)
            inner = spot;
    }
}

/* Files that turned out to be others: what was found in them is taken back. */
static void drop_wrong(struct lookup *l) {
    struct oops_session *session = l->session;
    for (unsigned i = 0; i < l->count; i++)
        if (l->objects[i] && !oops_judge_symbols(session, l->objects[i], &l->judgements[i]))
            l->objects[i] = NULL;
    if (session->count && session->spots[0].frame < 0 && session->spots[0].object && !session->spots[0].object->wrong)
        oops_judge_bytes(session, &session->spots[0]);
    for (unsigned i = 0; i < l->count; i++)
        if (l->objects[i] && !l->objects[i]->wrong)
            say_file(session, l->objects[i], &l->judgements[i]);
    for (unsigned i = 0; i < session->count; i++)
        if (session->spots[i].object && session->spots[i].object->wrong)
            session->spots[i].object = NULL;
    if (session->kernel && session->kernel->wrong)
        session->kernel = NULL;
}

/* The instruction from the file, when the kernel could not print the bytes. */
static void take_instruction(struct oops_session *session) {
    const struct oops_spot *pc = session->count ? &session->spots[0] : NULL;
    size_t len;
    if (!pc || pc->frame >= 0 || !pc->object || session->v->insn.decoded)
        return;
    const uint8_t *code = oops_object_code(pc->object, pc->addr, 16, &len);
    session->took_instruction = code && oops_insn_decode(session->report, oops_report_fault(session->report), code,
                                                         (unsigned)len, pc->addr | pc->sym->thumb, &session->v->insn);
    if (session->took_instruction && session->v->insn.mem.ea_matches)
        session->v->confidence = OOPS_CONFIDENCE_HIGH;
    if (session->took_instruction)
        oops_note(session->pool, &session->v->facts, "the instruction was taken from %s: %s", pc->object->elf->path,
                  session->v->insn.text);
}

/* The printed program counter is the first frame of some traces. */
static void fill_defaults(struct oops_verdict *v) {
    for (unsigned i = 0; i < v->frame_count; i++) {
        v->frames[i].object = v->frames[i].note = v->frames[i].missing_why = "";
    }
    v->pc.object = v->pc.note = v->pc.missing_why = "";
    v->lr = v->pc;
}

/* Registers that point to symbols of the kernel, now that it is known where those were. */
static void name_registers(struct oops_session *session) {
    const struct oops_state *state = oops_report_fault(session->report);
    const char *list = "";
    unsigned named = 0;
    for (unsigned i = 0; state && i < state->reg_count && named < REGISTERS_MAX; i++) {
        const char *name = oops_slide_name(session, state->regs[i].value);
        if (name) {
            list = oops_pool_printf(session->pool, "%s%s%s is %s", list, named ? ", " : "", state->regs[i].name, name);
            named++;
        }
    }
    if (named)
        oops_note(session->pool, &session->v->facts, "addresses of the kernel in registers: %s", list);
}

static bool prepare(struct oops_session *session) {
    const struct oops_trace *trace = oops_report_trace(session->report);
    unsigned frames = trace ? trace->count : 0;
    struct oops_verdict *v = session->v;
    session->spots = oops_pool_alloc(session->pool, (frames + 2) * sizeof(*session->spots));
    v->frames = frames ? oops_pool_alloc(session->pool, frames * sizeof(*v->frames)) : NULL;
    v->frame_count = v->frames ? frames : 0;
    fill_defaults(v);
    return session->spots && (v->frames || !frames);
}

void oops_symbols_explain(struct oops_symbols *s, const struct oops_report *report, struct oops_verdict *v) {
    struct oops_session session = {.report = report, .v = v, .pool = report->pool};
    struct lookup l = {.s = s, .session = &session};
    if (!prepare(&session))
        return;
    if (report->has_kernel_offset) {
        v->has_slide = true;
        v->slide = report->kernel_offset;
        v->slide_how = "printed at the panic";
    }
    turn_to(s, report);
    for (const char *const *why = s->sources.refused; why && *why; why++)
        oops_note(session.pool, &v->symbols, "not used: %s", *why);
    unsigned kernel = slot_of(&l, "");
    session.kernel = l.objects[kernel];
    find_spots(&l);
    drop_wrong(&l);
    oops_slide_vote(&session);
    if (v->wrong_kernel)
        for (unsigned i = 0; i < session.count; i++)
            session.spots[i].object = NULL; /* a module's file is of no better use then */
    for (unsigned i = 0; i < session.count; i++)
        if (session.spots[i].object)
            oops_resolve_places(&session, &session.spots[i]);
    take_instruction(&session);
    oops_calls_explain(&session);
    oops_unwind(&session);
    oops_cause_explain(&session);
    oops_locals_explain(&session);
    name_registers(&session);
    oops_headline_refine(&session);
    const struct oops_object *failed = session.count ? session.spots[0].object : NULL;
    oops_next_drop(v, session.kernel && session.kernel->dwarf, failed && failed->dwarf && *failed->name);
    if (!s->count)
        oops_note(session.pool, &v->symbols, "no vmlinux and no modules of %s were found",
                  *report->release ? report->release : "this kernel");
}
