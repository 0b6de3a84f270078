/*
 * The arena of arena.h: a list of chunks.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/arena.h"

#include <stdarg.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_SIZE ((size_t)64 * 1024)

struct dss_arena_chunk {
	struct dss_arena_chunk *next;
	size_t used, cap;
	alignas(max_align_t) unsigned char data[];
};

static struct dss_arena_chunk *chunk_new(struct dss_arena *arena, size_t size)
{
	size_t cap = size > CHUNK_SIZE / 4 ? size : CHUNK_SIZE;
	struct dss_arena_chunk *chunk;

	if (cap > SIZE_MAX - sizeof(*chunk))
		return NULL;
	chunk = calloc(1, sizeof(*chunk) + cap);
	if (!chunk)
		return NULL;
	chunk->cap = cap;
	arena->size += cap;
	/* A large block goes behind the head, whose room is still good. */
	if (arena->head && cap != CHUNK_SIZE) {
		chunk->next = arena->head->next;
		arena->head->next = chunk;
	} else {
		chunk->next = arena->head;
		arena->head = chunk;
	}
	return chunk;
}

void *dss_arena_alloc(struct dss_arena *arena, size_t count, size_t size)
{
	const size_t align = alignof(max_align_t);
	struct dss_arena_chunk *chunk = arena->head;
	size_t total;
	void *p;

	if (__builtin_mul_overflow(count, size, &total) ||
	    total > SIZE_MAX - align)
		return NULL;
	total = (total + align - 1) / align * align;
	if (total == 0)
		total = align;
	if (!chunk || chunk->cap - chunk->used < total)
		chunk = chunk_new(arena, total);
	if (!chunk)
		return NULL;
	p = chunk->data + chunk->used;
	chunk->used += total;
	return p;
}

char *dss_arena_strndup(struct dss_arena *arena, const char *s, size_t len)
{
	char *copy;

	if (len == SIZE_MAX)
		return NULL;
	copy = dss_arena_alloc(arena, len + 1, 1);
	if (copy && len > 0)
		memcpy(copy, s, len);
	return copy;
}

char *dss_arena_join(struct dss_arena *arena, const char *a, const char *b,
		     const char *c)
{
	size_t al = strlen(a), bl = strlen(b), cl = strlen(c);
	char *s = dss_arena_alloc(arena, al + bl + cl + 1, 1);

	if (s) {
		memcpy(s, a, al);
		memcpy(s + al, b, bl);
		memcpy(s + al + bl, c, cl);
	}
	return s;
}

char *dss_arena_printf(struct dss_arena *arena, const char *fmt, ...)
{
	va_list ap, again;
	char *s = NULL;
	int len;

	va_start(ap, fmt);
	va_copy(again, ap);
	len = vsnprintf(NULL, 0, fmt, ap);
	if (len >= 0)
		s = dss_arena_alloc(arena, (size_t)len + 1, 1);
	if (s)
		(void)vsnprintf(s, (size_t)len + 1, fmt, again);
	va_end(again);
	va_end(ap);
	return s;
}

void dss_arena_reset(struct dss_arena *arena)
{
	struct dss_arena_chunk *keep = arena->head;
	struct dss_arena rest = { .head = keep ? keep->next : NULL };

	dss_arena_done(&rest);
	if (!keep)
		return;
	keep->next = NULL;
	arena->size = keep->cap;
	memset(keep->data, 0, keep->used);
	keep->used = 0;
}

void dss_arena_done(struct dss_arena *arena)
{
	while (arena->head) {
		struct dss_arena_chunk *next = arena->head->next;

		free(arena->head);
		arena->head = next;
	}
	arena->size = 0;
}
