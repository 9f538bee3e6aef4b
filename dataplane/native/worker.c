/* The loop of a worker, which sleeps in epoll until a port or the clock has something for it. */
#include "worker.h"

#include "sleep.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

/* LAST_BURSTS hold what a TAP device queues at most, its tx_queue_len of 1000 frames. */
enum { EVENTS = 64, LAST_BURSTS = 16, FIRST_SLOTS = 8 };
static const uint64_t STOP = UINT64_MAX, WAKE = UINT64_MAX - 1;

void ql_worker_lock(ql_worker *worker)
{
    pthread_mutex_lock(&worker->gate);
    pthread_mutex_lock(&worker->lock);
    pthread_mutex_unlock(&worker->gate);
}

void ql_worker_unlock(ql_worker *worker)
{
    pthread_mutex_unlock(&worker->lock);
}

/* Acts on what carrying frames brought to light. */
static void look(ql_worker *worker, const ql_wire *wire, int changed)
{
    if (!changed)
        return;
    if (atomic_load(&wire->port_gone))
        epoll_ctl(worker->epoll_fd, EPOLL_CTL_DEL, wire->config.sending->fd, NULL);
    ql_add_one(worker->notify_fd);
}

static void set_deadline(ql_worker *worker, ql_wire *wire, uint64_t deadline_ns)
{
    if (deadline_ns == wire->deadline_ns)
        return;
    wire->deadline_ns = deadline_ns;
    ql_deadlines_place(&worker->deadlines, wire);
    const ql_wire *first = ql_deadlines_first(&worker->deadlines);
    atomic_store(&worker->next_ns, first != NULL ? first->deadline_ns : UINT64_MAX);
}

void ql_worker_reschedule(ql_worker *worker, ql_wire *wire)
{
    uint64_t before_ns = atomic_load(&worker->next_ns);
    set_deadline(worker, wire, ql_wire_next_ns(wire));
    if (atomic_load(&worker->next_ns) < before_ns) /* else it wakes in time by itself */
        ql_add_one(worker->wake_fd);
}

/* One burst for each lock, so that a fault takes effect within it. */
static void serve(ql_worker *worker, uint32_t slot)
{
    ql_worker_lock(worker);
    ql_wire *wire = slot < worker->slots ? worker->wires[slot] : NULL;
    if (wire != NULL) { /* else it was removed between the wait and the lock */
        look(worker, wire, ql_wire_run(wire, &worker->scratch));
        set_deadline(worker, wire, ql_wire_next_ns(wire));
    }
    ql_worker_unlock(worker);
}

/* Lets frames go on that are due; whether there were some. */
static int release(ql_worker *worker)
{
    uint64_t next_ns = atomic_load(&worker->next_ns), now_ns;
    if (next_ns == UINT64_MAX || next_ns > (now_ns = ql_now_ns()))
        return 0;
    ql_worker_lock(worker);
    ql_wire *wire = ql_deadlines_first(&worker->deadlines);
    int due = wire != NULL && wire->deadline_ns <= now_ns;
    if (due) {
        ql_wire_release(wire, &worker->scratch, now_ns);
        set_deadline(worker, wire, ql_wire_next_ns(wire));
    }
    ql_worker_unlock(worker);
    return due;
}

/* Waits for ports until the next deadline, or does not wait where the worker polls. */
static int wait_for_ports(ql_worker *worker, struct epoll_event *events)
{
    if (worker->busy_poll)
        return epoll_wait(worker->epoll_fd, events, EVENTS, 0);
    return ql_sleep_until(worker->epoll_fd, atomic_load(&worker->next_ns), events, EVENTS);
}

