/* Read-ahead: what the readers of one open file are likely to want next.
 *
 * The kernel asks for 128 or 256 KiB at a time, whatever the reader does: one sequential reader
 * would keep one core busy. So a reader that goes forward gets a window that is computed ahead of
 * it on all cores, 8 MiB at first, doubled each time it has been used up, to 128 MiB or its share
 * of the memory.
 *
 * Several streams may go through one open file (llama.cpp reads tensors biggest first: forward
 * inside each, backward between them; or by several threads). A read belongs to the stream that
 * ends near where it begins; one that belongs to none starts a new stream in the place of the one
 * unused for longest. Requests of one stream overtake each other by some hundred KiB, thus "near".
 */
#include "image.h"

#include <pthread.h>
#include <stdlib.h>

enum {
    STREAMS = 8,
    NEAR = 1 << 20,
    WINDOW_LEAST = 8 << 20,
    WINDOW_MOST = 128 << 20,
    HEAD = 512 << 10, /* reads up to here beyond the header may be the kernel's own guess */
    IDLE_READS = 32,  /* other streams' reads after which a stream has ended */
};

struct stream {
    bool live;
    uint64_t next;     /* end of what was read */
    uint64_t ahead_to; /* end of what was queued */
    uint64_t cool_to;  /* chunks before it were given up */
    uint64_t window;   /* 0: not known to be sequential yet */
    uint64_t progress; /* bytes read since the window last grew */
    uint64_t used;     /* clock of its last read */
    struct qfs_lane lane;
};

struct qfs_streams {
    struct qfs_engine *engine;
    struct qfs_image *image; /* borrowed */
    bool fill;
    pthread_mutex_t lock; /* guards what follows; taken before the engine's */
    uint64_t clock;
    struct stream streams[STREAMS];
};

struct qfs_streams *qfs_streams_new(struct qfs_engine *engine, struct qfs_image *image, bool fill)
{
    struct qfs_streams *streams = calloc(1, sizeof(*streams));
    if (!streams)
        return NULL;
    streams->engine = engine;
    streams->image = image;
    streams->fill = fill;
    pthread_mutex_init(&streams->lock, NULL);
    for (unsigned i = 0; i < STREAMS; i++)
        streams->streams[i].lane.urgency = QFS_AHEAD;
    return streams;
}

/* The stream goes on no further: what it has queued is dropped. */
static void end_stream(struct qfs_streams *streams, struct stream *stream)
{
    if (!stream->window)
        return;
    qfs_engine_drop(streams->engine, &stream->lane);
    qfs_engine_stream_count(streams->engine, -1);
    stream->window = 0;
    stream->ahead_to = stream->next;
}

void qfs_streams_free(struct qfs_streams *streams)
{
    if (!streams)
        return;
    for (unsigned i = 0; i < STREAMS; i++)
        end_stream(streams, &streams->streams[i]);
    pthread_mutex_destroy(&streams->lock);
    free(streams);
}

static void open_window(struct qfs_streams *streams, struct stream *stream)
{
    if (!stream->window)
        qfs_engine_stream_count(streams->engine, 1);
    stream->window = WINDOW_LEAST;
    stream->progress = 0;
}

static bool is_near(const struct stream *stream, uint64_t offset)
{
    return stream->live && offset + NEAR >= stream->next && offset <= stream->next + NEAR;
}

static struct stream *find_stream(struct qfs_streams *streams, uint64_t offset)
{
    struct stream *found = NULL;
    for (unsigned i = 0; i < STREAMS; i++) {
        struct stream *stream = &streams->streams[i];
        if (is_near(stream, offset) && (!found || stream->used > found->used))
            found = stream;
    }
    return found;
}

static struct stream *new_stream(struct qfs_streams *streams, uint64_t offset)
{
    struct stream *stream = &streams->streams[0];
    for (unsigned i = 1; i < STREAMS; i++)
        if (streams->streams[i].used < stream->used)
            stream = &streams->streams[i];
    end_stream(streams, stream);
    stream->live = true;
    stream->next = stream->ahead_to = stream->cool_to = offset;
    stream->progress = 0;
    return stream;
}

