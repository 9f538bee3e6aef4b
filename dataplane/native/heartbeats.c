/* The thread of all heartbeats: it sends what is due, reads what came, and only then calls silence silence.
 */
#include "heartbeats.h"

#include "clock.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { READY = 64, LAST_PACKETS = 64 };
/* Later than this wakes only who shares a busy machine, or a machine that stood still: it may have missed
   what others could not send either. */
static const uint64_t STALL_NS = 1000000;
static const uint64_t AGAIN_NS = 1000000; /* until it is tried again to tell what there was no room for */

/* Xorshift (Marsaglia, 2003): jitter needs no more. */
static uint64_t draw(ql_heartbeats *heartbeats)
{
    uint64_t chance = heartbeats->chance;
    chance ^= chance << 13;
    chance ^= chance >> 7;
    chance ^= chance << 17;
    return heartbeats->chance = chance;
}

/* Room for one more event of a heartbeat, or NULL. */
static ql_heartbeat_event *new_event(ql_heartbeats *heartbeats, uint32_t id, uint64_t now_ns)
{
    if (heartbeats->event_count == QL_HEARTBEAT_EVENTS)
        return NULL;
    uint32_t place = (heartbeats->first_event + heartbeats->event_count++) % QL_HEARTBEAT_EVENTS;
    ql_heartbeat_event *event = &heartbeats->events[place];
    memset(event, 0, sizeof *event);
    event->id = id;
    event->t_ns = now_ns;
    event->heard_ns = heartbeats->beats[id]->set.heard_ns;
    ql_add_one(heartbeats->event_fd);
    return event;
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

/* The newest event of a heartbeat that its owner has not taken yet, or NULL. */
static ql_heartbeat_event *newest_event(ql_heartbeats *heartbeats, uint32_t id)
{
    for (uint32_t i = heartbeats->event_count; i > 0; i--) {
        ql_heartbeat_event *event =
            &heartbeats->events[(heartbeats->first_event + i - 1) % QL_HEARTBEAT_EVENTS];
        if (event->id == id)
            return event;
    }
    return NULL;
}

static void tell_of_packet(ql_heartbeats *heartbeats, uint32_t id, const struct sockaddr_storage *source,
                           const uint8_t *packet, uint32_t octets, uint64_t now_ns)
{
    ql_heartbeat_event told = {.id = id, .octets = octets};
    memcpy(told.packet, packet, octets);
    if (source->ss_family == AF_INET) {
        told.source_octets = 4;
        memcpy(told.source, &((const struct sockaddr_in *)source)->sin_addr, 4);
    } else {
        told.source_octets = 16;
        memcpy(told.source, &((const struct sockaddr_in6 *)source)->sin6_addr, 16);
    }
    /* An owner who is late is told of a packet once, however often it came. */
    ql_heartbeat_event *event = newest_event(heartbeats, id);
    if (event == NULL || event->octets != octets || memcmp(event->packet, packet, octets) != 0 ||
        memcmp(event->source, told.source, sizeof told.source) != 0)
        event = new_event(heartbeats, id, now_ns);
    if (event == NULL)
        return;
    told.t_ns = now_ns;
    told.heard_ns = heartbeats->beats[id]->set.heard_ns;
    *event = told;
}

/* Reads one packet; whether there was one. */
static int read_one(ql_heartbeats *heartbeats, uint32_t id, uint64_t now_ns)
{
    ql_beat *beat = heartbeats->beats[id];
    uint8_t packet[QL_HEARTBEAT_OCTETS];
    struct sockaddr_storage source;
    _Alignas(struct cmsghdr) uint8_t control[64];
    struct iovec vector = {packet, sizeof packet};
    struct msghdr message = {.msg_name = &source,
                             .msg_namelen = sizeof source,
                             .msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    ssize_t octets = recvmsg(beat->receiving_socket, &message, MSG_DONTWAIT);
    if (octets < 0)
        return errno == EINTR;
    if (octets > 0 && hop_limit(&message) == QL_HEARTBEAT_HOP_LIMIT &&
        ql_beat_hear(beat, packet, (uint32_t)octets, now_ns))
        tell_of_packet(heartbeats, id, &source, packet, (uint32_t)octets, now_ns);
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
    for (int i = 0; i < LAST_PACKETS && beat->silence_ns <= now_ns && read_one(heartbeats, id, now_ns); i++)
        ;
    if (beat->silence_ns <= now_ns)
        beat->silence_ns = new_event(heartbeats, id, now_ns) != NULL ? UINT64_MAX : now_ns + AGAIN_NS;
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
        } else if (heartbeats->beats[id] != NULL) { /* else it was removed between the wait and the lock */
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

static int wait_until(const ql_heartbeats *heartbeats, uint64_t wake_ns, struct epoll_event *events)
{
    uint64_t now_ns = ql_now_ns();
    if (wake_ns == UINT64_MAX)
        return epoll_wait(heartbeats->epoll_fd, events, READY, -1);
    uint64_t wait_ns = wake_ns > now_ns ? wake_ns - now_ns : 0;
    struct timespec timeout = {(time_t)(wait_ns / QL_NS_PER_S), (long)(wait_ns % QL_NS_PER_S)};
    return epoll_pwait2(heartbeats->epoll_fd, events, READY, &timeout, NULL);
}

void *ql_heartbeats_work(void *argument)
{
    ql_heartbeats *heartbeats = argument;
    struct epoll_event events[READY];
    uint64_t wake_ns = UINT64_MAX;
    while (!atomic_load(&heartbeats->stopping)) {
        int ready = wait_until(heartbeats, wake_ns, events);
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
