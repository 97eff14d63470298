/* What a server said, on standard output. */
#include "client/show.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/capture.h"

static int
show(void *arg)
{
	(void)arg;
	show_fact("\x1b[2Jlabel", "\x1b]0;value\x07");
	show_fact("nothing", NULL);
	return 0;
}

/* Members of a server's documents are labels, too. */
static void
test_neither_label_nor_value_moves_the_cursor(void **state)
{
	struct capture capture = capture_run(show, NULL);

	(void)state;
	assert_string_equal(
	    capture.out, "\\x1b[2Jlabel   \\x1b]0;value\\x07\n");
	capture_done(&capture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_neither_label_nor_value_moves_the_cursor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
