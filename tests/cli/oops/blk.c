/*
 * Functions with the names, types and calls of Linux 5.4's block layer that took
 * part when a request was ended twice: complete(rq->end_io_data) with NULL. How
 * __blk_mq_end_request() goes missing between two frames is chosen by -DGAP=:
 *   0  it is inlined into blk_mq_end_request()
 *   1  it ends with a jump through rq->end_io
 */
/* clang-format off */
#define plain __attribute__((noinline, noclone))
#define NULL ((void *)0)

typedef unsigned char blk_status_t;
typedef struct { int value; } raw_spinlock_t;
struct list_head { struct list_head *next, *prev; };
struct swait_queue_head { raw_spinlock_t lock; struct list_head task_list; };
struct completion { unsigned int done; struct swait_queue_head wait; };
struct request_queue { void *elevator; void *rq_qos; };
struct request;
typedef void (rq_end_io_fn)(struct request *, blk_status_t);
struct request {
	struct request_queue *q;
	unsigned int cmd_flags, rq_flags;
	unsigned int data_len;
	char between[0x110 - 20];
	rq_end_io_fn *end_io;
	void *end_io_data;
};

const char linux_banner[] = "Linux version 5.4.0-148-generic (builder@host) (gcc version 9.4.0) " BUILD " SMP x\n";
int sink;

plain unsigned long _raw_spin_lock_irqsave(raw_spinlock_t *lock)
{
	unsigned long flags;
	int old = 0;

	asm volatile("pushf; pop %0; cli" : "=r"(flags));
	asm volatile("lock cmpxchg %2,%1" : "+a"(old), "+m"(lock->value) : "r"(1) : "memory"); /* spins */
	sink += old;
	return flags;
}

plain void complete(struct completion *x)
{
	unsigned long flags = _raw_spin_lock_irqsave(&x->wait.lock); /* takes the lock */

	x->done++;
	asm volatile("push %0; popf" : : "r"(flags));
}

plain void blk_end_sync_rq(struct request *rq, blk_status_t error)
{
	struct completion *waiting = rq->end_io_data;

	rq->end_io_data = NULL;
	complete(waiting); /* completes */
	sink++;
}

#if GAP == 0
static inline
#else
plain
#endif
void __blk_mq_end_request(struct request *rq, blk_status_t error)
{
	if (rq->q->rq_qos)
		sink += rq->data_len;
	rq->end_io(rq, error); /* ends */
}

plain void blk_mq_end_request(struct request *rq, blk_status_t error)
{
	sink += rq->cmd_flags;
	__blk_mq_end_request(rq, error);
	sink++;
}

plain void nvme_complete_rq(struct request *rq)
{
	sink++;
	blk_mq_end_request(rq, 0);
	sink++;
}