/* A reader that begins where a tensor does means to read all of it. */
static bool is_tensor_start(const struct qfs_image *image, uint64_t offset)
{
    const struct qfs_region *region =
        &image->plan->regions[qfs_plan_region_at(image->plan, offset)];
    return region->kind == QFS_REGION_TENSOR && offset - region->offset < 4096;
}

/* The chunk at `offset`, which must lie in the file; false when there is none. *ret_end: where it,
 * or the region without chunks, ends. */
static bool chunk_at(const struct qfs_image *image, uint64_t offset,
                     const struct qfs_supply **ret_supply, uint32_t *ret_index, uint64_t *ret_end)
{
    const struct qfs_region *region =
        &image->plan->regions[qfs_plan_region_at(image->plan, offset)];
    *ret_end = region->offset + region->size;
    if (region->kind != QFS_REGION_TENSOR)
        return false;
    const struct qfs_supply *supply = &image->tensors[region->tensor].supply;
    *ret_supply = supply;
    *ret_index = (uint32_t)((offset - region->offset) / supply->series.chunk_bytes);
    *ret_end = region->offset + (uint64_t)*ret_index * supply->series.chunk_bytes +
               qfs_series_size(&supply->series, *ret_index);
    return true;
}

/* Queues the chunks that begin in [stream->ahead_to, until). */
static void queue_ahead(struct qfs_streams *streams, struct stream *stream, uint64_t until)
{
    const struct qfs_supply *supply;
    uint32_t index;
    until = QFS_MIN(until, streams->image->plan->size);
    while (stream->ahead_to < until)
        if (chunk_at(streams->image, stream->ahead_to, &supply, &index, &stream->ahead_to))
            qfs_engine_ahead(streams->engine, &stream->lane, supply, index, streams->fill);
}

/* Chunks that the stream has passed are in the kernel's page cache or with the reader: memory is
 * for those to come. */
static void cool_passed(struct qfs_streams *streams, struct stream *stream)
{
    struct qfs_memory *memory = qfs_engine_memory(streams->engine);
    const struct qfs_supply *supply;
    uint32_t index;
    uint64_t end;
    uint64_t passed = QFS_MIN(stream->next, streams->image->plan->size);
    passed -= QFS_MIN(passed, (uint64_t)NEAR);
    while (stream->cool_to < passed) {
        bool chunk = chunk_at(streams->image, stream->cool_to, &supply, &index, &end);
        if (end > passed)
            break;
        if (chunk)
            qfs_memory_cool(memory, supply->series.id, index);
        stream->cool_to = end;
    }
}

static void grow_window(struct stream *stream, uint64_t advance)
{
    stream->progress += advance;
    if (stream->progress >= stream->window && stream->window < WINDOW_MOST) {
        stream->window *= 2;
        stream->progress = 0;
    }
}

void qfs_streams_note(struct qfs_streams *streams, uint64_t offset, uint32_t size)
{
    const struct qfs_plan *plan = streams->image->plan;
    uint64_t end = offset + size;
    if (!size || offset >= plan->size)
        return;
    pthread_mutex_lock(&streams->lock);
    struct stream *stream = find_stream(streams, offset);
    bool known = stream;
    if (!known)
        stream = new_stream(streams, offset);
    stream->used = ++streams->clock;
    uint64_t advance = end > stream->next ? end - stream->next : 0;
    stream->next = QFS_MAX(stream->next, end);
    stream->ahead_to = QFS_MAX(stream->ahead_to, stream->next);
    if (stream->window)
        grow_window(stream, advance);
    else if (end > plan->data_offset + HEAD &&
             (known ? advance > 0 : is_tensor_start(streams->image, offset)))
        open_window(streams, stream);
    if (stream->window) {
        uint64_t share = qfs_engine_stream_share(streams->engine);
        queue_ahead(streams, stream, stream->next + QFS_MIN(stream->window, share));
        cool_passed(streams, stream);
    }
    for (unsigned i = 0; i < STREAMS; i++)
        if (streams->streams[i].used + IDLE_READS < streams->clock)
            end_stream(streams, &streams->streams[i]);
    pthread_mutex_unlock(&streams->lock);
}
