/* Differences of counters; see mark.h. */
#include "report/mark.h"

#include <jansson.h>

static const char *const kind_names[NAND_KINDS] = {"read", "program", "erase"};
static const char *const cause_names[NAND_CAUSES] = {"host", "mapping", "gc", "wear"};

void mark_set(struct mark *mark, struct drive *drive) {
    const struct nand *nand = drive_nand(drive);
    *mark = (struct mark){.written = drive->bytes[IO_WRITE] + drive->bytes[IO_APPEND], .at_ns = sim_now(drive->sim)};
    if (nand)
        mark->flash = *nand_counters(nand);
}

static json_t *by_cause(const uint64_t now[NAND_CAUSES], const uint64_t then[NAND_CAUSES]) {
    json_t *o = json_object();
    for (unsigned cause = 0; cause < NAND_CAUSES; cause++)
        json_object_set_new(o, cause_names[cause], json_integer((json_int_t)(now[cause] - then[cause])));
    return o;
}

/* Bytes programmed for each byte that hosts wrote; nothing if they wrote none. */
static void add_amplification(json_t *o, const struct mark *then, const struct mark *now) {
    double written = (double)(now->written - then->written), sum = 0;
    if (written <= 0)
        return;
    json_t *causes = json_object();
    for (unsigned cause = 0; cause < NAND_CAUSES; cause++) {
        uint64_t bytes = now->flash.bytes[NAND_PROGRAM][cause] - then->flash.bytes[NAND_PROGRAM][cause];
        json_object_set_new(causes, cause_names[cause], json_real((double)bytes / written));
        sum += (double)bytes / written;
    }
    json_object_set_new(o, "write_amplification", json_real(sum));
    json_object_set_new(o, "write_amplification_by_cause", causes);
}

json_t *mark_json(const struct mark *then, struct drive *drive) {
    struct mark now;
    mark_set(&now, drive);
    json_t *o = json_pack("{s:I,s:I}", "elapsed_ns", (json_int_t)(now.at_ns - then->at_ns), "host_bytes_written",
                          (json_int_t)(now.written - then->written));
    if (!drive_nand(drive))
        return o;
    add_amplification(o, then, &now);
    json_t *energy = nand_energy_json(drive_nand(drive), &then->flash, now.at_ns - then->at_ns);
    if (energy)
        json_object_set_new(o, "energy_pj", energy);
    for (unsigned kind = 0; kind < NAND_KINDS; kind++)
        json_object_set_new(o, kind_names[kind],
                            json_pack("{s:o,s:o,s:I}", "ops", by_cause(now.flash.ops[kind], then->flash.ops[kind]),
                                      "bytes", by_cause(now.flash.bytes[kind], then->flash.bytes[kind]), "suspends",
                                      (json_int_t)(now.flash.suspends[kind] - then->flash.suspends[kind])));
    return o;
}
