/* What threads of the core sleep in: epoll, until a descriptor is ready or a deadline has come. */
#pragma once
#include "clock.h"

#include <sys/epoll.h>
#include <unistd.h>

/* Wakes whoever waits for this eventfd. */
static inline void ql_add_one(int event_fd)
{
    uint64_t one = 1;
    ssize_t written = write(event_fd, &one, sizeof one);
    (void)written; /* fails only when the counter is full: then the reader is told already */
}

/* epoll_wait until a time, UINT64_MAX for ever; one that has come only looks. */
static inline int ql_sleep_until(int epoll_fd, uint64_t until_ns, struct epoll_event *events, int room)
{
    if (until_ns == UINT64_MAX)
        return epoll_wait(epoll_fd, events, room, -1);
    uint64_t now_ns = ql_now_ns();
    uint64_t left_ns = until_ns > now_ns ? until_ns - now_ns : 0;
    struct timespec timeout = {(time_t)(left_ns / QL_NS_PER_S), (long)(left_ns % QL_NS_PER_S)};
    return epoll_pwait2(epoll_fd, events, room, &timeout, NULL);
}

/* Whether there can be such sleep; errno. Kernels have it since 5.11, and not every container allows it. */
static inline int ql_can_sleep(int epoll_fd)
{
    struct epoll_event event;
    return ql_sleep_until(epoll_fd, 0, &event, 1) >= 0;
}
