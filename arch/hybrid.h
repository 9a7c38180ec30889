/* Private to the arch room: layers of Mamba 2 between layers of attention, as Granite 4 and Nemotron-H
 * have them. */
#ifndef QUANTFS_ARCH_HYBRID_H
#define QUANTFS_ARCH_HYBRID_H

#include "converter.h"

enum qfs_layer_part { /* bits: a draft layer has two */
                      QFS_LAYER_SSM = 1,
                      QFS_LAYER_ATTENTION = 2,
                      QFS_LAYER_MLP = 4,
};

struct qfs_hybrid {  /* of a converter's `state` */
    uint8_t *layers; /* parts of each */
    struct qfs_mamba2 sizes;
    int64_t head_dim;    /* Nemotron-H: of attention */
    int64_t draft_layer; /* -1: none */
    bool has_ssm, has_experts;
};

struct qfs_hybrid *qfs_hybrid_of(const struct qfs_converter *c);
/* Room for block_count + 1 layers; d_model, n_group and d_inner from config. */
int qfs_hybrid_init(struct qfs_converter *c);
int qfs_hybrid_filter(struct qfs_converter *c, const char *name, const char **ret_name);
int qfs_hybrid_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                      int bid);
int qfs_hybrid_keys(struct qfs_converter *c);

#endif
