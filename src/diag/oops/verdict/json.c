/*
 * A report and its verdict as JSON; the schema is in docs/oops.md. Addresses are
 * strings ("0xffffffff81000000"), as most readers of JSON lose bits of large
 * numbers; what is not known is null or not there.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "diag/oops/file/demangle.h"
#include "diag/oops/oops_int.h"

/* Logs may hold any bytes; JSON only UTF-8. */
static json_t *string(const char *s) {
    if (!s || !s[0])
        return json_null();
    json_t *json = json_string(s);
    if (json)
        return json;
    size_t size = 4 * strlen(s) + 1;
    char *text = malloc(size);
    json = text ? json_string(text_utf8(text, size, s)) : NULL;
    free(text);
    return json ? json : json_null();
}

static json_t *hex(uint64_t value) {
    char text[24];
    snprintf(text, sizeof(text), "0x%llx", (unsigned long long)value);
    return json_string(text);
}

static json_t *hex_if(bool known, uint64_t value) {
    return known ? hex(value) : json_null();
}

static json_t *integer_if(bool known, int64_t value) {
    return known ? json_integer(value) : json_null();
}

static void set(json_t *object, const char *key, json_t *value) {
    json_object_set_new(object, key, value);
}

static json_t *notes(const struct oops_notes *notes) {
    json_t *array = json_array();
    for (unsigned i = 0; i < notes->count; i++)
        json_array_append_new(array, string(notes->s[i]));
    return array;
}

/* ---- Places in the code ---- */

static json_t *symbol(struct oops_pool *pool, const struct oops_symbol *sym) {
    json_t *object = json_object();
    set(object, "function", string(sym->name));
    const char *demangled = oops_demangle(pool, sym->name);
    if (demangled != sym->name)
        set(object, "demangled", string(demangled));
    set(object, "offset", hex_if(sym->has_off, sym->off));
    set(object, "size", hex_if(sym->has_size, sym->size));
    set(object, "module", string(sym->module));
    set(object, "address", hex_if(sym->has_address, sym->address));
    if (sym->build_id[0])
        set(object, "build_id", string(sym->build_id));
    return object;
}

static json_t *place(const struct oops_place *p) {
    json_t *object = json_object();
    set(object, "function", string(p->function));
    set(object, "file", string(p->file));
    set(object, "line", integer_if(p->line, p->line));
    set(object, "column", integer_if(p->column, p->column));
    if (p->text && *p->text)
        set(object, "text", string(p->text));
    set(object, "inlined", json_boolean(p->inlined));
    return object;
}

static json_t *places(const struct oops_place *list, unsigned count) {
    json_t *array = json_array();
    for (unsigned i = 0; i < count; i++)
        json_array_append_new(array, place(&list[i]));
    return array;
}

/* What symbols add to a frame. */
static void add_resolved(json_t *object, const struct oops_resolved *resolved) {
    if (!resolved->found && !resolved->count)
        return;
    set(object, "places", places(resolved->places, resolved->count));
    set(object, "object", string(resolved->object));
    set(object, "object_address", hex(resolved->address));
    set(object, "candidates", json_integer(resolved->candidates));
    set(object, "note", string(resolved->note));
    if (resolved->missing_count)
        set(object, "missing", places(resolved->missing, resolved->missing_count));
    if (resolved->missing_why && *resolved->missing_why)
        set(object, "missing_why", string(resolved->missing_why));
    if (resolved->reg_count) {
        json_t *regs = json_object();
        for (unsigned i = 0; i < resolved->reg_count; i++)
            set(regs, resolved->regs[i].name, hex(resolved->regs[i].value));
        set(object, "unwound_registers", regs);
    }
}

static json_t *frame(struct oops_pool *pool, const struct oops_frame *f) {
    json_t *object = symbol(pool, &f->sym);
    set(object, "sure", json_boolean(!f->guess));
    set(object, "kind", json_string(f->kind == OOPS_FRAME_PC ? "pc" : "return"));
    set(object, "stack", string(oops_stack_name(f->stack)));
    set(object, "registers", integer_if(f->state >= 0, f->state));
    set(object, "source", string(f->source));
    set(object, "line_number", json_integer((json_int_t)f->line));
    return object;
}

static json_t *traces(const struct oops_report *r, const struct oops_verdict *v) {
    json_t *array = json_array();
    for (unsigned t = 0; t < r->trace_count; t++) {
        const struct oops_trace *trace = &r->traces[t];
        json_t *object = json_object(), *frames = json_array();
        for (unsigned i = 0; i < trace->count; i++) {
            json_t *item = frame(r->pool, &trace->frames[i]);
            if ((int)t == r->main_trace && i < v->frame_count)
                add_resolved(item, &v->frames[i]);
            json_array_append_new(frames, item);
        }
        set(object, "kind", json_string(oops_trace_kind_name(trace->kind)));
        set(object, "main", json_boolean((int)t == r->main_trace));
        set(object, "title", string(trace->title));
        set(object, "line_number", json_integer((json_int_t)trace->line));
        set(object, "frames", frames);
        json_array_append_new(array, object);
    }
    return array;
}

