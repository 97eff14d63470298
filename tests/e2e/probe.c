/*
 * A task that looks at what surrounds it: stands in the sandbox tests' image.
 */
#include <stdio.h>

int
main(void)
{
	puts("probe");
	return 0;
}
