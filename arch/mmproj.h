/* Private to the arch room: vision and audio encoders with their projectors, which the converter
 * writes to a file of their own (--mmproj, architecture "clip"). What MmprojModel does for every
 * family; a family names `qfs_family_mmproj` as its last ancestor. */
#ifndef QUANTFS_ARCH_MMPROJ_H
#define QUANTFS_ARCH_MMPROJ_H

#include "converter.h"

/* What the class says of its encoders. The nearest ancestor that has one counts. */
struct qfs_encoders {
    bool vision, audio; /* has_vision_encoder, has_audio_encoder */
    /* get_vision_config, get_audio_config; NULL: vision_config and audio_config (or
     * whisper_config) of config.json. Their result is copied. */
    const struct qfs_json *(*vision_config)(struct qfs_converter *c);
    const struct qfs_json *(*audio_config)(struct qfs_converter *c);
    const char *const *block_keys; /* n_block_keys, ends with NULL; NULL: the usual ones */
};

struct qfs_mmproj {
    const struct qfs_encoders *encoders;
    struct qfs_json *global;       /* global_config */
    struct qfs_json *vision;       /* hparams_vision, NULL: None. c->hparams may be the same */
    struct qfs_json *audio;        /* hparams_audio */
    struct qfs_json *preprocessor; /* preprocessor_config */
    int64_t text_width;            /* n_embd_text */
    bool has_vision, has_audio;    /* as `encoders` says; some families look first */
    void *own;                     /* what a family's hooks tell each other */
};

extern const struct qfs_family qfs_family_mmproj; /* MmprojModel */

/* MmprojModel.__init__: sets c->mmproj, c->hparams, c->block_count. -ENOENT, and no sentence, where
 * config.json tells of no encoder. */
int qfs_mmproj_prepare(struct qfs_converter *c);

/* MmprojModel's own, for hooks that extend them. */
int qfs_mmproj_filter(struct qfs_converter *c, const char *name, const char **ret_name);
int qfs_mmproj_keys(struct qfs_converter *c);
int qfs_mmproj_force_quant(struct qfs_converter *c, const char *name, const char *new_name, int bid,
                           int ndims);
/* The same with position embeddings in F32. */
int qfs_whole_positions_force_quant(struct qfs_converter *c, const char *name, const char *new_name,
                                    int bid, int ndims);

/* -- reading configs ---------------------------------------------------------------------------
 */

/* dict[name] = value; dict may be NULL (an error then: the class needs that config). */
int qfs_config_set(struct qfs_converter *c, struct qfs_json *dict, const char *name,
                   const struct qfs_json *value);
int qfs_config_set_int(struct qfs_converter *c, struct qfs_json *dict, const char *name,
                       int64_t value);
/* dict[name] = dict.get(name, value) */
int qfs_config_default_int(struct qfs_converter *c, struct qfs_json *dict, const char *name,
                           int64_t value);
/* dict[name] = [values…] */
int qfs_config_set_reals(struct qfs_converter *c, struct qfs_json *dict, const char *name,
                         const double *values, size_t count);
/* dict[to] = dict.get(from) */
int qfs_config_rename(struct qfs_converter *c, struct qfs_json *dict, const char *to,
                      const char *from);
/* dict[name] as a count, an error naming it if it is absent or none. */
int qfs_config_size(struct qfs_converter *c, const struct qfs_json *dict, const char *name,
                    int64_t *ret_value);
/* dict.get(name, fallback) as a count */
int qfs_config_size_or(struct qfs_converter *c, const struct qfs_json *dict, const char *name,
                       int64_t fallback, int64_t *ret_value);
/* Is dict[name] the string `value`? */
bool qfs_config_is(const struct qfs_json *dict, const char *name, const char *value);
/* The keys of a table, their values taken from `dict`. */
int qfs_put_params_of(struct qfs_converter *c, struct qfs_json *dict,
                      const struct qfs_param *table);
/* A float32 key from dict.get(name, fallback). */
int qfs_put_f32_or(struct qfs_converter *c, const char *key, const struct qfs_json *dict,
                   const char *name, double fallback);
/* A uint32 key from dict.get(name, fallback). */
int qfs_put_u32_or(struct qfs_converter *c, const char *key, const struct qfs_json *dict,
                   const char *name, int64_t fallback);
/* The same from dict[name], which must be there. */
int qfs_put_f32_from(struct qfs_converter *c, const char *key, const struct qfs_json *dict,
                     const char *name);
int qfs_put_u32_from(struct qfs_converter *c, const char *key, const struct qfs_json *dict,
                     const char *name);
/* add_clip_projector_type */
void qfs_put_projector(struct qfs_converter *c, const char *type);
/* add_vision_use_gelu, …_silu as hidden_act of `dict` says; an error for any other. */
int qfs_put_activation(struct qfs_converter *c, const struct qfs_json *dict);
/* The same in letters of either case; nothing for any other. */
void qfs_put_activation_if_known(struct qfs_converter *c, const struct qfs_json *dict);
/* vision.image_min_pixels and …max_pixels from the preprocessor's min_pixels and max_pixels */
int qfs_put_pixel_limits(struct qfs_converter *c);
/* vision.projector.scale_factor: int(1 / dict[name]) */
int qfs_put_inverse_scale(struct qfs_converter *c, const struct qfs_json *dict, const char *name);
/* How many patches along one side become one token, where it is not Gemma 3's 4. */
int qfs_put_pool_factor(struct qfs_converter *c);
/* An error that names config.json and says what is wrong with it. */
int qfs_config_wrong(struct qfs_converter *c, const char *key, const char *what);

/* Suffixes of weights whose layers say how far their inputs and outputs are clipped. */
extern const char *const qfs_clipped_suffixes[];

/* -- tensors -----------------------------------------------------------------------------------
 */

/* A fused attention matrix or bias, its rows cut in `count` parts; `from` of its name becomes each of
 * `to`. */
int qfs_split_rows(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                   int bid, const char *from, const char *const *to, int count);
/* a[i] */
const struct qfs_recipe *qfs_lazy_row(struct qfs_converter *c, const struct qfs_recipe *a,
                                      int64_t i);
/* A matrix over patches (row, column, channel) as a convolution (channel, row, column). */
const struct qfs_recipe *qfs_patches_as_images(struct qfs_converter *c, const struct qfs_recipe *a,
                                               int64_t side, int64_t nchannels);

#endif
