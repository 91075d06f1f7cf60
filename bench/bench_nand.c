/*
 * Operations a second of processor time of the NAND model on one core: 4 KiB random reads at
 * queue depth 256, programs of whole pages, and a mix of reads, programs and
 * erases, on 64, 128 and 256 dies. Arguments: operations, dies.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/rng.h"
#include "media/nand/nand.h"

enum { DEPTH = 256 };

struct bench {
    struct sim *sim;
    struct nand *nand;
    struct nand_config config;
    struct nand_block *blocks;
    struct rng rng;
    uint64_t left, running;
    unsigned program_percent;
    struct {
        uint32_t block, page;
        bool erasing;
    } * open; /* per die and plane: the block being written, in the upper half of its blocks */
    struct nand_op ops[DEPTH];
};

static struct bench *bench_of(struct nand_op *op);
static void again(struct nand_op *op);

static struct bench the_bench; /* found from an operation */

static struct bench *bench_of(struct nand_op *op) {
    (void)op;
    return &the_bench;
}

static void fill_read(struct bench *b, struct nand_op *op) {
    op->kind = NAND_READ;
    op->bytes = 4096;
    op->block = (uint32_t)rng_below(&b->rng, b->config.blocks / 2);
    op->page = (uint32_t)rng_below(&b->rng, b->config.pages);
}

static bool fill_program(struct bench *b, struct nand_op *op) {
    uint32_t i = op->die * b->config.planes + op->plane;
    if (b->open[i].erasing)
        return false;
    if (b->open[i].page == b->config.pages) {
        b->open[i].page = 0;
        b->open[i].block = b->config.blocks / 2 + (b->open[i].block + 1) % (b->config.blocks / 2);
        b->open[i].erasing = true;
        op->kind = NAND_ERASE;
        op->block = b->open[i].block;
        return true;
    }
    op->kind = NAND_PROGRAM;
    op->bytes = b->config.page_bytes;
    op->block = b->open[i].block;
    op->page = b->open[i].page++;
    return true;
}

static void next(struct bench *b, struct nand_op *op) {
    op->die = (uint16_t)rng_below(&b->rng, nand_die_count(&b->config));
    op->plane = (uint8_t)rng_below(&b->rng, b->config.planes);
    op->done = again;
    if (rng_below(&b->rng, 100) >= b->program_percent || !fill_program(b, op))
        fill_read(b, op);
    nand_submit(b->nand, op);
}

static void again(struct nand_op *op) {
    struct bench *b = bench_of(op);
    if (op->kind == NAND_ERASE)
        b->open[op->die * b->config.planes + op->plane].erasing = false;
    if (b->left == 0) {
        b->running--;
        return;
    }
    b->left--;
    next(b, op);
}

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void prepare(struct bench *b, uint32_t dies, unsigned program_percent) {
    struct err e = {0};
    struct opt_set set = {0};
    memset(b, 0, sizeof *b);
    opt_set_add(&set, nand_opts, &b->config);
    b->config.luns = dies / b->config.channels;
    b->config.endurance = 0;
    b->program_percent = program_percent;
    b->sim = sim_new(&(struct sim_config){.mode = SIM_VIRTUAL}, &e);
    b->blocks = calloc(nand_block_count(&b->config), sizeof *b->blocks);
    b->open = calloc((size_t)dies * b->config.planes, sizeof *b->open);
    for (uint64_t i = 0; i < nand_block_count(&b->config); i++)
        if (i % b->config.blocks < b->config.blocks / 2)
            b->blocks[i].next_page = (uint16_t)b->config.pages;
    for (uint32_t i = 0; i < dies * b->config.planes; i++)
        b->open[i].block = b->config.blocks / 2;
    b->nand = nand_new(&b->config, b->sim, b->blocks, true, 1, &e);
    if (!b->sim || !b->nand) {
        fprintf(stderr, "%s\n", e.text);
        exit(2);
    }
    rng_init(&b->rng, 1, 1);
}

static void run(const char *name, uint32_t dies, unsigned program_percent, uint64_t count) {
    struct bench *b = &the_bench;
    prepare(b, dies, program_percent);
    b->left = count - DEPTH;
    b->running = DEPTH;
    double start = seconds();
    for (int i = 0; i < DEPTH; i++)
        next(b, &b->ops[i]);
    sim_run(b->sim, SIM_NEVER);
    double cpu = seconds() - start, modelled = (double)sim_now(b->sim) * 1e-9;
    struct err e = {0};
    if (nand_check(b->nand, &e))
        printf("BROKEN: %s\n", e.text);
    printf("nand %-22s %3u dies: %6.2f M ops/s (%5.1f ns/op, %.2f events/op), modelled %7.0f k ops/s\n", name, dies,
           (double)count / cpu * 1e-6, cpu * 1e9 / (double)count, (double)sim_fired(b->sim) / (double)count,
           (double)count / modelled * 1e-3);
    nand_free(b->nand);
    sim_free(b->sim);
    free(b->blocks);
    free(b->open);
}

int main(int argc, char **argv) {
    uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 3000000;
    uint32_t only = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 0;
    for (uint32_t dies = 64; dies <= 256; dies *= 2) {
        if (only && only != dies)
            continue;
        run("random read", dies, 0, count);
        run("program", dies, 100, count / 4);
        run("70 % read 30 % program", dies, 30, count / 2);
    }
    return 0;
}
