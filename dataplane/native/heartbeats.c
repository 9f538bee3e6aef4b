/* The thread of all heartbeats: sends what is due, reads what came, and only then calls silence silence. */
#include "heartbeats.h"

#include "sleep.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

enum { READY = 64, LAST_PACKETS = 64 };
/* Later than this wakes only who shares a busy machine, or a machine that stood still: it may have missed
   what others could not send either. */
static const uint64_t STALL_NS = 1000000;

/* Xorshift (Marsaglia, 2003): jitter needs no more. */
static uint64_t draw(ql_heartbeats *heartbeats)
{
    uint64_t chance = heartbeats->chance;
    chance ^= chance << 13;
    chance ^= chance >> 7;
    chance ^= chance << 17;
    return heartbeats->chance = chance;
}

/* Tells the owner of a packet, or of silence where it has no octets. */
static void tell(ql_heartbeats *heartbeats, uint32_t id, ql_heartbeat_event *event, uint64_t now_ns)
{
    ql_beat *beat = heartbeats->beats[id];
    event->id = id;
    event->t_ns = now_ns;
    event->heard_ns = beat->set.heard_ns;
    ql_beat_tell(beat, event);
    ql_add_one(heartbeats->event_fd);
}

static int hop_limit(struct msghdr *message)
{
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part != NULL; part = CMSG_NXTHDR(message, part))
        if ((part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_TTL) ||
            (part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_HOPLIMIT)) {
            int value;
            memcpy(&value, CMSG_DATA(part), sizeof value);
            return value;
        }
    return -1;
}

static void put_source(ql_heartbeat_event *event, const struct sockaddr_storage *source)
{
    if (source->ss_family == AF_INET) {
        event->source_octets = 4;
        memcpy(event->source, &((const struct sockaddr_in *)source)->sin_addr, 4);
    } else {
        event->source_octets = 16;
        memcpy(event->source, &((const struct sockaddr_in6 *)source)->sin6_addr, 16);
    }
}

/* Reads one packet; whether there was one. */
static int read_one(ql_heartbeats *heartbeats, uint32_t id, uint64_t now_ns)
{
    ql_beat *beat = heartbeats->beats[id];
    ql_heartbeat_event event = {0};
    struct sockaddr_storage source;
    _Alignas(struct cmsghdr) uint8_t control[64];
    struct iovec vector = {event.packet, sizeof event.packet};
    struct msghdr message = {.msg_name = &source,
                             .msg_namelen = sizeof source,
                             .msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    ssize_t octets = recvmsg(beat->receiving_socket, &message, MSG_DONTWAIT);
    if (octets < 0)
        return errno == EINTR;
    event.octets = (uint32_t)octets;
    if (octets > 0 && hop_limit(&message) == QL_HEARTBEAT_HOP_LIMIT &&
        ql_beat_hear(beat, event.packet, event.octets, now_ns)) {
        put_source(&event, &source);
        tell(heartbeats, id, &event, now_ns);
    }
    return 1;
}

static void send_packet(const ql_beat *beat)
{
    const int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    ssize_t sent = send(beat->sending_socket, beat->set.packet, beat->set.packet_octets, flags);
    if (sent < 0 && errno == ECONNREFUSED) /* an answer to an earlier packet, told in the place of sending */
        send(beat->sending_socket, beat->set.packet, beat->set.packet_octets, flags);
}

static void do_what_is_due(ql_heartbeats *heartbeats, uint32_t id, uint64_t now_ns)
{
    ql_beat *beat = heartbeats->beats[id];
    if (beat->send_ns <= now_ns) {
        send_packet(beat);
        ql_beat_sent(beat, now_ns, draw(heartbeats));
    }
    /* What waits in the socket was said, however late it is read. */
    for (int i = 0; i < LAST_PACKETS && ql_beat_is_silent(beat, now_ns); i++)
        if (!read_one(heartbeats, id, now_ns))
            break;
    if (ql_beat_is_silent(beat, now_ns)) {
        ql_heartbeat_event silence = {0};
        beat->silence_ns = UINT64_MAX;
        tell(heartbeats, id, &silence, now_ns);
    }
}

/* Time in which the thread could not look is nobody's silence. */
static void forgive(ql_heartbeats *heartbeats, uint64_t late_ns)
{
    for (uint32_t id = 0; id < heartbeats->slots; id++)
        if (heartbeats->beats[id] != NULL)
            ql_beat_forgive(heartbeats->beats[id], late_ns);
}

static void read_ready(ql_heartbeats *heartbeats, const struct epoll_event *events, int ready,
                       uint64_t now_ns)
{
    for (int i = 0; i < ready; i++) {
        uint64_t id = events[i].data.u64, count;
        if (id == QL_HEARTBEATS_WAKE) {
            if (read(heartbeats->wake_fd, &count, sizeof count) < 0)
                continue;                           /* nothing to do but to look at the time */
        } else if (heartbeats->beats[id] != NULL) { /* else it was removed meanwhile */
            read_one(heartbeats, (uint32_t)id, now_ns);
            ql_heartbeats_refresh(heartbeats, (uint32_t)id);
        }
    }
}

/* Does all that is due; when the thread is to look again. */
static uint64_t catch_up(ql_heartbeats *heartbeats, uint64_t now_ns)
{
    uint64_t wake_ns = UINT64_MAX;
    for (uint32_t id = 0; id < heartbeats->slots; id++) {
        if (heartbeats->due_ns[id] <= now_ns) {
            do_what_is_due(heartbeats, id, now_ns);
            ql_heartbeats_refresh(heartbeats, id);
        }
        if (heartbeats->due_ns[id] < wake_ns)
            wake_ns = heartbeats->due_ns[id];
    }
    return wake_ns;
}

void *ql_heartbeats_work(void *argument)
{
    ql_heartbeats *heartbeats = argument;
    struct epoll_event events[READY];
    uint64_t wake_ns = UINT64_MAX;
    while (!atomic_load(&heartbeats->stopping)) {
        int ready = ql_sleep_until(heartbeats->epoll_fd, wake_ns, events, READY);
        if (ready < 0 && errno != EINTR)
            return NULL;
        pthread_mutex_lock(&heartbeats->lock);
        uint64_t now_ns = ql_now_ns();
        if (now_ns > wake_ns && now_ns - wake_ns > STALL_NS)
            forgive(heartbeats, now_ns - wake_ns);
        read_ready(heartbeats, events, ready, now_ns);
        heartbeats->wake_ns = wake_ns = catch_up(heartbeats, now_ns);
        pthread_mutex_unlock(&heartbeats->lock);
    }
    return NULL;
}
