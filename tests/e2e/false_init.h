/* The lies of false_init, in the order of /tmp's size in pages, from 1. */
#ifndef TESTS_E2E_FALSE_INIT_H
#define TESTS_E2E_FALSE_INIT_H

enum false_init_lie {
	LIE_NONE, /* the truth, so that the others fail for what they are */
	/* Before an order: the task is not started. */
	LIE_VERSION,
	LIE_STATE,
	LIE_NETWORK,
	LIE_FEWER_MOUNTS,
	LIE_OTHER_MOUNT,
	LIE_GARBAGE,
	LIE_LARGE,
	LIE_DESCRIPTOR,
	LIE_OUR_FRAME,
	LIE_EXIT_AT_ONCE,
	LIE_EXIT_BEFORE_ORDER,
	LIE_HELLO_TWICE,
	LIE_SILENT_END,
	/* After it: the task is lost. */
	LIE_OUTPUT_BEFORE_START,
	LIE_EXIT_BEFORE_START,
	LIE_START_TWICE,
	LIE_OUTPUT_GAP,
	LIE_OUTPUT_AGAIN,
	LIE_EXIT_WITHOUT_OUTPUT,
	LIE_COUNT
};

#endif
