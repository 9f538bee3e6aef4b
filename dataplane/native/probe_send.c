/* Native probe sender: an open-loop schedule over many UDP sockets. */
#include <errno.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "histogram.h"
#include "probe_clock.h"
#include "probe_packet.h"

uint64_t ql_probe_deadline_ns(const ql_probe_sender *sender, uint64_t number)
{
    uint64_t rate = sender->packets_per_s;
    return number / rate * QL_NS_PER_S + number % rate * QL_NS_PER_S / rate;
}

uint64_t ql_probe_due(ql_probe_sender *sender, uint64_t number, uint64_t elapsed_ns)
{
    uint64_t most = sender->packets - number < QL_PROBE_BATCH ? sender->packets - number : QL_PROBE_BATCH;
    uint64_t count = 0, late_ns;
    do {
        late_ns = elapsed_ns - ql_probe_deadline_ns(sender, number + count);
        ql_histogram_count(sender->lateness, late_ns);
        if (late_ns > sender->counters->max_lateness_ns)
            ql_store(&sender->counters->max_lateness_ns, late_ns);
        count += sender->train;
    } while (sender->flow_count == 1 && count + sender->train <= most &&
             ql_probe_deadline_ns(sender, number + count) <= elapsed_ns);
    return count < most ? count : most;
}

void ql_probe_write(ql_probe_sender *sender, uint64_t number, uint8_t *packet, uint64_t tx_ns)
{
    uint64_t train = number / sender->train;
    ql_probe_header header = {
        .magic = sender->magic,
        .flow = (uint16_t)sender->flows[train % sender->flow_count],
        .sequence = (uint32_t)(train / sender->flow_count * sender->train + number % sender->train),
        .tx_ns = tx_ns,
    };
    ql_probe_header_write(packet, &header);
    if (sender->sent != NULL)
        sender->sent[number] = (ql_probe_sent){header.flow, header.sequence, (int64_t)tx_ns};
}

/* What the kernel refuses is counted, and the rest goes on. */
static void hand_over(ql_probe_sender *sender, int socket, uint64_t count)
{
    struct mmsghdr messages[QL_PROBE_BATCH] = {0};
    struct iovec vectors[QL_PROBE_BATCH];
    uint32_t ready = 0;
    for (uint64_t from = 0; from < count; from += sender->segments, ready++) {
        uint64_t packets = count - from < sender->segments ? count - from : sender->segments;
        vectors[ready] =
            (struct iovec){sender->packet + from * sender->packet_octets, packets * sender->packet_octets};
        messages[ready].msg_hdr.msg_iov = &vectors[ready];
        messages[ready].msg_hdr.msg_iovlen = 1;
    }
    for (uint32_t done = 0; done < ready;) {
        int taken = sendmmsg(socket, messages + done, ready - done, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (taken > 0) {
            done += (uint32_t)taken;
            continue;
        }
        int reason = errno < QL_PROBE_ERRNO_COUNT ? errno : 0;
        ql_add(&sender->counters->send_errors[reason], vectors[done].iov_len / sender->packet_octets);
        done++;
    }
}

static void follow_schedule(ql_probe_sender *sender)
{
    ql_probe_sender_counters *counters = sender->counters;
    uint64_t begin_ns = ql_now_ns();
    ql_store(&counters->begin_ns, begin_ns);
    for (uint64_t number = 0; number < sender->packets;) {
        uint64_t tx_ns =
            ql_wait_until(begin_ns + ql_probe_deadline_ns(sender, number), sender->spin, &counters->stop);
        if (tx_ns == 0)
            return;
        uint64_t count = ql_probe_due(sender, number, tx_ns - begin_ns);
        for (uint64_t i = 0; i < count; i++)
            ql_probe_write(sender, number + i, sender->packet + i * sender->packet_octets, tx_ns);
        /* Counted before they leave: whoever sees one received also sees it sent. */
        ql_store(&counters->last_tx_ns, tx_ns);
        ql_store(&counters->sent_count, number + count);
        hand_over(sender, sender->sockets[number / sender->train % sender->flow_count], count);
        number += count;
    }
}

void ql_probe_send(ql_probe_sender *sender)
{
    uint64_t before_ns = ql_cpu_ns();
    /* The default slack of 50 us would move every send by that much. */
    prctl(PR_SET_TIMERSLACK, 1ul);
    follow_schedule(sender);
    ql_store(&sender->counters->cpu_ns, ql_cpu_ns() - before_ns);
}

void ql_probe_stop(ql_probe_sender_counters *counters)
{
    ql_store(&counters->stop, 1);
}

uint64_t ql_probe_count(const uint64_t *counter)
{
    return ql_load(counter);
}
