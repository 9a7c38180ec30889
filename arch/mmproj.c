/* What the converter's MmprojModel does for every family. */
#include "mmproj.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { PREPROCESSOR_LIMIT = 16 << 20 };

/* -- configs ------------------------------------------------------------------------------------- */

static const struct qfs_encoders *encoders_of(const struct qfs_converter *c)
{
    const struct qfs_family *family = c->family;
    while (!family->encoders)
        family = family->parent;
    return family->encoders;
}

/* get_vision_config, get_audio_config */
static const struct qfs_json *vision_config(struct qfs_converter *c)
{
    if (c->mmproj->encoders->vision_config)
        return c->mmproj->encoders->vision_config(c);
    return qfs_json_get(c->mmproj->global, "vision_config");
}

static const struct qfs_json *audio_config(struct qfs_converter *c)
{
    if (c->mmproj->encoders->audio_config)
        return c->mmproj->encoders->audio_config(c);
    const struct qfs_json *whisper = qfs_json_get(c->mmproj->global, "whisper_config");
    return whisper ? whisper : qfs_json_get(c->mmproj->global, "audio_config");
}

/* A copy that may be changed; NULL for None. */
static int copy_config(struct qfs_converter *c, const struct qfs_json *config,
                       struct qfs_json **ret_copy)
{
    *ret_copy = NULL;
    if (qfs_json_is_null(config))
        return 0;
    if (config->kind != QFS_JSON_OBJECT)
        return qfs_config_wrong(c, "an encoder's part", "an object");
    *ret_copy = qfs_dict_copy(c->arena, config);
    return *ret_copy ? 0 : qfs_fail_memory(c->error);
}

/* n_embd_text: the width of the language model. */
static int read_text_width(struct qfs_converter *c)
{
    const struct qfs_json *text = qfs_json_get(c->mmproj->global, "text_config");
    static const char *const names[] = {"hidden_size", "n_embd"};
    const struct qfs_json *width = NULL;
    if (!qfs_json_is(text, QFS_JSON_OBJECT))
        return qfs_config_wrong(c, "text_config", "an object");
    for (size_t i = 0; i < QFS_COUNT(names) && !width; i++) {
        width = qfs_json_get(text, names[i]);
        if (!width)
            width = qfs_json_get(c->mmproj->global, names[i]);
    }
    if (!qfs_json_is(width, QFS_JSON_INT) || width->integer <= 0 || width->integer > INT32_MAX)
        return qfs_config_wrong(c, "hidden_size of the language model", "a size");
    c->mmproj->text_width = width->integer;
    return 0;
}

/* One file of the preprocessor, its part `inner` moved to the root. */
static int read_preprocessor(struct qfs_converter *c, const char *file, const char *inner)
{
    const struct qfs_json *config;
    const char *shown = qfs_arena_printf(c->arena, "%s/%s", c->model->path, file);
    if (!shown)
        return qfs_fail_memory(c->error);
    if (faccessat(c->model->dir_fd, file, F_OK, 0) != 0)
        return 0;
    int rc = qfs_json_read(c->arena, c->model->dir_fd, file, PREPROCESSOR_LIMIT, shown, &config,
                           c->error);
    if (rc < 0)
        return rc;
    const struct qfs_json *part = qfs_json_get(config, inner);
    if (!qfs_json_is(config, QFS_JSON_OBJECT) || (part && part->kind != QFS_JSON_OBJECT))
        return qfs_fail(c->error, EINVAL, "%s: is not an object, or its %s is none", shown, inner);
    if (qfs_dict_merge(c->arena, c->mmproj->preprocessor, config) < 0 ||
        qfs_dict_merge(c->arena, c->mmproj->preprocessor, part) < 0)
        return qfs_fail_memory(c->error);
    return 0;
}

/* n_block_keys */
static const char *const *block_keys(const struct qfs_converter *c)
{
    static const char *const usual[] = {
        "n_layers",       "num_hidden_layers",    "n_layer", "num_layers", "depth", "layers",
        "encoder_layers", "vt_num_hidden_layers", NULL};
    return c->mmproj->encoders->block_keys ? c->mmproj->encoders->block_keys : usual;
}

