/* rate: how much was done a second, lately. Private to fs/. */
#ifndef QUANTFS_RATE_H
#define QUANTFS_RATE_H

#include <stdint.h>

enum { QFS_RATE_SECONDS = 8 }; /* looked back */

/* What was done in each of the last seconds, the running one included; zeroed to begin with. Not
 * locked. */
struct qfs_rate {
    int64_t now; /* the newest second that something was done in */
    uint64_t done[QFS_RATE_SECONDS + 1];
};

static inline void qfs_rate_add(struct qfs_rate *rate, int64_t second, uint64_t amount)
{
    const int64_t slots = QFS_RATE_SECONDS + 1;
    for (int64_t i = rate->now + 1; i <= second && i <= rate->now + slots; i++)
        rate->done[i % slots] = 0;
    if (second > rate->now)
        rate->now = second;
    rate->done[rate->now % slots] += amount;
}

/* A second's share of what was done in whole seconds that have passed. */
static inline uint64_t qfs_rate_of(const struct qfs_rate *rate, int64_t second)
{
    struct qfs_rate upto = *rate;
    uint64_t sum = 0;
    qfs_rate_add(&upto, second, 0);
    for (int i = 0; i <= QFS_RATE_SECONDS; i++)
        if (i != upto.now % (QFS_RATE_SECONDS + 1))
            sum += upto.done[i];
    return sum / QFS_RATE_SECONDS;
}

#endif
