/* The tables as Markdown: docs/nvme-status.md; a test compares. */
#include "diag/explain_int.h"

static void doc_seen(FILE *out, uint8_t seen) {
    static const char letters[] = "LNSQF";
    for (unsigned i = 0; i < EXPLAIN_SEERS; i++)
        if (seen & 1u << i)
            fputc(letters[i], out);
    if (!seen)
        fputc('-', out);
}

static void doc_set(FILE *out, const char *title, uint8_t set) {
    fprintf(out, "## %s\n\n| status | name | cause | answer to | errno | libnvme | retry | named by |\n", title);
    fprintf(out, "|---|---|---|---|---|---|---|---|\n");
    for (const struct explain_about *about = explain_abouts; about->causes; about++) {
        const struct nvme_status_row *row = nvme_status_find_in(about->status, about->set);
        if (about->set != set || !row)
            continue;
        fprintf(out, "| 0x%03x | %s | %s | %s | %s | %s | %s | ", about->status, row->name, about->causes,
                about->commands, explain_errno_name(explain_blk_of(about->status)->number),
                explain_errno_name(about->libnvme), row->retry ? "yes" : "no");
        doc_seen(out, about->seen);
        fprintf(out, " |\n");
    }
    fputc('\n', out);
}

static void doc_places(FILE *out) {
    fprintf(out, "## Who writes it how\n\n| who | how | zone is full |\n|---|---|---|\n");
    for (const struct explain_writer *w = explain_writers; w->who; w++)
        fprintf(out, "| %s | %s | `%s` |\n", w->who, w->how, w->example);
    fprintf(out, "\n## Where it stands\n\n| text | printed by | notes |\n|---|---|---|\n");
    for (const struct explain_place *place = explain_places; place->needle; place++)
        fprintf(out, "| `%s%s%s` | %s | %s |\n", place->needle, place->context ? "` ... `" : "",
                place->context ? place->context : "", place->who, place->note ? place->note : "");
    fprintf(out, "\n## Lines known by their words\n\n| text | meaning | look at |\n|---|---|---|\n");
    for (const struct explain_message *m = explain_messages; m->needle; m++)
        fprintf(out, "| `%s%s%s` | %s | %s |\n", m->needle, m->context ? "` ... `" : "", m->context ? m->context : "",
                m->meaning, m->look ? m->look : "");
    fprintf(out, "\n## The block layer's words\n\n| words | BLK_STS_ | errno |\n|---|---|---|\n");
    for (const struct explain_blk *blk = explain_blks + 1; blk->name; blk++)
        fprintf(out, "| %s error, dev ... | %s | %s |\n", blk->words, blk->name, explain_errno_name(blk->number));
}

void explain_doc(FILE *out) {
    fprintf(out, "# NVMe statuses\n\nMade from the tables of `drivelab explain`; a test compares.\n\n"
                 "A status of 15 bits: 7:0 SC, 10:8 SCT, 12:11 CRD, 13 More, 14 DNR. In a completion entry it stands "
                 "one bit higher, with the phase bit below it. errno: what Linux's block layer makes of it; retry: "
                 "drivelab leaves DNR clear. Named by L Linux 6.12, N libnvme, S SPDK, Q QEMU, F FEMU.\n\n");
    doc_set(out, "All commands but fabrics'", NVME_SET_STANDARD);
    doc_set(out, "Fabrics commands", NVME_SET_FABRICS);
    doc_set(out, "Not the specification's", NVME_SET_VENDOR);
    doc_places(out);
}