/* The layers that tensor names may have. */
static int read_block_count(struct qfs_converter *c)
{
    enum { OF_TWO_ENCODERS = 128 };
    c->block_count = OF_TWO_ENCODERS;
    if (c->mmproj->has_vision && c->mmproj->has_audio)
        return 0;
    int rc = qfs_hparam_size(c, block_keys(c), &c->block_count);
    if (rc == 0 && c->block_count > 4096)
        return qfs_config_wrong(c, "an encoder's layers", "4096 at most");
    return rc;
}

static struct qfs_json *empty_dict(struct qfs_converter *c)
{
    return qfs_dict_copy(c->arena, NULL);
}

/* The parts that every model has, empty where config.json says nothing. */
static int add_parts(struct qfs_converter *c, struct qfs_json *dict)
{
    static const char *const names[] = {"text_config", "audio_config"};
    for (size_t i = 0; i < QFS_COUNT(names); i++) {
        const struct qfs_json *none = empty_dict(c);
        if (!none ||
            (!qfs_json_get(dict, names[i]) && qfs_dict_set(c->arena, dict, names[i], none) < 0))
            return qfs_fail_memory(c->error);
    }
    return 0;
}

int qfs_mmproj_prepare(struct qfs_converter *c)
{
    struct qfs_mmproj *mm = qfs_arena_alloc(c->arena, sizeof(*mm));
    int rc;
    if (!mm)
        return qfs_fail_memory(c->error);
    c->mmproj = mm;
    mm->encoders = encoders_of(c);
    mm->has_vision = mm->encoders->vision;
    mm->has_audio = mm->encoders->audio;
    mm->global = qfs_dict_copy(c->arena, c->config);
    mm->preprocessor = empty_dict(c);
    if (!mm->global || !mm->preprocessor)
        return qfs_fail_memory(c->error);
    if ((rc = add_parts(c, mm->global)) < 0 ||
        (rc = copy_config(c, vision_config(c), &mm->vision)) < 0 ||
        (rc = copy_config(c, audio_config(c), &mm->audio)) < 0)
        return rc;
    c->hparams = qfs_json_truthy(mm->vision)  ? mm->vision
                 : qfs_json_truthy(mm->audio) ? mm->audio
                                              : NULL;
    if (!c->hparams)
        return -ENOENT;
    if ((rc = read_text_width(c)) < 0 || (rc = read_block_count(c)) < 0 ||
        (rc = read_preprocessor(c, "preprocessor_config.json", "media_proc_cfg")) < 0)
        return rc;
    return read_preprocessor(c, "processor_config.json", "image_processor");
}

/* -- tensors ------------------------------------------------------------------------------------ */

int qfs_mmproj_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    *ret_name = NULL;
    if (strstr(name, "language_model."))
        return 0;
    if (qfs_ends_with(name, "e_score_correction_bias"))
        name = qfs_name_replace(c, name, "e_score_correction_bias", "e_score_correction.bias");
    *ret_name = name;
    return name ? 0 : -ENOMEM;
}

int qfs_mmproj_force_quant(struct qfs_converter *c, const char *name, const char *new_name, int bid,
                           int ndims)
{
    (void)c, (void)name, (void)bid, (void)ndims;
    return strstr(new_name, ".patch_embd.weight") || strstr(new_name, ".patch_merger.weight")
               ? QFS_QUANT_HALF_OR_F32
               : -1;
}

int qfs_whole_positions_force_quant(struct qfs_converter *c, const char *name, const char *new_name,
                                    int bid, int ndims)
{
    return strstr(new_name, ".position_embd.")
               ? QFS_TYPE_F32
               : qfs_mmproj_force_quant(c, name, new_name, bid, ndims);
}

int qfs_split_rows(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                   int bid, const char *from, const char *const *to, int count)
{
    int rc = data ? 0 : -c->error->code;
    if (data && (data->ndim == 0 || data->shape[0] % count))
        return qfs_fail(c->error, EINVAL, "%s: tensor %s cannot be cut into %d", c->model->path,
                        name, count);
    for (int i = 0; i < count && rc == 0; i++) {
        int64_t rows = data->shape[0] / count;
        const char *part = qfs_name_replace(c, name, from, to[i]);
        rc = part ? qfs_text_tensor(c, qfs_lazy_slice(c, data, 0, i * rows, rows), part, bid)
                  : -c->error->code;
    }
    return rc;
}

