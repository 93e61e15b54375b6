// SPDX-License-Identifier: GPL-2.0-only

#include <linux/mm.h>
#include <linux/prefetch.h>

/* Lines that are fetched ahead: the processor's own prefetching ends with the page. */
#define LINES_AHEAD 8

u64 read_once_sum(unsigned long pfn, unsigned long next);

u64 read_once_sum(unsigned long pfn, unsigned long next)
{
	const u64 *word, *end;
	u64 a = 0, b = 0, c = 0, d = 0;
	unsigned int line;

	/* In VM_MIXEDMAP areas, a frame may have no memory. */
	if (!pfn_valid(pfn))
		return 0;
	if (pfn_valid(next))
		for (line = 0; line < LINES_AHEAD; line++)
			prefetch(page_address(pfn_to_page(next)) + line * L1_CACHE_BYTES);
	word = page_address(pfn_to_page(pfn));
	end = word + PAGE_SIZE / sizeof(*word);
	for (; word < end; word += 8) {
		a += word[0] ^ word[4];
		b += word[1] ^ word[5];
		c += word[2] ^ word[6];
		d += word[3] ^ word[7];
	}
	return a + b + c + d;
}
