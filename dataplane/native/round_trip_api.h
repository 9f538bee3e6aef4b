#pragma once
#include <stdint.h>

/* Round trips of single datagrams between two sockets of this machine that are connected to each other: what
   an idle path costs. One is under way at a time. Times are CLOCK_MONOTONIC in nanoseconds. */

typedef struct {
    int near;               /* asks */
    int far;                /* answers */
    uint64_t packet_octets; /* 8, of its number, to 65507 */
    uint64_t round_trips;   /* so many, then an end */
    uint64_t interval_ns;   /* from the start of one to the start of the next, at least */
    uint64_t limit_ns;      /* what takes longer is lost */
    uint64_t *histogram;    /* of the time there and back */
    uint64_t *lost;         /* how many did not end in time, or could not be sent */
    uint64_t *stop;         /* set to end early; by the one who asked when all are done */
} ql_round_trip;

/* Asks and answers in one thread that never sleeps: nobody has to be woken up at either end. */
void ql_round_trip_spin(ql_round_trip *);
/* Asks, asleep until the answer is there; ql_round_trip_answer is to run in another thread. */
void ql_round_trip_ask(ql_round_trip *);
/* Answers, asleep between two requests, until `stop` is set. */
void ql_round_trip_answer(ql_round_trip *);