const struct qfs_recipe *qfs_lazy_row(struct qfs_converter *c, const struct qfs_recipe *a,
                                      int64_t i)
{
    const struct qfs_recipe *row = qfs_lazy_slice(c, a, 0, i, 1);
    return row ? qfs_lazy_reshape(c, row, row->ndim - 1, row->shape + 1) : NULL;
}

const struct qfs_recipe *qfs_patches_as_images(struct qfs_converter *c, const struct qfs_recipe *a,
                                               int64_t side, int64_t nchannels)
{
    if (!a || a->ndim == 0)
        return NULL;
    const int64_t shape[] = {a->shape[0], side, side, nchannels};
    const struct qfs_recipe *patches = qfs_lazy_reshape(c, a, 4, shape);
    return qfs_lazy_swapaxes(c, qfs_lazy_swapaxes(c, patches, 1, 3), 2, 3);
}

/* -- keys --------------------------------------------------------------------------------------- */

static const struct qfs_param vision_params[] = {
    {"vision.image_size", QFS_PARAM_U32, {"image_size"}, true},
    {"vision.patch_size", QFS_PARAM_U32, {"patch_size"}, true},
    {"vision.embedding_length", QFS_PARAM_U32, {"hidden_size", "width", "vt_hidden_size"}, true},
    {"vision.feed_forward_length",
     QFS_PARAM_U32,
     {"intermediate_size", "vt_intermediate_size"},
     true},
    {NULL},
};
static const struct qfs_param vision_head_params[] = {
    {"vision.attention.head_count",
     QFS_PARAM_U32,
     {"num_attention_heads", "num_heads", "heads", "vt_num_attention_heads"},
     true},
    {NULL},
};
static const struct qfs_param preprocessor_params[] = {
    {"vision.image_mean", QFS_PARAM_LIST, {"image_mean"}, true},
    {"vision.image_std", QFS_PARAM_LIST, {"image_std"}, true},
    {NULL},
};
static const struct qfs_param audio_params[] = {
    {"audio.embedding_length", QFS_PARAM_U32, {"hidden_size"}, true},
    {"audio.feed_forward_length", QFS_PARAM_U32, {"intermediate_size"}, true},
    {NULL},
};
static const struct qfs_param audio_head_params[] = {
    {"audio.attention.head_count", QFS_PARAM_U32, {"num_attention_heads"}, true},
    {NULL},
};

static int put_block_count(struct qfs_converter *c, const char *key, const struct qfs_json *dict)
{
    const struct qfs_json *value = NULL;
    for (const char *const *names = block_keys(c); *names && !value; names++)
        value = qfs_json_get(dict, *names);
    return qfs_put_param(c, key, QFS_PARAM_U32, value);
}

int qfs_mmproj_keys(struct qfs_converter *c)
{
    const struct qfs_mmproj *mm = c->mmproj;
    int rc;
    qfs_put_file_type(c);
    if (mm->has_vision) {
        qfs_put_bool(c, "has_vision_encoder", true);
        qfs_put_u32(c, "vision.projection_dim", mm->text_width);
        if ((rc = qfs_put_params_of(c, mm->vision, vision_params)) < 0 ||
            (rc = put_block_count(c, "vision.block_count", mm->vision)) < 0 ||
            (rc = qfs_put_params_of(c, mm->vision, vision_head_params)) < 0 ||
            (rc = qfs_put_params_of(c, mm->preprocessor, preprocessor_params)) < 0)
            return rc;
    }
    if (mm->has_audio) {
        qfs_put_bool(c, "has_audio_encoder", true);
        qfs_put_u32(c, "audio.projection_dim", mm->text_width);
        if ((rc = qfs_put_params_of(c, mm->audio, audio_params)) < 0 ||
            (rc = put_block_count(c, "audio.block_count", mm->audio)) < 0 ||
            (rc = qfs_put_params_of(c, mm->audio, audio_head_params)) < 0)
            return rc;
    }
    return 0;
}

static const struct qfs_encoders vision_only = {.vision = true};

const struct qfs_family qfs_family_mmproj = {
    .arch = "clip",
    .encoders = &vision_only,
    .filter = qfs_mmproj_filter,
    .force_quant = qfs_mmproj_force_quant,
    .keys = qfs_mmproj_keys,
};
