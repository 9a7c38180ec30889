/* Private to the arch room: SentencePiece's compiled rules of normalization. tokenizer_charsmap.c */
#ifndef QUANTFS_ARCH_CHARSMAP_H
#define QUANTFS_ARCH_CHARSMAP_H

#include "quantfs/base.h"

struct qfs_charsmap {
    struct qfs_text trie, texts; /* borrowed */
};

/* `data`: the size of the trie, the trie, texts that end with a zero byte. False where it is cut short. */
bool qfs_charsmap_open(struct qfs_text data, struct qfs_charsmap *ret);
/* `text` normalized, appended. */
void qfs_charsmap_normalize(const struct qfs_charsmap *map, struct qfs_text text,
                            struct qfs_buffer *out);

#endif
