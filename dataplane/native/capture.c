/* Rings of captured frames, in memory that the capturing process maps: a wire's worker writes without
   waiting, the other process reads. */
#include "capture.h"

#include "clock.h"
#include "count.h"
#include "sectag.h"
#include "wire_api.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What lies in front of a ring, each side's words on a cache line of their own. The octets between tail and
   head are whole records. */
typedef struct {
    uint64_t head; /* octets ever written */
    uint64_t ended;
    uint64_t dropped[4]; /* by point */
    uint64_t writer_alone[2];
    uint64_t tail; /* octets ever read */
    uint64_t reader_alone[15];
} ring_header;

_Static_assert(sizeof(ring_header) == QL_CAPTURE_HEADER_OCTETS, "the ring begins where the reader looks");
_Static_assert(sizeof(ql_capture_record) % 8 == 0, "records stay aligned");

struct ql_capture {
    ring_header *shared;
    uint8_t *ring;
    uint64_t size;
    uint64_t head; /* behind what is written, of which `shared` tells once it is whole */
    uint32_t snap_octets;
    uint32_t points;
    /* Of a burst in a SecY: what is known of each frame, and where its record will be, if it has room. */
    ql_capture_record record[QL_BURST];
    uint64_t at[QL_BURST];
};

static const uint64_t nowhere = UINT64_MAX;

static uint64_t padded(uint32_t octets)
{
    return ((uint64_t)octets + 7u) & ~(uint64_t)7u;
}

static void ring_write(ql_capture *capture, uint64_t at, const void *from, uint64_t octets)
{
    uint64_t start = at % capture->size;
    uint64_t first = capture->size - start < octets ? capture->size - start : octets;
    memcpy(capture->ring + start, from, first);
    memcpy(capture->ring, (const uint8_t *)from + first, octets - first);
}

static void ring_read(const uint8_t *ring, uint64_t size, uint64_t at, void *to, uint64_t octets)
{
    uint64_t start = at % size;
    uint64_t first = size - start < octets ? size - start : octets;
    memcpy(to, ring + start, first);
    memcpy((uint8_t *)to + first, ring, octets - first);
}

ql_capture *ql_capture_new(void *memory, uint64_t ring_octets, uint32_t snap_octets, uint32_t points)
{
    ql_capture *capture = calloc(1, sizeof *capture);
    if (capture == NULL)
        return NULL;
    capture->shared = memory;
    capture->ring = (uint8_t *)memory + sizeof(ring_header);
    capture->size = ring_octets;
    capture->snap_octets = snap_octets;
    capture->points = points;
    return capture;
}

void ql_capture_free(ql_capture *capture)
{
    if (capture != NULL)
        __atomic_store_n(&capture->shared->ended, 1, __ATOMIC_RELEASE);
    free(capture);
}

/* Lets the reader have what was written since the last time. */
static void publish(ql_capture *capture)
{
    __atomic_store_n(&capture->shared->head, capture->head, __ATOMIC_RELEASE);
}

/* A record for a frame as it is now, without its octets and without what a SecTAG tells. */
static ql_capture_record begin(const ql_capture *capture, uint8_t point, uint32_t length)
{
    return (ql_capture_record){
        .time_ns = ql_now_ns(),
        .length = length,
        .captured = length < capture->snap_octets ? length : capture->snap_octets,
        .point = point,
    };
}

/* Notes PN and SCI of a frame's SecTAG, if it has one, also behind VLAN tags. */
static void read_tag(ql_capture_record *record, const uint8_t *frame, uint32_t length)
{
    if (length < QL_ETHERNET_HEADER_OCTETS)
        return;
    uint32_t header = ql_header_octets(frame, length, UINT32_MAX);
    ql_sectag tag;
    if (!ql_sectag_read(frame + header, length - header, &tag))
        return;
    record->pn = tag.pn;
    record->tagged = tag.sci != NULL ? 2 : 1;
    if (tag.sci != NULL)
        memcpy(record->sci, tag.sci, sizeof record->sci);
}

