// SPDX-License-Identifier: MIT
/*
 * A kernel module that does wrong on request: `echo CASE > /proc/faulty`. Each
 * case stands for a way in which drivers fail. What `drivelab oops` has to find
 * stands in comments at the very line that it must name:
 *
 *   expect CASE: kind=... variable=... member=... known=...
 *
 * read by ../run-oops. The function is the one that the line is in, or what
 * "function=" says. "known=FUNCTION.VARIABLE" has to be found with the value
 * &somebody, which is printed.
 */
/* clang-format off */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>

struct port_stats {
	u64 reads, writes;
	u32 errors, retries;
};

struct port {
	u32 number;
	struct port_stats stats;
};

struct drive;

struct drive_ops {
	int (*start)(struct drive *drive);
	int (*finish)(struct drive *drive, int status);
};

struct drive {
	char name[16];
	const struct drive_ops *ops;
	struct port port[4];
	struct {
		u32 head, tail;
		u32 depth;
	} queue;
	struct completion *waiting;
	struct list_head siblings;
	struct drive *parent;
	void *buffer;
	u32 shift;
	u32 users;
	spinlock_t lock;
};

/* Compiled as it stands: what callers pass is not known inside. Those without it may become clones for a caller. */
#define opaque noinline __noclone

static struct drive *nobody;
static struct drive somebody;
static unsigned long bits;
static int sink;

static noinline void null_write(struct drive *drive, u32 depth)
{
	drive->queue.depth = depth; /* expect null-write: kind=null-dereference variable=drive member=queue.depth */
	sink++;
}

static opaque u32 null_nested(struct drive *target)
{
	sink++;
	return target->port[2].stats.errors + sink; /* expect null-nested: kind=null-dereference variable=target member=port[2].stats.errors */
}

static opaque u32 freed_pointer(struct drive *stale)
{
	sink++;
	return stale->users + sink; /* expect freed-pointer: kind=general-protection-fault variable=stale member=users */
}

static opaque char error_pointer(struct drive *found)
{
	sink++;
	return found->name[3] + sink; /* expect error-pointer: kind=page-fault variable=found member=name[3] */
}

static opaque void list_twice(struct drive *drive)
{
	list_del(&drive->siblings);
	sink++;
	list_del(&drive->siblings); /* expect list-twice: kind=list-corruption known=list_twice.drive */
}

static opaque void bug_on(struct drive *drive)
{
	BUG_ON(drive->users > 3); /* expect bug-on: kind=bug */
	sink++;
}

static opaque void warn_on(struct drive *drive)
{
	WARN_ON(drive->users > 2); /* expect warn-on: kind=warning */
	sink++;
}

static opaque int divide(struct drive *drive, u32 total)
{
	sink++;
	return total / drive->shift; /* expect divide: kind=trap variable=drive->shift */
}

static opaque u32 flipped(struct drive *twisted)
{
	sink++;
	return twisted->port[1].number; /* expect flipped: kind=general-protection-fault variable=twisted member=port[1].number */
}

static opaque u32 user_pointer(const u32 *buffer)
{
	sink++;
	return buffer[0] + sink; /* expect user-pointer: kind=page-fault variable=buffer */
}

static noinline int null_call(struct drive *drive, int status)
{
	int error = drive->ops->finish(drive, status); /* expect null-call: kind=null-dereference member=finish */

	return error + sink++;
}

static opaque void atomic_sleep(struct drive *drive)
{
	spin_lock(&drive->lock);
	msleep(1); /* expect atomic-sleep: kind=atomic-sleep */
	spin_unlock(&drive->lock);
}

static opaque void null_complete(struct drive *drive)
{
	sink++;
	complete(drive->waiting); /* expect null-complete: kind=null-dereference variable=x function=complete */
	sink++;
}

static opaque void null_copy(struct drive *drive, const void *from)
{
	sink++;
	memcpy(drive->buffer, from, (bits & 0xff) + 600); /* expect null-copy: kind=null-dereference variable=drive->buffer */
	sink++;
}

static inline void set_depth(struct drive *owner, u32 depth)
{
	owner->queue.depth = depth; /* expect null-inline: kind=null-dereference variable=parent member=queue.depth function=null_inline */
}

static opaque void null_inline(struct drive *drive)
{
	struct drive *parent = drive->parent;

	sink++;
	set_depth(parent, 4);
}

static opaque u32 null_container(struct list_head *entry)
{
	struct drive *drive = list_entry(entry, struct drive, siblings);

	sink++;
	return READ_ONCE(drive->queue.head); /* expect null-container: kind=page-fault variable=entry member=queue.head */
}

