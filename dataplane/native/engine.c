/* Wires and the workers that carry their frames. A wire belongs to one worker from its making to its end, so
   frames of one direction keep their order and their packet numbers. */
#include "worker.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct ql_engine {
    uint32_t worker_count;
    int event_fd;
    int stop_fd;
    uint32_t next_worker;
    ql_worker workers[];
};

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

ql_engine *ql_engine_new(uint32_t workers, int busy_poll)
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
        ql_worker *worker = &engine->workers[engine->worker_count];
        failed = ql_worker_start(worker, engine->event_fd, engine->stop_fd, busy_poll) < 0;
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
        ql_worker_finish(&engine->workers[i]);
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

int ql_engine_add_wire(ql_engine *engine, const ql_wire_config *config)
{
    uint32_t index = engine->next_worker++ % engine->worker_count;
    ql_worker *worker = &engine->workers[index];
    ql_wire *wire = ql_wire_new(config, &worker->blocks);
    if (wire == NULL)
        return -1;
    ql_worker_lock(worker);
    int slot = ql_worker_add(worker, wire);
    int id = slot < 0 ? -1 : (int)wire_id(engine, index, (uint32_t)slot);
    wire->id = (uint32_t)id;
    ql_worker_unlock(worker);
    if (slot < 0)
        ql_wire_free(wire);
    return id;
}

/* Finds a wire and takes its worker's lock; NULL, unlocked, with errno set where there is none. */
static ql_wire *find_and_lock(ql_engine *engine, uint32_t id)
{
    ql_worker_lock(worker_of(engine, id));
    ql_wire *wire = find(engine, id);
    if (wire == NULL) {
        ql_worker_unlock(worker_of(engine, id));
        errno = ENOENT;
    }
    return wire;
}

int ql_engine_remove_wire(ql_engine *engine, uint32_t id)
{
    if (find_and_lock(engine, id) == NULL)
        return -1;
    ql_worker_remove(worker_of(engine, id), id / engine->worker_count);
    ql_worker_unlock(worker_of(engine, id));
    return 0;
}

int ql_engine_block_wire(ql_engine *engine, uint32_t id, int blocked)
{
    ql_wire *wire = find_and_lock(engine, id);
    if (wire == NULL)
        return -1;
    atomic_store(&wire->blocked, blocked != 0);
    ql_worker_unlock(worker_of(engine, id));
    return 0;
}

int ql_engine_impair_wire(ql_engine *engine, uint32_t id, const ql_impairment *impairment)
{
    ql_wire *wire = find_and_lock(engine, id);
    if (wire == NULL)
        return -1;
    ql_line_impair(&wire->line, impairment);
    ql_worker_unlock(worker_of(engine, id));
    return 0;
}

int ql_engine_port_gone(ql_engine *engine, uint32_t id)
{
    ql_wire *wire = find_and_lock(engine, id);
    if (wire == NULL)
        return -1;
    int gone = atomic_load(&wire->port_gone);
    ql_worker_unlock(worker_of(engine, id));
    return gone;
}

int ql_engine_flip_bit(ql_engine *engine, uint32_t id, uint32_t bit, uint32_t frames)
{
    ql_wire *wire = find_and_lock(engine, id);
    if (wire == NULL)
        return -1;
    wire->flip_bit = bit;
    wire->flip_frames = frames;
    ql_worker_unlock(worker_of(engine, id));
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
        ql_worker_reschedule(worker, wire);
        ql_worker_unlock(worker);
        if (!fits)
            return -1;
        lengths += burst;
        count -= burst;
    }
    return 0;
}

int ql_engine_add_capture(ql_engine *engine, uint32_t id, ql_capture *capture)
{
    ql_wire *wire = find_and_lock(engine, id);
    if (wire == NULL)
        return -1;
    int result = ql_captures_add(&wire->line.captures, capture);
    ql_worker_unlock(worker_of(engine, id));
    return result;
}

int ql_engine_remove_capture(ql_engine *engine, uint32_t id, const ql_capture *capture)
{
    ql_wire *wire = find_and_lock(engine, id);
    if (wire == NULL)
        return -1;
    ql_captures_remove(&wire->line.captures, capture);
    ql_worker_unlock(worker_of(engine, id));
    return 0;
}