/* Octets of addresses, VLAN tags and SecTAG or EtherType. */
static uint32_t tags_octets(const ql_capture_record *record, const uint8_t *frame, uint32_t length)
{
    static const uint32_t behind[] = {2, QL_SECTAG_OCTETS_WITHOUT_SCI, QL_SECTAG_OCTETS};
    if (length < QL_ETHERNET_HEADER_OCTETS)
        return length;
    return ql_header_octets(frame, length, UINT32_MAX) + behind[record->tagged];
}

/* Where a record fits, or nowhere: then it is counted as dropped. The reader is another process: whatever it
   writes into tail, nothing is written outside of the ring. */
static uint64_t reserve(ql_capture *capture, const ql_capture_record *record)
{
    uint64_t octets = sizeof *record + padded(record->captured);
    uint64_t used = capture->head - __atomic_load_n(&capture->shared->tail, __ATOMIC_ACQUIRE);
    if (used > capture->size || octets > capture->size - used) {
        ql_count(&capture->shared->dropped[__builtin_ctz(record->point)], 1);
        return nowhere;
    }
    uint64_t at = capture->head;
    capture->head += octets;
    return at;
}

static void write_data(ql_capture *capture, uint64_t at, const ql_capture_record *record,
                       const uint8_t *frame)
{
    if (at != nowhere)
        ring_write(capture, at + sizeof *record, frame, record->captured);
}

static void write_record(ql_capture *capture, uint64_t at, const ql_capture_record *record)
{
    if (at != nowhere)
        ring_write(capture, at, record, sizeof *record);
}

static void keep(ql_capture *capture, const ql_capture_record *record, const uint8_t *frame)
{
    uint64_t at = reserve(capture, record);
    write_data(capture, at, record, frame);
    write_record(capture, at, record);
}

static void sending(ql_capture *capture, const ql_burst *burst)
{
    for (uint32_t i = 0; i < burst->count; i++) {
        capture->record[i] = begin(capture, QL_CAPTURE_SENT, burst->length[i]);
        capture->at[i] = reserve(capture, &capture->record[i]);
        write_data(capture, capture->at[i], &capture->record[i], ql_burst_frame(burst, i));
    }
}

static void sent(ql_capture *capture, const ql_burst *burst, int secured)
{
    for (uint32_t i = 0; i < burst->count; i++) {
        ql_capture_record *record = &capture->record[i];
        if (secured) {
            record->verdict = burst->verdict[i];
            record->dropped = ql_verdict_passes(record->verdict) ? 0 : QL_WIRE_DROP_PROTECT;
            read_tag(record, ql_burst_frame(burst, i), burst->length[i]);
        }
        write_record(capture, capture->at[i], record);
    }
    publish(capture);
}

static void on_wire(ql_capture *capture, const uint8_t *frame, uint32_t length, int dropped)
{
    ql_capture_record record = begin(capture, QL_CAPTURE_WIRE, length);
    record.dropped = (uint8_t)dropped;
    read_tag(&record, frame, length);
    keep(capture, &record, frame);
    publish(capture);
}

static void receiving(ql_capture *capture, const ql_burst *burst)
{
    for (uint32_t i = 0; i < burst->count; i++) {
        capture->record[i] = (ql_capture_record){0};
        read_tag(&capture->record[i], ql_burst_frame(burst, i), burst->length[i]);
    }
}

static void received(ql_capture *capture, const ql_burst *burst, int secured)
{
    for (uint32_t i = 0; i < burst->count; i++) {
        int passes = !secured || ql_verdict_passes(burst->verdict[i]);
        uint8_t point = passes ? QL_CAPTURE_RECEIVED : QL_CAPTURE_REFUSED;
        if (!(capture->points & point))
            continue;
        const uint8_t *frame = ql_burst_frame(burst, i);
        const ql_capture_record *known = &capture->record[i];
        ql_capture_record record = begin(capture, point, burst->length[i]);
        record.verdict = secured ? burst->verdict[i] : 0;
        record.pn = known->pn;
        record.tagged = known->tagged;
        memcpy(record.sci, known->sci, sizeof record.sci);
        if (!passes) {
            uint32_t most = tags_octets(&record, frame, burst->length[i]);
            record.dropped = QL_WIRE_DROP_VALIDATE;
            record.captured = record.captured < most ? record.captured : most;
        }
        keep(capture, &record, frame);
    }
    publish(capture);
}

