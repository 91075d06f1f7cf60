/*
 * The schedulers, each from a file of its own; rows of elevators[]. Linux's
 * single-queue ones come first, then those of its multi-queue block layer.
 */
#ifndef DRIVELAB_BLOCK_ELEVATOR_ELEVATORS_H
#define DRIVELAB_BLOCK_ELEVATOR_ELEVATORS_H

#include "block/elevator.h"

extern const struct elevator_ops elevator_noop, elevator_deadline, elevator_as, elevator_cfq;
extern const struct elevator_ops elevator_mq_deadline, elevator_kyber, elevator_bfq, elevator_none;

#endif
