/* A thread that carries frames along its wires: when a port has some, and when frames on a wire are due. */
#pragma once
#include "deadlines.h"

#include <pthread.h>

typedef struct {
    int notify_fd; /* told when something happened that the engine's owner must look at */
    int stop_fd;   /* readable when the thread is to end */
    int wake_fd;   /* readable when a deadline came that is earlier than the one it sleeps for */
    int epoll_fd;
    int busy_poll;            /* whether it never sleeps */
    _Atomic uint64_t next_ns; /* the earliest deadline */
    pthread_t thread;
    /* `lock` guards everything below. Whoever waits for it holds `gate`, so a busy worker cannot take the
       lock again and again before the one who waits. */
    pthread_mutex_t gate;
    pthread_mutex_t lock;
    ql_wire **wires; /* NULL where a slot is free */
    uint32_t slots;
    ql_deadlines deadlines;
    ql_scratch scratch;
    ql_block_pool blocks;
} ql_worker;

/* Starts the thread; -1 with errno set. */
int ql_worker_start(ql_worker *worker, int notify_fd, int stop_fd, int busy_poll);

/* Waits for the thread, which was told to stop, and frees what it had. */
void ql_worker_finish(ql_worker *worker);

void ql_worker_lock(ql_worker *worker);
void ql_worker_unlock(ql_worker *worker);

/* The rest is called with the lock held. */

/* Takes the wire, carries its frames from now on and returns its slot; -1 with errno set. */
int ql_worker_add(ql_worker *worker, ql_wire *wire);

/* Frees the wire in that slot, after carrying what its sending port holds. */
void ql_worker_remove(ql_worker *worker, uint32_t slot);

/* Looks again at when the wire is due: whoever put frames on it calls this. */
void ql_worker_reschedule(ql_worker *worker, ql_wire *wire);
