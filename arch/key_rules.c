/* Families that write all of their keys themselves, as tables. */
#include "converter.h"

static int absent(struct qfs_converter *c, const struct qfs_key_rule *rule)
{
    return qfs_fail(c->error, EINVAL, "%s/config.json: has no %s", c->model->path, rule->names[0]);
}

static int put_fourfold(struct qfs_converter *c, const struct qfs_key_rule *rule)
{
    int64_t size;
    int rc = qfs_hparam_size(c, rule->names, &size);
    if (rc == 0)
        qfs_put_u32(c, rule->key, 4 * size);
    return rc;
}

static int put_rule(struct qfs_converter *c, const struct qfs_key_rule *rule)
{
    static const enum qfs_param_type types[] = {
        [QFS_RULE_U32] = QFS_PARAM_U32,     [QFS_RULE_U32_OR_LIST] = QFS_PARAM_U32_OR_LIST,
        [QFS_RULE_F32] = QFS_PARAM_F32,     [QFS_RULE_BOOL] = QFS_PARAM_BOOL,
        [QFS_RULE_TEXT] = QFS_PARAM_STRING, [QFS_RULE_U32_OR] = QFS_PARAM_U32,
        [QFS_RULE_F32_OR] = QFS_PARAM_F32,  [QFS_RULE_BOOL_OR] = QFS_PARAM_BOOL,
    };
    const struct qfs_json *value;
    switch (rule->kind) {
    case QFS_RULE_END:
        break;
    case QFS_RULE_U32:
    case QFS_RULE_U32_OR_LIST:
    case QFS_RULE_F32:
    case QFS_RULE_BOOL:
    case QFS_RULE_TEXT:
        value = qfs_hparam_first(c, rule->names);
        return value ? qfs_put_param(c, rule->key, types[rule->kind], value) : absent(c, rule);
    case QFS_RULE_U32_OR:
    case QFS_RULE_F32_OR:
    case QFS_RULE_BOOL_OR:
        return qfs_put_param_or(c, rule->key, types[rule->kind], rule->names[0], rule->number);
    case QFS_RULE_FOURFOLD:
        return put_fourfold(c, rule);
    case QFS_RULE_BLOCK_COUNT:
        qfs_put_u32(c, "block_count", c->block_count);
        break;
    case QFS_RULE_FILE_TYPE:
        qfs_put_file_type(c);
        break;
    case QFS_RULE_IS_U32:
        qfs_put_u32(c, rule->key, (int64_t)rule->number);
        break;
    case QFS_RULE_IS_F32:
        qfs_put_f32(c, rule->key, rule->number);
        break;
    case QFS_RULE_IS_TEXT:
        qfs_put_string(c, rule->key, rule->text);
        break;
    case QFS_RULE_NO_BOS:
        qfs_kv_bool(&c->out->kvs, "tokenizer.ggml.add_bos_token", false);
        break;
    }
    return 0;
}

int qfs_put_rules(struct qfs_converter *c, const struct qfs_key_rule *table)
{
    int rc = 0;
    for (const struct qfs_key_rule *rule = table; rule->kind != QFS_RULE_END && rc == 0; rule++)
        rc = put_rule(c, rule);
    return rc;
}

int qfs_put_keys(struct qfs_converter *c)
{
    const struct qfs_family *family = c->family;
    while (family && !family->keys && !family->rules && !family->params)
        family = family->parent;
    if (family && family->keys)
        return family->keys(c);
    if (family && family->rules)
        return qfs_put_rules(c, family->rules);
    int rc = qfs_text_keys(c);
    return rc < 0 || !family ? rc : qfs_put_params(c, family->params);
}
