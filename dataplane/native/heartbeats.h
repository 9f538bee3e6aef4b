/* All heartbeats of one owner, and the thread that keeps them. */
#pragma once
#include "heartbeat.h"

#include <pthread.h>
#include <stdatomic.h>

/* What the wake-up of the owner's calls has in the place of an id. */
#define QL_HEARTBEATS_WAKE UINT64_MAX

struct ql_heartbeats {
    pthread_t thread;
    pthread_mutex_t lock;
    int epoll_fd, event_fd, wake_fd;
    atomic_int stopping;
    uint64_t chance;
    uint64_t wake_ns; /* when the thread will look again by itself */
    ql_beat **beats;  /* by id; NULL: free */
    uint64_t *due_ns; /* of each, in one place to be looked through at every wake-up */
    uint32_t slots;
};

/* Makes due_ns follow what was done to a heartbeat. The lock is held. */
static inline void ql_heartbeats_refresh(ql_heartbeats *heartbeats, uint32_t id)
{
    heartbeats->due_ns[id] =
        heartbeats->beats[id] != NULL ? ql_beat_due_ns(heartbeats->beats[id]) : UINT64_MAX;
}

/* The thread; returns once it is told to stop. */
void *ql_heartbeats_work(void *heartbeats);