/* ---- Registers and code ---- */

static json_t *code(const struct oops_state *state) {
    if (!state->code_len)
        return json_null();
    char text[2 * OOPS_CODE_MAX + 1];
    for (unsigned i = 0; i < state->code_len; i++)
        snprintf(text + 2 * i, 3, state->code_known[i] ? "%02x" : "??", state->code[i]);
    json_t *object = json_object();
    set(object, "bytes", json_string(text));
    set(object, "trap", integer_if(state->code_trap >= 0, state->code_trap));
    set(object, "unit", json_integer(state->code_unit));
    set(object, "line_number", json_integer((json_int_t)state->code_line));
    return object;
}

static json_t *states(const struct oops_report *r) {
    json_t *array = json_array();
    for (unsigned i = 0; i < r->state_count; i++) {
        const struct oops_state *state = &r->states[i];
        json_t *object = json_object(), *regs = json_object();
        for (unsigned n = 0; n < state->reg_count; n++)
            set(regs, state->regs[n].name, hex(state->regs[n].value));
        set(object, "role", json_string(oops_state_role_name(state->role)));
        set(object, "pc", state->has_pc ? symbol(r->pool, &state->pc) : json_null());
        if (state->lr.name[0])
            set(object, "lr", symbol(r->pool, &state->lr));
        set(object, "registers", regs);
        set(object, "code", code(state));
        set(object, "code_trouble", string(state->code_trouble));
        set(object, "line_number", json_integer((json_int_t)state->line));
        json_array_append_new(array, object);
    }
    return array;
}

static json_t *operand(const struct oops_operand *op) {
    if (!op->there)
        return json_null();
    json_t *object = json_object();
    set(object, "base", string(op->base));
    set(object, "index", string(op->index));
    set(object, "segment", string(op->segment));
    set(object, "scale", json_integer(op->scale));
    set(object, "displacement", json_integer(op->disp));
    set(object, "bytes", integer_if(op->bytes, op->bytes));
    set(object, "reads", json_boolean(op->read));
    set(object, "writes", json_boolean(op->write));
    set(object, "address", hex_if(op->ea_known, op->ea));
    set(object, "is_fault_address", json_boolean(op->ea_matches));
    return object;
}

static json_t *instruction(const struct oops_verdict *v) {
    if (!v->insn.decoded)
        return json_null();
    json_t *object = json_object();
    set(object, "text", string(v->insn.text));
    set(object, "length", json_integer(v->insn.len));
    set(object, "is_bug", json_boolean(v->insn.is_bug));
    set(object, "operand", operand(&v->insn.mem));
    if (v->insn.mem2.there)
        set(object, "operand2", operand(&v->insn.mem2));
    return object;
}

static json_t *listing(const struct oops_verdict *v) {
    json_t *array = json_array();
    for (unsigned i = 0; i < v->listing_count; i++) {
        const struct oops_asm_line *line = &v->listing[i];
        json_t *object = json_object();
        set(object, "offset", json_integer(line->off));
        set(object, "length", json_integer(line->len));
        set(object, "text", string(line->text));
        set(object, "note", string(line->note));
        set(object, "trapping", json_boolean(line->trapping));
        json_array_append_new(array, object);
    }
    return array;
}

static json_t *register_notes(const struct oops_verdict *v) {
    json_t *array = json_array();
    for (unsigned i = 0; i < v->reg_count; i++) {
        json_t *object = json_object();
        set(object, "register", string(v->regs[i].reg));
        set(object, "value", hex(v->regs[i].value));
        set(object, "note", string(v->regs[i].note));
        json_array_append_new(array, object);
    }
    return array;
}

/* ---- The cause ---- */

static json_t *blame(const struct oops_blame *b) {
    json_t *object = json_object();
    set(object, "function", string(b->function));
    set(object, "variable", string(b->variable));
    set(object, "type", string(b->type));
    set(object, "member", string(b->member));
    set(object, "member_offset", json_integer(b->member_offset));
    set(object, "member_type", string(b->member_type));
    set(object, "value", hex_if(b->value_known, b->value));
    set(object, "frame", json_integer(b->frame));
    set(object, "how", string(b->how));
    return object;
}

static json_t *locals(const struct oops_verdict *v) {
    json_t *array = json_array();
    for (unsigned i = 0; i < v->local_count; i++) {
        const struct oops_local *l = &v->locals[i];
        json_t *object = json_object();
        set(object, "frame", json_integer(l->frame));
        set(object, "function", string(l->function));
        set(object, "variable", string(l->name));
        set(object, "type", string(l->type));
        set(object, "parameter", json_boolean(l->parameter));
        set(object, "value", hex(l->value));
        set(object, "note", string(l->note));
        json_array_append_new(array, object);
    }
    return array;
}

