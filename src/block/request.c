/* Trees of requests by start sector; see request.h. */
#include "block/request.h"

#include <stddef.h>

/* Only insertion asks: a new request goes behind those of the same sector. */
static int request_compare(const struct request *new, const struct request *old) {
    return new->sector < old->sector ? -1 : 1;
}

RB_GENERATE_INTERNAL(request_tree, request, node, request_compare, static __attribute__((unused)))

void request_tree_insert(struct request_tree *tree, struct request *rq) {
    request_tree_RB_INSERT(tree, rq);
}

void request_tree_remove(struct request_tree *tree, struct request *rq) {
    request_tree_RB_REMOVE(tree, rq);
}

struct request *request_tree_ceiling(struct request_tree *tree, uint64_t sector) {
    struct request *rq = RB_ROOT(tree), *best = NULL;
    while (rq) {
        bool right = rq->sector < sector;
        best = right ? best : rq;
        rq = right ? RB_RIGHT(rq, node) : RB_LEFT(rq, node);
    }
    return best;
}

struct request *request_tree_find(struct request_tree *tree, uint64_t sector) {
    struct request *rq = request_tree_ceiling(tree, sector);
    return rq && rq->sector == sector ? rq : NULL;
}

struct request *request_tree_first(struct request_tree *tree) {
    return request_tree_RB_MINMAX(tree, RB_NEGINF);
}

struct request *request_tree_next(struct request *rq) {
    return request_tree_RB_NEXT(rq);
}

struct request *request_tree_prev(struct request *rq) {
    return request_tree_RB_PREV(rq);
}
