/* Worker threads that carry frames along wires. A wire belongs to one worker from its making to its end, so
   frames of one direction keep their order and their packet numbers. */
#include "wire.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* LAST_BURSTS hold what a TAP device queues at most, its tx_queue_len of 1000 frames. */
enum { EVENTS = 64, LAST_BURSTS = 16 };
static const uint64_t STOP = UINT64_MAX;

typedef struct {
    ql_engine *engine;
    pthread_t thread;
    int epoll_fd;
    /* `lock` guards everything below. Whoever waits for it holds `gate`, so a busy worker cannot take the
       lock again and again before the one who waits. */
    pthread_mutex_t gate;
    pthread_mutex_t lock;
    ql_wire **wires; /* NULL where a slot is free */
    uint32_t slots;
    ql_scratch scratch;
    ql_block_pool blocks;
} ql_worker;

struct ql_engine {
    uint32_t worker_count;
    int event_fd;
    int stop_fd;
    uint32_t next_worker;
    ql_worker workers[];
};

static void worker_lock(ql_worker *worker)
{
    pthread_mutex_lock(&worker->gate);
    pthread_mutex_lock(&worker->lock);
    pthread_mutex_unlock(&worker->gate);
}

static void worker_unlock(ql_worker *worker)
{
    pthread_mutex_unlock(&worker->lock);
}

/* A wire's id names its worker and its slot there. */
static uint32_t wire_id(const ql_engine *engine, uint32_t worker, uint32_t slot)
{
    return slot * engine->worker_count + worker;
}

static ql_worker *worker_of(ql_engine *engine, uint32_t id)
{
    return &engine->workers[id % engine->worker_count];
}

/* The wire with that id, or NULL; the worker's lock is held. */
static ql_wire *find(ql_engine *engine, uint32_t id)
{
    ql_worker *worker = worker_of(engine, id);
    uint32_t slot = id / engine->worker_count;
    return slot < worker->slots ? worker->wires[slot] : NULL;
}

static void notify(ql_engine *engine)
{
    uint64_t one = 1;
    ssize_t written = write(engine->event_fd, &one, sizeof one);
    (void)written; /* fails only when the counter is full: then the reader is told already */
}

static void serve(ql_worker *worker, uint32_t id)
{
    ql_wire *wire = find(worker->engine, id);
    if (wire == NULL)
        return; /* removed between the wait and the lock */
    if (!ql_wire_run(wire, &worker->scratch))
        return;
    if (atomic_load(&wire->port_gone))
        epoll_ctl(worker->epoll_fd, EPOLL_CTL_DEL, wire->config.sending->fd, NULL);
    notify(worker->engine);
}

static void *work(void *argument)
{
    ql_worker *worker = argument;
    struct epoll_event events[EVENTS];
    for (;;) {
        int ready = epoll_wait(worker->epoll_fd, events, EVENTS, -1);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready < 0)
            return NULL;
        for (int i = 0; i < ready; i++) {
            if (events[i].data.u64 == STOP)
                return NULL;
            worker_lock(worker); /* for one burst, so that a fault takes effect within it */
            serve(worker, (uint32_t)events[i].data.u64);
            worker_unlock(worker);
        }
    }
}

static int worker_start(ql_engine *engine, ql_worker *worker)
{
    worker->engine = engine;
    pthread_mutex_init(&worker->gate, NULL);
    pthread_mutex_init(&worker->lock, NULL);
    worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (worker->epoll_fd < 0)
        return -1;
    struct epoll_event stop = {.events = EPOLLIN, .data.u64 = STOP};
    int failed = epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, engine->stop_fd, &stop) < 0;
    if (!failed) {
        int error = pthread_create(&worker->thread, NULL, work, worker);
        failed = error != 0;
        if (failed)
            errno = error;
    }
    if (failed)
        close(worker->epoll_fd);
    return failed ? -1 : 0;
}

static void worker_finish(ql_worker *worker)
{
    pthread_join(worker->thread, NULL);
    for (uint32_t slot = 0; slot < worker->slots; slot++) {
        if (worker->wires[slot] != NULL)
            ql_line_clear(&worker->wires[slot]->line);
        free(worker->wires[slot]);
    }
    ql_block_pool_clear(&worker->blocks);
    free(worker->wires);
    free(worker->scratch.burst.arena);
    close(worker->epoll_fd);
}

ql_engine *ql_engine_new(uint32_t workers)
{
    if (workers == 0) {
        errno = EINVAL;
        return NULL;
    }
    ql_engine *engine = calloc(1, sizeof *engine + workers * sizeof engine->workers[0]);
    if (engine == NULL)
        return NULL;
    engine->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    engine->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int failed = engine->event_fd < 0 || engine->stop_fd < 0;
    while (!failed && engine->worker_count < workers) {
        failed = worker_start(engine, &engine->workers[engine->worker_count]) < 0;
        if (!failed)
            engine->worker_count++;
    }
    if (failed) {
        int error = errno;
        ql_engine_free(engine);
        errno = error;
        return NULL;
    }
    return engine;
}

void ql_engine_free(ql_engine *engine)
{
    if (engine == NULL)
        return;
    uint64_t one = 1;
    ssize_t written = write(engine->stop_fd, &one, sizeof one);
    (void)written; /* an eventfd that counts 0 takes it */
    for (uint32_t i = 0; i < engine->worker_count; i++)
        worker_finish(&engine->workers[i]);
    if (engine->stop_fd >= 0)
        close(engine->stop_fd);
    if (engine->event_fd >= 0)
        close(engine->event_fd);
    free(engine);
}

int ql_engine_event_fd(const ql_engine *engine)
{
    return engine->event_fd;
}

