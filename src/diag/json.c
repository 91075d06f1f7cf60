/* Explanations as JSON; the same facts as print.c. */
#include <errno.h>
#include <jansson.h>

#include "diag/explain_int.h"

static json_t *text_or_null(const char *text) {
    return text ? json_string(text) : json_null();
}

static json_t *commands_json(const struct explain_about *about) {
    json_t *array = json_array();
    char name[64];
    for (const char *at = about->commands; (at = explain_commands_next(at, name, sizeof name));)
        json_array_append_new(array, json_string(name));
    return array;
}

static json_t *seen_json(const struct explain_about *about) {
    json_t *array = json_array();
    for (unsigned i = 0; i < EXPLAIN_SEERS; i++)
        if (about->seen & 1u << i)
            json_array_append_new(array, json_string(explain_seers[i]));
    return array;
}

static const char *set_word(uint8_t set) {
    static const char *const words[NVME_STATUS_SETS] = {"standard", "fabrics", "vendor"};
    return words[set];
}

static json_t *reading_json(const struct explain_reading *r) {
    const struct explain_about *about = r->about;
    json_t *object =
        json_pack("{s:i,s:i,s:i,s:s,s:o,s:b,s:b,s:i,s:o,s:s,s:s}", "status", r->status, "sct", r->status >> 8 & 7, "sc",
                  r->status & 0xff, "set", set_word(r->set), "name", text_or_null(r->row ? r->row->name : NULL), "dnr",
                  (r->status & NVME_DNR) != 0, "more", (r->status & NVME_MORE) != 0, "crd", r->status >> 11 & 3,
                  "phase", r->phase < 0 ? json_null() : json_integer(r->phase), "read_as", explain_form_text(r->form),
                  "meaning", r->row ? r->row->meaning : explain_unknown(r->status));
    if (object && about)
        json_object_update_new(object,
                               json_pack("{s:o,s:s,s:o,s:o,s:o,s:s,s:s}", "commands", commands_json(about), "causes",
                                         about->causes, "in_drivelab", text_or_null(about->here), "beware",
                                         text_or_null(about->beware), "named_by", seen_json(about), "libnvme_errno",
                                         explain_errno_name(about->libnvme), "source", explain_sources[about->source]));
    return object;
}

static json_t *linux_json(const struct explanation *x) {
    const struct explain_blk *blk = explain_blk_of(x->reading[0].status);
    json_t *lines = json_array();
    char text[256];
    const char *since;
    for (unsigned i = 0; explain_dmesg(x, i, text, sizeof text, &since); i++)
        json_array_append_new(lines, json_pack("{s:s,s:s}", "text", text, "kernel", since));
    return json_pack("{s:s,s:s,s:s,s:i,s:s,s:o}", "does", explain_fate_name(explain_fate(x->reading[0].status)),
                     "blk_status", blk->name, "errno", explain_errno_name(blk->number), "errno_number", blk->number,
                     "name", explain_linux_name(&x->reading[0]), "dmesg", lines);
}

static json_t *blk_json(const struct explain_blk *blk) {
    return json_pack("{s:s,s:s,s:s}", "blk_status", blk->name, "words", blk->words, "errno",
                     explain_errno_name(blk->number));
}

struct json_t *explain_json(const struct explanation *x) {
    json_t *object = json_object();
    if (x->count) {
        json_t *others = json_array();
        for (unsigned i = 1; i < x->count; i++)
            json_array_append_new(others, reading_json(&x->reading[i]));
        json_object_set_new(object, "reading", reading_json(&x->reading[0]));
        json_object_set_new(object, "linux", linux_json(x));
        json_object_set_new(object, "other_readings", others);
    }
    if (x->message)
        json_object_set_new(object, "message",
                            json_pack("{s:s,s:s,s:o}", "words", x->message->needle, "meaning", x->message->meaning,
                                      "look_at", text_or_null(x->message->look)));
    if (x->blk)
        json_object_set_new(object, "block_layer", blk_json(x->blk));
    if (x->error)
        json_object_set_new(object, "host_errno", json_string(explain_errno_name(x->error)));
    if (x->place)
        json_object_set_new(object, "printed_by", json_string(x->place->who));
    if (x->cid >= 0)
        json_object_set_new(object, "cid", json_integer(x->cid));
    if (x->qid >= 0)
        json_object_set_new(object, "qid", json_integer(x->qid));
    return object;
}
