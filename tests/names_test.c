/* The names of a mount: what is added is found again, by name and by number; numbers are the same for
 * the same content and others for another; a name stands for one thing. */
#include "names.h"

#include <string.h>

#include "check.h"

static struct qfs_view_info views[] = {
    {.name = "m-Q4_K_M.gguf", .type = "Q4_K_M", .size = 1000},
    {.name = "m-IQ1_S.gguf", .type = "IQ1_S", .refused = "needs an imatrix"},
};

static const struct qfs_summary summary = {
    .name = "m", .mtime = {.tv_sec = 77}, .views = views, .nviews = 2};

static struct qfs_generation model = {.refs = 1, .number = 5, .mode = 0440, .summary = &summary};

/* A tree with one of each kind, and many directories. */
static struct qfs_names *build(const char *content, unsigned ndirs)
{
    struct qfs_generation *const models[] = {&model};
    struct qfs_names *names = qfs_names_new(models, 1);
    CHECK(names);
    for (unsigned i = 0; i < ndirs; i++) {
        char name[16];
        snprintf(name, sizeof(name), "d%u", i);
        uint32_t dir = qfs_names_dir(names, 0, name, NULL);
        CHECK(dir != QFS_NO_NODE && qfs_names_dir(names, 0, name, NULL) == dir);
        CHECK(qfs_names_view(names, dir, views[0].name, &model, 0));
        CHECK(!qfs_names_view(names, dir, views[0].name, &model, 0));
        CHECK(qfs_names_text(names, dir, "text", &model, content, strlen(content)));
        CHECK(qfs_names_link(names, dir, "link", &model, "../d0"));
        CHECK(qfs_names_dir(names, dir, "text", NULL) == QFS_NO_NODE);
    }
    CHECK(!qfs_names_text(names, 0, "a/b", &model, "", 0));
    CHECK(!qfs_names_text(names, 0, "..", &model, "", 0));
    CHECK(!qfs_names_text(names, QFS_NO_NODE, "x", &model, "", 0));
    CHECK(qfs_names_finish(names) == 0);
    return names;
}

static const struct qfs_node *at(const struct qfs_names *names, const char *dir, const char *name)
{
    const struct qfs_node *node = qfs_names_at(names, 0, dir);
    CHECK(node && node->kind == QFS_NODE_DIR);
    return qfs_names_at(names, (uint32_t)(node - names->nodes), name);
}

static void find_test(void)
{
    struct qfs_names *names = build("hello", 3000);
    struct stat st;
    CHECK(model.refs == 2 && names->nnodes == 1 + 4 * 3000 && names->nodes[0].nchildren == 3000);
    CHECK(names->nviews == 1 && names->size == 1000);
    const struct qfs_node *text = at(names, "d2999", "text"), *link = at(names, "d7", "link");
    const struct qfs_node *view = at(names, "d7", views[0].name);
    CHECK(text && link && view && !at(names, "d7", "none") && !qfs_names_at(names, 0, "none"));
    CHECK(text->size == 5 && !memcmp(text->data, "hello", 5) && !strcmp(link->data, "../d0"));
    qfs_node_stat(names, view, &st);
    CHECK(st.st_size == 1000 && st.st_mode == (S_IFREG | 0440) && st.st_mtime == 77);
    qfs_node_stat(names, &names->nodes[view->parent], &st);
    CHECK(st.st_mode == (S_IFDIR | 0555) && st.st_mtime == 77);
    for (uint32_t i = 0; i < names->nnodes; i++)
        CHECK(qfs_names_by_ino(names, names->nodes[i].ino) == &names->nodes[i]);
    for (uint32_t i = 0; i < names->nodes[0].nchildren; i++)
        CHECK(!strncmp(names->nodes[names->nodes[0].children[i]].name, "d", 1) &&
              atoi(names->nodes[names->nodes[0].children[i]].name + 1) == (int)i);
    qfs_names_unref(names);
    CHECK(model.refs == 1);
}

static void number_test(void)
{
    struct qfs_names *first = build("hello", 5), *same = build("hello", 9), *other;
    CHECK(at(first, "d3", "text")->ino == at(same, "d3", "text")->ino);
    CHECK(at(first, "d3", views[0].name)->ino == at(same, "d3", views[0].name)->ino);
    CHECK(at(first, "d3", "text")->ino != at(first, "d4", "text")->ino);
    other = build("world", 5);
    CHECK(at(first, "d3", "text")->ino != at(other, "d3", "text")->ino);
    CHECK(at(first, "d3", views[0].name)->ino == at(other, "d3", views[0].name)->ino);
    CHECK(qfs_names_at(first, 0, "d3")->ino == qfs_names_at(other, 0, "d3")->ino);
    qfs_names_unref(other);
    model.number = 6; /* the model changed */
    other = build("hello", 5);
    CHECK(at(first, "d3", views[0].name)->ino != at(other, "d3", views[0].name)->ino);
    CHECK(qfs_names_at(first, 0, "d3")->ino == qfs_names_at(other, 0, "d3")->ino);
    qfs_names_unref(other);
    qfs_names_unref(first);
    qfs_names_unref(same);
}

int main(void)
{
    find_test();
    number_test();
    return 0;
}