static json_t *cause(const struct oops_verdict *v) {
    json_t *object = json_object(), *chain = json_array();
    for (unsigned i = 0; i < v->chain_count; i++)
        json_array_append_new(chain, blame(&v->chain[i]));
    set(object, "headline", string(v->headline));
    set(object, "confidence", json_string(oops_confidence_name(v->confidence)));
    set(object, "reasons", notes(&v->reasons));
    set(object, "instruction", instruction(v));
    set(object, "listing", listing(v));
    set(object, "registers_that_matter", register_notes(v));
    set(object, "variable", v->blame.there ? blame(&v->blame) : json_null());
    set(object, "callers", chain);
    set(object, "known_variables", locals(v));
    set(object, "facts", notes(&v->facts));
    set(object, "does_not_fit", notes(&v->misfits));
    set(object, "next", notes(&v->next));
    set(object, "symbols", notes(&v->symbols));
    set(object, "wrong_kernel", json_boolean(v->wrong_kernel));
    set(object, "slide", hex_if(v->has_slide, v->slide));
    set(object, "slide_from", v->has_slide ? string(v->slide_how) : json_null());
    json_t *pc = json_object();
    add_resolved(pc, &v->pc);
    set(object, "pc", pc);
    if (v->lr.count) {
        json_t *lr = json_object();
        add_resolved(lr, &v->lr);
        set(object, "lr", lr);
    }
    return object;
}

/* ---- The report ---- */

static json_t *modules(const struct oops_report *r) {
    json_t *array = json_array();
    for (unsigned i = 0; i < r->module_count; i++) {
        json_t *object = json_object();
        set(object, "name", string(r->modules[i].name));
        set(object, "flags", string(r->modules[i].flags));
        set(object, "out_of_tree", json_boolean(r->modules[i].out_of_tree));
        json_array_append_new(array, object);
    }
    return array;
}

static json_t *fault(const struct oops_report *r) {
    json_t *object = json_object();
    set(object, "address", hex_if(r->has_fault_address, r->fault_address));
    set(object, "access", json_string(oops_access_name(r->access)));
    set(object, "bytes", integer_if(r->access_size_known, (json_int_t)r->access_size));
    set(object, "error_code", hex_if(r->has_error_code, r->error_code));
    return object;
}

static json_t *kernel(const struct oops_report *r) {
    json_t *object = json_object();
    set(object, "release", string(r->release));
    set(object, "version", string(r->version));
    set(object, "build_id", string(r->build_id));
    set(object, "banner", string(r->banner));
    set(object, "tainted", r->taint_known ? json_boolean(r->tainted) : json_null());
    set(object, "taint", string(r->taint));
    set(object, "flags", string(r->flags));
    set(object, "offset", hex_if(r->has_kernel_offset, r->kernel_offset));
    set(object, "hardware", string(r->hardware));
    return object;
}

static json_t *task(const struct oops_report *r) {
    json_t *object = json_object();
    set(object, "cpu", integer_if(r->cpu >= 0, r->cpu));
    set(object, "pid", integer_if(r->pid >= 0, r->pid));
    set(object, "uid", integer_if(r->uid >= 0, r->uid));
    set(object, "comm", string(r->comm));
    set(object, "workqueue", string(r->workqueue));
    return object;
}

static json_t *follows(const struct oops_report *r) {
    if (!r->follows)
        return json_null();
    json_t *object = json_object();
    set(object, "number", json_integer(r->follows));
    set(object, "why", string(r->follows_why));
    return object;
}

struct json_t *oops_json(const struct oops_report *r, const struct oops_verdict *v) {
    json_t *object = json_object();
    set(object, "number", json_integer(r->number));
    set(object, "kind", json_string(oops_kind_name(r->kind)));
    set(object, "title", string(r->title));
    set(object, "function", string(r->function));
    set(object, "follows", follows(r));
    set(object, "header", string(r->header));
    set(object, "message", string(r->message));
    set(object, "source", string(r->source));
    set(object, "corrupted", string(r->corrupted));
    set(object, "arch", json_string(oops_arch_name(r->arch)));
    set(object, "era", json_string(oops_era_name(r->era)));
    set(object, "first_line", json_integer((json_int_t)r->first_line));
    set(object, "last_line", json_integer((json_int_t)r->last_line));
    set(object, "time_us", integer_if(r->has_time, r->time_us));
    set(object, "wall_time", string(r->wall_time));
    set(object, "die_count", integer_if(r->die_count, r->die_count));
    set(object, "task", task(r));
    set(object, "kernel", kernel(r));
    set(object, "fault", fault(r));
    set(object, "panic", string(r->panic));
    set(object, "states", states(r));
    set(object, "fault_state", integer_if(r->fault_state >= 0, r->fault_state));
    set(object, "traces", traces(r, v));
    set(object, "modules", modules(r));
    set(object, "modules_cut", json_boolean(r->modules_cut));
    set(object, "last_unloaded", string(r->last_unloaded));
    set(object, "verdict", cause(v));
    return object;
}