static void *work(void *argument)
{
    ql_worker *worker = argument;
    struct epoll_event events[EVENTS];
    /* The default slack of 50 us would move every deadline by that much. */
    prctl(PR_SET_TIMERSLACK, 1ul);
    for (;;) {
        int ready = wait_for_ports(worker, events);
        if (ready < 0 && errno != EINTR)
            return NULL;
        for (int i = 0; i < ready; i++) {
            uint64_t count;
            if (events[i].data.u64 == STOP)
                return NULL;
            if (events[i].data.u64 != WAKE)
                serve(worker, (uint32_t)events[i].data.u64);
            else if (read(worker->wake_fd, &count, sizeof count) < 0)
                continue;    /* nothing to do but to look at the deadlines */
            release(worker); /* what is due does not wait for all ports that are ready */
        }
        while (release(worker))
            ;
    }
}

static int watch(const ql_worker *worker, int fd, uint64_t what)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = what};
    return epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static void close_all(const ql_worker *worker)
{
    if (worker->wake_fd >= 0)
        close(worker->wake_fd);
    if (worker->epoll_fd >= 0)
        close(worker->epoll_fd);
}

int ql_worker_start(ql_worker *worker, int notify_fd, int stop_fd, int busy_poll)
{
    worker->notify_fd = notify_fd;
    worker->stop_fd = stop_fd;
    worker->busy_poll = busy_poll;
    atomic_init(&worker->next_ns, UINT64_MAX);
    pthread_mutex_init(&worker->gate, NULL);
    pthread_mutex_init(&worker->lock, NULL);
    worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    worker->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int failed = worker->epoll_fd < 0 || worker->wake_fd < 0 || !ql_can_sleep(worker->epoll_fd) ||
                 watch(worker, stop_fd, STOP) < 0 || watch(worker, worker->wake_fd, WAKE) < 0;
    if (!failed) {
        int error = pthread_create(&worker->thread, NULL, work, worker);
        failed = error != 0;
        if (failed)
            errno = error;
    }
    if (failed)
        close_all(worker);
    return failed ? -1 : 0;
}

void ql_worker_finish(ql_worker *worker)
{
    pthread_join(worker->thread, NULL);
    for (uint32_t slot = 0; slot < worker->slots; slot++)
        ql_wire_free(worker->wires[slot]);
    free(worker->wires);
    free(worker->deadlines.wires);
    ql_scratch_clear(&worker->scratch);
    ql_block_pool_clear(&worker->blocks);
    close_all(worker);
}

/* A free slot, or -1. */
static int free_slot(ql_worker *worker)
{
    for (uint32_t slot = 0; slot < worker->slots; slot++)
        if (worker->wires[slot] == NULL)
            return (int)slot;
    uint32_t slots = worker->slots > 0 ? worker->slots * 2 : FIRST_SLOTS;
    ql_wire **wires = realloc(worker->wires, slots * sizeof *wires);
    if (wires == NULL)
        return -1;
    worker->wires = wires;
    for (uint32_t slot = worker->slots; slot < slots; slot++)
        wires[slot] = NULL;
    if (ql_deadlines_reserve(&worker->deadlines, slots) < 0)
        return -1;
    int first = (int)worker->slots;
    worker->slots = slots;
    return first;
}

int ql_worker_add(ql_worker *worker, ql_wire *wire)
{
    if (ql_scratch_reserve(&worker->scratch, wire->config.frame_octets) < 0)
        return -1;
    int slot = free_slot(worker);
    if (slot < 0 || watch(worker, wire->config.sending->fd, (uint64_t)slot) < 0)
        return -1;
    worker->wires[slot] = wire;
    return slot;
}

void ql_worker_remove(ql_worker *worker, uint32_t slot)
{
    ql_wire *wire = worker->wires[slot];
    ql_wire_drain(wire, &worker->scratch, LAST_BURSTS);
    worker->wires[slot] = NULL;
    set_deadline(worker, wire, UINT64_MAX);
    epoll_ctl(worker->epoll_fd, EPOLL_CTL_DEL, wire->config.sending->fd, NULL);
    ql_wire_free(wire); /* here, because its blocks go back to the worker's pool */
}
