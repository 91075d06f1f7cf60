// SPDX-License-Identifier: MIT
/*
 * A kernel module that fails in an interrupt, as a driver does that ends the same
 * request twice: `echo irq-end > /proc/faulty_irq`. The kernel panics then.
 * Comments say what has to be found, as in faulty.c; "missing=" is a function that
 * left no frame.
 */
/* clang-format off */
#include <linux/completion.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/timer.h>
#include <linux/uaccess.h>

#define opaque noinline __noclone

struct io {
	u32 tag;
	u32 flags;
	void (*end_io)(struct io *io, int status);
	void *end_io_data;
};

static struct io io;
static struct timer_list timer;
static int sink;

static opaque void end_sync_io(struct io *io, int status)
{
	struct completion *waiting = io->end_io_data;

	io->end_io_data = NULL;
	complete(waiting); /* expect irq-end: kind=null-dereference variable=x function=complete missing=finish_io */
	sink += status;
}

static opaque void finish_io(struct io *io, int status)
{
	if (io->flags & 1)
		sink++;
	io->end_io(io, status); /* a jump: this function leaves no frame */
}

static opaque void end_io(struct io *io, int status)
{
	sink += io->tag;
	finish_io(io, status);
	sink++;
}

static void expired(struct timer_list *unused)
{
	end_io(&io, 0);
	sink++;
	end_io(&io, 0);
	sink++;
}

static ssize_t faulty_write(struct file *file, const char __user *from, size_t size, loff_t *at)
{
	DECLARE_COMPLETION_ONSTACK(done);
	char what[32] = "";

	if (size >= sizeof(what) || copy_from_user(what, from, size))
		return -EINVAL;
	if (strcmp(strim(what), "irq-end"))
		return size;
	io.end_io = end_sync_io;
	io.end_io_data = &done;
	mod_timer(&timer, jiffies + HZ / 10);
	wait_for_completion(&done);
	return size;
}

static const struct proc_ops faulty_ops = { .proc_write = faulty_write };

static int __init faulty_init(void)
{
	timer_setup(&timer, expired, 0);
	return proc_create("faulty_irq", 0200, NULL, &faulty_ops) ? 0 : -ENOMEM;
}
module_init(faulty_init);

MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("Fails in an interrupt on request");
