/* Round trips over an idle path, between endpoints that sleep or that spin. */
#include "round_trip_api.h"

#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "histogram.h"
#include "probe_clock.h"

enum { MAX_OCTETS = 65507 };

static int send_number(const ql_round_trip *trip, int socket, uint64_t number)
{
    static const uint8_t padding[MAX_OCTETS];
    struct iovec parts[2] = {{&number, sizeof number},
                             {(void *)padding, trip->packet_octets - sizeof number}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    return sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

/* A blocking receive ends after so long, too. */
static void limit_receive(int socket, uint64_t limit_ns)
{
    struct timeval limit = {(time_t)(limit_ns / QL_NS_PER_S), (long)(limit_ns % QL_NS_PER_S / 1000)};
    setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
}

/* Reads until the number comes, whatever older ones come first, or until the time. Whether it came. */
static int await_number(int socket, uint64_t number, uint64_t until_ns, int spin)
{
    do {
        uint64_t got;
        ssize_t octets = recv(socket, &got, sizeof got, spin ? MSG_DONTWAIT : 0);
        if (octets == sizeof got && got == number)
            return 1;
        if (octets < 0 && !spin)
            return 0;
    } while (ql_now_ns() < until_ns);
    return 0;
}

static int go_round(const ql_round_trip *trip, uint64_t number, uint64_t until_ns, int spin)
{
    if (!send_number(trip, trip->near, number))
        return 0;
    if (spin && !(await_number(trip->far, number, until_ns, 1) && send_number(trip, trip->far, number)))
        return 0;
    return await_number(trip->near, number, until_ns, spin);
}

static void run(ql_round_trip *trip, int spin)
{
    prctl(PR_SET_TIMERSLACK, 1ul); /* the default of 50 us would be in every interval */
    uint64_t deadline_ns = ql_now_ns();
    for (uint64_t number = 1; number <= trip->round_trips; number++) {
        uint64_t begin_ns = ql_wait_until(deadline_ns, spin, trip->stop);
        if (begin_ns == 0)
            return;
        if (go_round(trip, number, begin_ns + trip->limit_ns, spin))
            ql_histogram_count(trip->histogram, ql_now_ns() - begin_ns);
        else
            ql_add(trip->lost, 1);
        deadline_ns = begin_ns + trip->interval_ns;
    }
}

void ql_round_trip_spin(ql_round_trip *trip)
{
    run(trip, 1);
}

void ql_round_trip_ask(ql_round_trip *trip)
{
    limit_receive(trip->near, trip->limit_ns);
    run(trip, 0);
    ql_store(trip->stop, 1);
}

void ql_round_trip_answer(ql_round_trip *trip)
{
    limit_receive(trip->far, QL_STOP_CHECK_NS);
    while (!ql_load(trip->stop)) {
        uint64_t number;
        if (recv(trip->far, &number, sizeof number, 0) == sizeof number)
            send_number(trip, trip->far, number);
    }
}
