/* What the owner of heartbeats calls. */
#include "heartbeats.h"

#include "sleep.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

enum { FIRST_SLOTS = 16 };

static int start_thread(ql_heartbeats *heartbeats, int priority)
{
    pthread_attr_t attributes;
    struct sched_param parameters = {.sched_priority = priority};
    pthread_attr_init(&attributes);
    pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED);
    pthread_attr_setschedpolicy(&attributes, SCHED_FIFO);
    pthread_attr_setschedparam(&attributes, &parameters);
    int error = pthread_create(&heartbeats->thread, &attributes, ql_heartbeats_work, heartbeats);
    if (error == EPERM)
        error = pthread_create(&heartbeats->thread, NULL, ql_heartbeats_work, heartbeats);
    pthread_attr_destroy(&attributes);
    return error;
}

static void release(ql_heartbeats *heartbeats)
{
    const int descriptors[] = {heartbeats->epoll_fd, heartbeats->event_fd, heartbeats->wake_fd};
    for (int i = 0; i < 3; i++)
        if (descriptors[i] >= 0)
            close(descriptors[i]);
    pthread_mutex_destroy(&heartbeats->lock);
    free(heartbeats->beats);
    free(heartbeats->due_ns);
    free(heartbeats);
}

ql_heartbeats *ql_heartbeats_new(uint64_t seed, int priority)
{
    ql_heartbeats *heartbeats = calloc(1, sizeof *heartbeats);
    if (heartbeats == NULL)
        return NULL;
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    /* An owner who runs behind others must not keep the thread waiting while it holds the lock. */
    pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
    pthread_mutex_init(&heartbeats->lock, &attributes);
    pthread_mutexattr_destroy(&attributes);
    heartbeats->chance = seed | 1;
    heartbeats->wake_ns = UINT64_MAX;
    heartbeats->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    heartbeats->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    heartbeats->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event wake = {.events = EPOLLIN, .data.u64 = QL_HEARTBEATS_WAKE};
    int error = 0;
    if (heartbeats->epoll_fd < 0 || heartbeats->event_fd < 0 || heartbeats->wake_fd < 0 ||
        !ql_can_sleep(heartbeats->epoll_fd) ||
        epoll_ctl(heartbeats->epoll_fd, EPOLL_CTL_ADD, heartbeats->wake_fd, &wake) < 0)
        error = errno;
    else
        error = start_thread(heartbeats, priority);
    if (error == 0)
        return heartbeats;
    release(heartbeats);
    errno = error;
    return NULL;
}

void ql_heartbeats_free(ql_heartbeats *heartbeats)
{
    if (heartbeats == NULL)
        return;
    atomic_store(&heartbeats->stopping, 1);
    ql_add_one(heartbeats->wake_fd);
    pthread_join(heartbeats->thread, NULL);
    for (uint32_t id = 0; id < heartbeats->slots; id++)
        free(heartbeats->beats[id]);
    release(heartbeats);
}

int ql_heartbeats_event_fd(const ql_heartbeats *heartbeats)
{
    return heartbeats->event_fd;
}

/* A free id, or -1. */
static int free_slot(ql_heartbeats *heartbeats)
{
    for (uint32_t id = 0; id < heartbeats->slots; id++)
        if (heartbeats->beats[id] == NULL)
            return (int)id;
    uint32_t first = heartbeats->slots, slots = first > 0 ? first * 2 : FIRST_SLOTS;
    ql_beat **beats = realloc(heartbeats->beats, slots * sizeof *beats);
    if (beats == NULL)
        return -1;
    heartbeats->beats = beats;
    uint64_t *due_ns = realloc(heartbeats->due_ns, slots * sizeof *due_ns);
    if (due_ns == NULL)
        return -1;
    heartbeats->due_ns = due_ns;
    for (uint32_t id = first; id < slots; id++) {
        beats[id] = NULL;
        due_ns[id] = UINT64_MAX;
    }
    heartbeats->slots = slots;
    return (int)first;
}

int ql_heartbeats_add(ql_heartbeats *heartbeats, int sending_socket, int receiving_socket)
{
    ql_beat *beat = calloc(1, sizeof *beat);
    if (beat == NULL)
        return -1;
    beat->sending_socket = sending_socket;
    beat->receiving_socket = receiving_socket;
    beat->send_ns = beat->silence_ns = UINT64_MAX;
    pthread_mutex_lock(&heartbeats->lock);
    int id = free_slot(heartbeats);
    if (id >= 0) {
        struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)id};
        if (epoll_ctl(heartbeats->epoll_fd, EPOLL_CTL_ADD, receiving_socket, &event) < 0)
            id = -1;
        else
            heartbeats->beats[id] = beat;
    }
    pthread_mutex_unlock(&heartbeats->lock);
    if (id < 0)
        free(beat);
    return id;
}

void ql_heartbeats_set(ql_heartbeats *heartbeats, uint32_t id, const ql_heartbeat *heartbeat)
{
    pthread_mutex_lock(&heartbeats->lock);
    ql_beat_set(heartbeats->beats[id], heartbeat);
    ql_heartbeats_refresh(heartbeats, id);
    int earlier = heartbeats->due_ns[id] < heartbeats->wake_ns;
    if (earlier)
        heartbeats->wake_ns = heartbeats->due_ns[id];
    pthread_mutex_unlock(&heartbeats->lock);
    if (earlier)
        ql_add_one(heartbeats->wake_fd);
}

void ql_heartbeats_remove(ql_heartbeats *heartbeats, uint32_t id)
{
    pthread_mutex_lock(&heartbeats->lock);
    epoll_ctl(heartbeats->epoll_fd, EPOLL_CTL_DEL, heartbeats->beats[id]->receiving_socket, NULL);
    free(heartbeats->beats[id]);
    heartbeats->beats[id] = NULL;
    ql_heartbeats_refresh(heartbeats, id);
    pthread_mutex_unlock(&heartbeats->lock);
}

/* Moves events of one heartbeat out, as many as there is room for; how many. */
static uint32_t take_from(ql_beat *beat, ql_heartbeat_event *events, uint32_t room)
{
    uint32_t count = beat->pending_count < room ? beat->pending_count : room;
    memcpy(events, beat->pending, count * sizeof *events);
    beat->pending_count -= count;
    memmove(beat->pending, beat->pending + count, beat->pending_count * sizeof *events);
    return count;
}

uint32_t ql_heartbeats_take(ql_heartbeats *heartbeats, ql_heartbeat_event *events, uint32_t room)
{
    uint32_t taken = 0;
    uint64_t count;
    pthread_mutex_lock(&heartbeats->lock);
    for (uint32_t id = 0; id < heartbeats->slots && taken < room; id++)
        if (heartbeats->beats[id] != NULL)
            taken += take_from(heartbeats->beats[id], events + taken, room - taken);
    if (taken < room) {
        ssize_t nothing = read(heartbeats->event_fd, &count, sizeof count);
        (void)nothing; /* fails only where no event was told of */
    }
    pthread_mutex_unlock(&heartbeats->lock);
    return taken;
}
