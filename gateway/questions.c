/*
 * The table of open questions.
 */
#include <stdlib.h>

#include "gateway/questions.h"
#include "lib/alloc.h"

/* A number is the slot and, above it, how many were asked before. */
#define SLOT_BITS 20
#define NUMBER_MASK ((UINT64_C(1) << 53) - 1)
#define FIRST_SLOTS 64

static void
grow(struct questions *questions)
{
	size_t old = questions->count;

	questions->count = old == 0 ? FIRST_SLOTS : old * 2;
	questions->slots = alloc_resize(
	    questions->slots, questions->count, sizeof(*questions->slots));
	for (size_t i = old; i < questions->count; i++)
		questions->slots[i] = (struct question){.next_free = i + 1};
}

static uint64_t
make_number(struct questions *questions, size_t slot)
{
	uint64_t number;

	do {
		questions->asked++;
		number = (questions->asked << SLOT_BITS | slot) & NUMBER_MASK;
	} while (number >> SLOT_BITS == 0);
	return number;
}

uint64_t
questions_add(struct questions *questions, const struct question *question)
{
	size_t slot;

	if (questions->free == questions->count) {
		if (questions->count == QUESTIONS_MAX)
			return 0;
		grow(questions);
	}
	slot = questions->free;
	questions->free = questions->slots[slot].next_free;
	questions->slots[slot] = *question;
	questions->slots[slot].request = make_number(questions, slot);
	return questions->slots[slot].request;
}

struct question *
questions_find(const struct questions *questions, uint64_t request)
{
	size_t slot = request & (QUESTIONS_MAX - 1);

	if (request == 0 || slot >= questions->count ||
	    questions->slots[slot].request != request)
		return NULL;
	return &questions->slots[slot];
}

bool
questions_take(
    struct questions *questions, uint64_t request, struct question *ret)
{
	struct question *question = questions_find(questions, request);

	if (question == NULL)
		return false;
	*ret = *question;
	*question = (struct question){.next_free = questions->free};
	questions->free = (size_t)(question - questions->slots);
	return true;
}

uint64_t
questions_find_due(
    const struct questions *questions, int64_t now_ms, size_t *at)
{
	while (*at < questions->count) {
		const struct question *question = &questions->slots[(*at)++];

		if (question->request != 0 && question->deadline_ms <= now_ms)
			return question->request;
	}
	return 0;
}

void
questions_done(struct questions *questions)
{
	free(questions->slots);
	*questions = (struct questions){0};
}