static opaque int busy_loop(struct drive *drive)
{
	unsigned long end = jiffies + 8 * HZ;

	preempt_disable();
	while (time_before(jiffies, end)) /* expect soft-lockup: kind=soft-lockup lines=5 */
		READ_ONCE(drive->users);
	preempt_enable();
	return 0;
}

static opaque void wait_forever(struct drive *drive)
{
	struct completion never;

	init_completion(&never);
	drive->waiting = &never;
	wait_for_completion(&never); /* expect hung-task: kind=hung-task */
}

static int hung_thread(void *drive)
{
	wait_forever(drive);
	sink++;
	return 0;
}

static opaque int deep(struct drive *drive, int level)
{
	char room[512];

	snprintf(room, sizeof(room), "%d", level);
	sink += room[0] + (level ? deep(drive, level + 1) : 0); /* expect stack-overflow: kind=stack-guard function=deep lines=3 */
	return sink + room[1];
}

static opaque u32 reads(struct drive *absent)
{
	sink++;
	return absent->queue.tail + sink; /* expect kept-by-caller: kind=null-dereference variable=absent member=queue.tail known=keeps.kept */
}

static opaque u32 keeps(struct drive *kept, struct drive *absent)
{
	u32 tail = reads(absent);

	sink += tail;
	return tail + kept->users;
}

static void prepare(void)
{
	pr_info("faulty: somebody is at %px\n", &somebody);
	memset(&somebody, 0, sizeof(somebody));
	strscpy(somebody.name, "somebody", sizeof(somebody.name));
	INIT_LIST_HEAD(&somebody.siblings);
	spin_lock_init(&somebody.lock);
	somebody.users = 7;
}

static noinline void trigger(const char *what)
{
	static const struct drive_ops no_finish;
	struct list_head head;

	prepare();
	if (!strcmp(what, "null-write"))
		null_write(nobody, 3);
	else if (!strcmp(what, "null-nested"))
		sink += null_nested(nobody);
	else if (!strcmp(what, "freed-pointer"))
		sink += freed_pointer((void *)(bits + 0x6b6b6b6b6b6b6b6bUL));
	else if (!strcmp(what, "error-pointer"))
		sink += error_pointer(ERR_PTR((long)bits - EINVAL));
	else if (!strcmp(what, "list-twice")) {
		INIT_LIST_HEAD(&head);
		list_add(&somebody.siblings, &head);
		list_twice(&somebody);
	} else if (!strcmp(what, "bug-on"))
		bug_on(&somebody);
	else if (!strcmp(what, "warn-on"))
		warn_on(&somebody);
	else if (!strcmp(what, "divide"))
		sink += divide(&somebody, 100);
	else if (!strcmp(what, "flipped"))
		sink += flipped((void *)((unsigned long)&somebody ^ (1UL << (bits + 58))));
	else if (!strcmp(what, "user-pointer"))
		sink += user_pointer((void *)(bits + 0x400000));
	else if (!strcmp(what, "null-call")) {
		somebody.ops = &no_finish;
		sink += null_call(&somebody, 5);
	} else if (!strcmp(what, "atomic-sleep"))
		atomic_sleep(&somebody);
	else if (!strcmp(what, "null-complete"))
		null_complete(&somebody);
	else if (!strcmp(what, "null-copy"))
		null_copy(&somebody, &somebody);
	else if (!strcmp(what, "null-inline"))
		null_inline(&somebody);
	else if (!strcmp(what, "null-container"))
		sink += null_container((void *)bits);
	else if (!strcmp(what, "kept-by-caller"))
		sink += keeps(&somebody, nobody);
	else if (!strcmp(what, "soft-lockup"))
		sink += busy_loop(&somebody);
	else if (!strcmp(what, "hung-task"))
		kthread_run(hung_thread, &somebody, "faulty-hung");
	else if (!strcmp(what, "stack-overflow"))
		sink += deep(&somebody, 1);
	sink++;
}

static ssize_t faulty_write(struct file *file, const char __user *from,
			    size_t size, loff_t *at)
{
	char what[32] = "";

	if (size >= sizeof(what) || copy_from_user(what, from, size))
		return -EINVAL;
	trigger(strim(what));
	return size;
}

static const struct proc_ops faulty_ops = { .proc_write = faulty_write };

static int __init faulty_init(void)
{
	return proc_create("faulty", 0200, NULL, &faulty_ops) ? 0 : -ENOMEM;
}
module_init(faulty_init);

MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("Fails on request");
