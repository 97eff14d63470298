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
	LIE_HELLO_LATE,
	/* About standard input, of which FALSE_INIT_INPUT bytes come. */
	LIE_TAKEN_BEYOND,
	LIE_TAKEN_BACK,
	LIE_TAKEN_AGAIN,
	LIE_TAKEN_REOPENED,
	LIE_TAKEN_OF_NOBODY,
	/* About the outputs' files, of which there are two. */
	LIE_FILE_EARLY,
	LIE_FILE_OTHER,
	LIE_FILE_GAP,
	LIE_FILE_AGAIN,
	LIE_FILE_LARGE,
	LIE_FILE_ENDLESS,
	LIE_FILE_END_EARLY,
	LIE_FILE_END_SIZE,
	LIE_FILE_END_OTHER,
	LIE_FILE_END_TWICE,
	LIE_EXIT_TWICE, /* at first with processes killed for memory */
	LIE_OUTPUT_AFTER_EXIT,
	/* To the runner's next life, on a new connection. */
	LIE_RETURN_NONE, /* the truth */
	LIE_RETURN_VERSION,
	LIE_RETURN_WRITTEN_BEFORE_STARTED,
	LIE_RETURN_MORE_THAN_THE_WINDOW,
	LIE_RETURN_LESS_THAN_IS_KEPT,
	LIE_RETURN_LESS_OF_ONE, /* and more of the other */
	LIE_RETURN_MORE_INPUT,
	LIE_RETURN_WAITING,
	LIE_RETURN_HELLO_TWICE,
	LIE_RETURN_NO_HELLO,
	LIE_RETURN_OUTPUT_AGAIN,
	LIE_COUNT
};

#define FALSE_INIT_INPUT 10
/* What it writes as the task's output, and as a file. */
#define FALSE_INIT_TEXT "forged"
#define FALSE_INIT_TEXT_LEN 6

#endif
