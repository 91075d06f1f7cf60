// SPDX-License-Identifier: MIT
/*
 * A kernel module that misuses memory on request: `echo CASE > /proc/faulty_memory`.
 * Comments say what has to be found, as in faulty.c. Boot with
 * slub_debug=P,faulty_items: freed items are filled with 0x6b.
 */
/* clang-format off */
#include <linux/list.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

struct item {
	u64 number;
	struct list_head list;
	struct item *next;
	refcount_t users;
	u32 size;
	char name[24];
};

struct slot {
	u64 owner;
	u32 count, limit;
	u64 spare;
};

struct table {
	u64 used;
	struct slot slot[16];
};

struct handler {
	void (*run)(struct item *item);
	u32 calls;
};

/* Compiled as it stands: what callers pass is not known inside. */
#define opaque noinline __noclone

static struct kmem_cache *items;
static struct item *registry[8];
static unsigned long bits;
static int sink;

static opaque u32 freed_item(struct item *stale)
{
	sink++;
	return stale->next->size + sink; /* expect freed-item: kind=general-protection-fault variable=stale->next member=size */
}

static opaque void free_twice(struct item *item)
{
	kfree(item);
	sink++;
	kfree(item); /* expect free-twice: kind=bug */
	sink++;
}

static opaque void drop_too_often(struct item *dropped)
{
	sink++;
	if (refcount_dec_and_test(&dropped->users)) /* expect refcount: kind=refcount */
		sink++;
	sink += dropped->size;
}

static opaque void insert(struct item *item, struct list_head *after)
{
	sink++;
	list_add(&item->list, after); /* expect list-add: kind=list-corruption */
	sink++;
}

static opaque u32 behind_deleted(struct item *gone)
{
	struct item *item = list_next_entry(gone, list);

	sink++;
	return item->size + sink; /* expect list-poison: kind=general-protection-fault variable=gone->list.next */
}

static opaque unsigned long expose(void __user *to, struct item *item, unsigned long size)
{
	sink++;
	return copy_to_user(to, item, size); /* expect usercopy: kind=bug */
}

static opaque void write_constant(struct handler *fixed)
{
	sink++;
	fixed->calls = sink; /* expect write-constant: kind=page-fault variable=fixed member=calls */
}

static opaque void run_data(struct handler *handler, struct item *item)
{
	handler->run(item); /* expect run-data: kind=page-fault */
	sink++;
}

static opaque u32 absent_slot(struct table *table, u32 index)
{
	sink++;
	return table->slot[index].limit + sink; /* expect array-element: kind=null-dereference variable=table */
}

static opaque u32 absent_entry(u32 index)
{
	sink++;
	return registry[index]->size + sink; /* expect array-pointer: kind=null-dereference variable=registry[3] member=size */
}

static opaque void rarely(struct item *item)
{
	sink++;
	if (unlikely(item->size > 1000)) {
		pr_err("item %llu is too large\n", item->number);
		sink += item->size;
		BUG(); /* expect cold-bug: kind=bug */
	}
}

static inline void check_size(const struct item *item)
{
	WARN_ON(item->size > 64); /* expect warn-inline: kind=warning */
}

static opaque void checks(struct item *item)
{
	sink++;
	check_size(item);
	sink += item->size;
}

static opaque void divide_by_nothing(struct item *item)
{
	int nothing = 0;

	sink++;
	sink = item->size / nothing; /* expect constant-divide: kind=trap */
}

static opaque u32 unmapped(struct table *gone)
{
	sink++;
	return gone->slot[1].count + sink; /* expect unmapped: kind=page-fault variable=gone member=slot[1].count */
}

static opaque u32 error_result(struct item *item)
{
	struct item *found = item->next;

	sink++;
	return refcount_read(&found->users) + sink; /* expect error-result: kind=null-dereference variable=found member=users */
}

static opaque int watch(struct item *item)
{
	unsigned long end = jiffies + 6 * HZ;

	preempt_disable();
	while (time_before(jiffies, end)) /* expect rcu-stall: kind=rcu-stall lines=5 */
		READ_ONCE(item->size);
	preempt_enable();
	return 0;
}

static const struct handler constant = { .calls = 1 };

static noinline void trigger(const char *what, void __user *buffer)
{
	struct item *item = kmalloc(sizeof(*item), GFP_KERNEL), *other = kmem_cache_zalloc(items, GFP_KERNEL);
	struct handler data = { .run = (void *)item };
	struct list_head head;
	void *pages;

	registry[bits & 1] = item;
	if (!item || !other)
		return;
	memset(item, 0, sizeof(*item));
	item->size = 5000;
	INIT_LIST_HEAD(&head);
	INIT_LIST_HEAD(&item->list);
	if (!strcmp(what, "freed-item")) {
		kmem_cache_free(items, other);
		sink += freed_item(other);
	} else if (!strcmp(what, "free-twice"))
		free_twice(item);
	else if (!strcmp(what, "refcount"))
		drop_too_often(item);
	else if (!strcmp(what, "list-add")) {
		head.next = &other->list;
		other->list.prev = &item->list;
		insert(item, &head);
	} else if (!strcmp(what, "list-poison")) {
		list_add(&item->list, &head);
		list_del(&item->list);
		sink += behind_deleted(item);
	} else if (!strcmp(what, "usercopy"))
		sink += expose(buffer, item, 2048 + bits);
	else if (!strcmp(what, "write-constant"))
		write_constant((struct handler *)&constant);
	else if (!strcmp(what, "run-data"))
		run_data(&data, other);
	else if (!strcmp(what, "array-element"))
		sink += absent_slot((void *)bits, 5 + bits);
	else if (!strcmp(what, "array-pointer"))
		sink += absent_entry(3 + bits);
	else if (!strcmp(what, "cold-bug"))
		rarely(item);
	else if (!strcmp(what, "warn-inline"))
		checks(item);
	else if (!strcmp(what, "constant-divide"))
		divide_by_nothing(item);
	else if (!strcmp(what, "unmapped")) {
		pages = vmalloc(PAGE_SIZE);
		vfree(pages);
		sink += unmapped(pages);
	} else if (!strcmp(what, "error-result")) {
		item->next = ERR_PTR(-ENOMEM);
		sink += error_result(item);
	} else if (!strcmp(what, "rcu-stall"))
		sink += watch(item);
	sink++;
}

static ssize_t faulty_write(struct file *file, const char __user *from, size_t size, loff_t *at)
{
	char what[32] = "";

	if (size >= sizeof(what) || copy_from_user(what, from, size))
		return -EINVAL;
	trigger(strim(what), (void __user *)from);
	return size;
}

static const struct proc_ops faulty_ops = { .proc_write = faulty_write };

static int __init faulty_init(void)
{
	items = kmem_cache_create("faulty_items", sizeof(struct item), 0, 0, NULL);
	return items && proc_create("faulty_memory", 0200, NULL, &faulty_ops) ? 0 : -ENOMEM;
}
module_init(faulty_init);

MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("Misuses memory on request");