void ql_capture_sending(ql_captures *captures, const ql_burst *burst)
{
    for (uint32_t i = 0; i < captures->count; i++)
        if (captures->each[i]->points & QL_CAPTURE_SENT)
            sending(captures->each[i], burst);
}

void ql_capture_sent(ql_captures *captures, const ql_burst *burst, int secured)
{
    for (uint32_t i = 0; i < captures->count; i++)
        if (captures->each[i]->points & QL_CAPTURE_SENT)
            sent(captures->each[i], burst, secured);
}

void ql_capture_frame(ql_captures *captures, const uint8_t *frame, uint32_t length, int dropped)
{
    for (uint32_t i = 0; i < captures->count; i++)
        if (captures->each[i]->points & QL_CAPTURE_WIRE)
            on_wire(captures->each[i], frame, length, dropped);
}

void ql_capture_burst(ql_captures *captures, const ql_burst *burst, int dropped)
{
    for (uint32_t i = 0; captures->count > 0 && i < burst->count; i++)
        ql_capture_frame(captures, ql_burst_frame(burst, i), burst->length[i], dropped);
}

void ql_capture_receiving(ql_captures *captures, const ql_burst *burst)
{
    for (uint32_t i = 0; i < captures->count; i++)
        if (captures->each[i]->points & (QL_CAPTURE_RECEIVED | QL_CAPTURE_REFUSED))
            receiving(captures->each[i], burst);
}

void ql_capture_received(ql_captures *captures, const ql_burst *burst, int secured)
{
    for (uint32_t i = 0; i < captures->count; i++)
        if (captures->each[i]->points & (QL_CAPTURE_RECEIVED | QL_CAPTURE_REFUSED))
            received(captures->each[i], burst, secured);
}

int ql_captures_add(ql_captures *captures, ql_capture *capture)
{
    if (captures->count == QL_CAPTURE_LIMIT) {
        errno = EBUSY;
        return -1;
    }
    captures->each[captures->count++] = capture;
    return 0;
}

void ql_captures_remove(ql_captures *captures, const ql_capture *capture)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < captures->count; i++)
        if (captures->each[i] != capture)
            captures->each[kept++] = captures->each[i];
    captures->count = kept;
}

uint64_t ql_capture_read(void *memory, uint64_t ring_octets, uint8_t *out, uint64_t out_octets)
{
    ring_header *shared = memory;
    const uint8_t *ring = (const uint8_t *)memory + sizeof *shared;
    uint64_t head = __atomic_load_n(&shared->head, __ATOMIC_ACQUIRE);
    uint64_t tail = shared->tail, written = 0;
    while (tail < head) {
        ql_capture_record record;
        ring_read(ring, ring_octets, tail, &record, sizeof record);
        uint64_t octets = sizeof record + padded(record.captured);
        if (written + octets > out_octets)
            break;
        ring_read(ring, ring_octets, tail, out + written, octets);
        tail += octets;
        written += octets;
    }
    __atomic_store_n(&shared->tail, tail, __ATOMIC_RELEASE);
    return written;
}

uint64_t ql_capture_dropped(const void *memory, uint32_t point)
{
    const ring_header *shared = memory;
    return __atomic_load_n(&shared->dropped[__builtin_ctz(point)], __ATOMIC_RELAXED);
}

int ql_capture_ended(const void *memory)
{
    return __atomic_load_n(&((const ring_header *)memory)->ended, __ATOMIC_ACQUIRE) != 0;
}