/* A free slot of the worker, or -1; its lock is held. */
static int free_slot(ql_worker *worker)
{
    for (uint32_t slot = 0; slot < worker->slots; slot++)
        if (worker->wires[slot] == NULL)
            return (int)slot;
    uint32_t slots = worker->slots ? worker->slots * 2 : 8;
    ql_wire **wires = realloc(worker->wires, slots * sizeof *wires);
    if (wires == NULL)
        return -1;
    for (uint32_t slot = worker->slots; slot < slots; slot++)
        wires[slot] = NULL;
    int first = (int)worker->slots;
    worker->wires = wires;
    worker->slots = slots;
    return first;
}

int ql_engine_add_wire(ql_engine *engine, const ql_wire_config *config)
{
    uint32_t index = engine->next_worker++ % engine->worker_count;
    ql_worker *worker = &engine->workers[index];
    ql_wire *wire = calloc(1, sizeof *wire);
    if (wire == NULL)
        return -1;
    wire->config = *config;
    ql_line_init(&wire->line, config->seed, &worker->blocks, config->counters);
    wire->transmitting = config->transmit == NULL || ql_secy_operational(config->transmit);
    worker_lock(worker);
    int slot = ql_burst_reserve(&worker->scratch.burst, config->frame_octets) == 0 ? free_slot(worker) : -1;
    if (slot >= 0) {
        wire->id = wire_id(engine, index, (uint32_t)slot);
        struct epoll_event event = {.events = EPOLLIN, .data.u64 = wire->id};
        if (epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, config->sending->fd, &event) < 0)
            slot = -1;
    }
    if (slot >= 0)
        worker->wires[slot] = wire;
    worker_unlock(worker);
    if (slot < 0) {
        free(wire);
        return -1;
    }
    return (int)wire->id;
}

/* Carries what waits in the sending port; the worker's lock is held. */
static void carry_rest(ql_worker *worker, ql_wire *wire)
{
    const uint64_t *taken = &wire->config.counters[QL_WIRE_TX_FRAMES];
    for (int i = 0; i < LAST_BURSTS; i++) {
        uint64_t before = *taken;
        ql_wire_run(wire, &worker->scratch);
        if (*taken == before)
            return;
    }
}

int ql_engine_remove_wire(ql_engine *engine, uint32_t id)
{
    ql_worker *worker = worker_of(engine, id);
    worker_lock(worker);
    ql_wire *wire = find(engine, id);
    if (wire != NULL) {
        carry_rest(worker, wire);
        ql_line_clear(&wire->line);
        worker->wires[id / engine->worker_count] = NULL;
        epoll_ctl(worker->epoll_fd, EPOLL_CTL_DEL, wire->config.sending->fd, NULL);
    }
    worker_unlock(worker);
    if (wire == NULL) {
        errno = ENOENT;
        return -1;
    }
    free(wire);
    return 0;
}

/* Finds a wire and takes its worker's lock; NULL, unlocked, with errno set where there is none. */
static ql_wire *find_and_lock(ql_engine *engine, uint32_t id)
{
    worker_lock(worker_of(engine, id));
    ql_wire *wire = find(engine, id);
    if (wire == NULL) {
        worker_unlock(worker_of(engine, id));
        errno = ENOENT;
    }
    return wire;
}

int ql_engine_block_wire(ql_engine *engine, uint32_t id, int blocked)
{
    ql_wire *wire = find_and_lock(engine, id);
    if (wire == NULL)
        return -1;
    atomic_store(&wire->blocked, blocked != 0);
    worker_unlock(worker_of(engine, id));
    return 0;
}

int ql_engine_impair_wire(ql_engine *engine, uint32_t id, const ql_impairment *impairment)
{
    ql_wire *wire = find_and_lock(engine, id);
    if (wire == NULL)
        return -1;
    ql_line_impair(&wire->line, impairment);
    worker_unlock(worker_of(engine, id));
    return 0;
}

int ql_engine_port_gone(ql_engine *engine, uint32_t id)
{
    ql_wire *wire = find_and_lock(engine, id);
    if (wire == NULL)
        return -1;
    int gone = atomic_load(&wire->port_gone);
    worker_unlock(worker_of(engine, id));
    return gone;
}

int ql_engine_flip_bit(ql_engine *engine, uint32_t id, uint32_t bit, uint32_t frames)
{
    ql_wire *wire = find_and_lock(engine, id);
    if (wire == NULL)
        return -1;
    wire->flip_bit = bit;
    wire->flip_frames = frames;
    worker_unlock(worker_of(engine, id));
    return 0;
}

int ql_engine_inject(ql_engine *engine, uint32_t id, const uint8_t *frames, const uint32_t *lengths,
                     uint32_t count)
{
    while (count > 0) {
        uint32_t burst = count < QL_BURST ? count : QL_BURST;
        uint32_t longest = 0;
        for (uint32_t i = 0; i < burst; i++)
            longest = lengths[i] > longest ? lengths[i] : longest;
        ql_wire *wire = find_and_lock(engine, id);
        if (wire == NULL)
            return -1;
        ql_worker *worker = worker_of(engine, id);
        /* A wire frame may exceed a clear one by the SecTAG and the ICV. */
        int fits = ql_burst_reserve(&worker->scratch.burst, longest) == 0;
        if (fits)
            frames += ql_wire_inject(wire, &worker->scratch, frames, lengths, burst);
        worker_unlock(worker);
        if (!fits)
            return -1;
        lengths += burst;
        count -= burst;
    }
    return 0;
}

int ql_engine_set_capture(ql_engine *engine, uint32_t id, ql_capture *capture, uint32_t sides)
{
    ql_wire *wire = find_and_lock(engine, id);
    if (wire == NULL)
        return -1;
    wire->capture = capture;
    wire->capture_sides = sides;
    worker_unlock(worker_of(engine, id));
    return 0;
}
