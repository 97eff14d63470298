/*
 * The questions that are open on a connection to the runner: who asked, by
 * number, until when. A number names its slot, so that finding it costs
 * nothing however many are open. Pure; time is a parameter.
 */
#ifndef GATEWAY_QUESTIONS_H
#define GATEWAY_QUESTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct link_answer;

struct question {
	uint64_t request; /* 0: a free slot */
	void (*answered)(void *arg, const struct link_answer *answer);
	void (*began)(void *arg, int *fd); /* NULL: no body is to come */
	void *arg;
	int64_t deadline_ms;
	size_t next_free;
};

struct questions {
	struct question *slots;
	size_t count, free;
	uint64_t asked;
};

#define QUESTIONS_MAX (1U << 20)

/* Its number: positive, below 2^53 (JSON's integers), unique among those that
 * are open. 0: too many are. `question->request` is set here. */
uint64_t
questions_add(struct questions *questions, const struct question *question);
/* NULL: no such number is open. Borrowed until the next change. */
struct question *
questions_find(const struct questions *questions, uint64_t request);
/* Takes it out; false: no such number is open. */
bool questions_take(
    struct questions *questions, uint64_t request, struct question *ret);
/* Any that is open and whose deadline is not after now_ms; 0: none. `*at`
 * begins at 0 and remembers how far was looked. */
uint64_t questions_find_due(
    const struct questions *questions, int64_t now_ms, size_t *at);
void questions_done(struct questions *questions);

#endif
