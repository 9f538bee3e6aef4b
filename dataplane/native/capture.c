/* A bounded ring of captured frames: many workers write, one reader drains. */
#include "capture.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct ql_capture {
    pthread_mutex_t lock;
    uint8_t *ring;
    uint64_t size;
    uint64_t head; /* octets ever written */
    uint64_t tail; /* octets ever read */
    uint64_t dropped;
    uint32_t snap_octets;
};

static uint64_t record_octets(uint32_t captured)
{
    return sizeof(ql_capture_record) + (((uint64_t)captured + 7u) & ~(uint64_t)7u);
}

static void ring_write(ql_capture *capture, uint64_t at, const void *from, uint64_t length)
{
    uint64_t start = at % capture->size;
    uint64_t first = capture->size - start < length ? capture->size - start : length;
    memcpy(capture->ring + start, from, first);
    memcpy(capture->ring, (const uint8_t *)from + first, length - first);
}

static void ring_read(const ql_capture *capture, uint64_t at, void *to, uint64_t length)
{
    uint64_t start = at % capture->size;
    uint64_t first = capture->size - start < length ? capture->size - start : length;
    memcpy(to, capture->ring + start, first);
    memcpy((uint8_t *)to + first, capture->ring, length - first);
}

ql_capture *ql_capture_new(uint64_t ring_octets, uint32_t snap_octets)
{
    ql_capture *capture = calloc(1, sizeof *capture);
    if (capture == NULL)
        return NULL;
    capture->ring = malloc(ring_octets);
    if (capture->ring == NULL) {
        free(capture);
        return NULL;
    }
    capture->size = ring_octets;
    capture->snap_octets = snap_octets;
    pthread_mutex_init(&capture->lock, NULL);
    return capture;
}

void ql_capture_free(ql_capture *capture)
{
    if (capture == NULL)
        return;
    pthread_mutex_destroy(&capture->lock);
    free(capture->ring);
    free(capture);
}

void ql_capture_frame(ql_capture *capture, uint32_t wire, uint32_t side, const uint8_t *frame,
                      uint32_t length)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    ql_capture_record record = {
        .time_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec,
        .wire = wire,
        .side = side,
        .length = length,
        .captured = length < capture->snap_octets ? length : capture->snap_octets,
    };
    uint64_t octets = record_octets(record.captured);
    pthread_mutex_lock(&capture->lock);
    if (capture->head + octets - capture->tail > capture->size) {
        capture->dropped++;
    } else {
        ring_write(capture, capture->head, &record, sizeof record);
        ring_write(capture, capture->head + sizeof record, frame, record.captured);
        capture->head += octets;
    }
    pthread_mutex_unlock(&capture->lock);
}

uint64_t ql_capture_read(ql_capture *capture, uint8_t *out, uint64_t out_octets)
{
    uint64_t written = 0;
    pthread_mutex_lock(&capture->lock);
    while (capture->tail < capture->head) {
        ql_capture_record record;
        ring_read(capture, capture->tail, &record, sizeof record);
        uint64_t octets = record_octets(record.captured);
        if (written + octets > out_octets)
            break;
        ring_read(capture, capture->tail, out + written, octets);
        capture->tail += octets;
        written += octets;
    }
    pthread_mutex_unlock(&capture->lock);
    return written;
}

uint64_t ql_capture_dropped(ql_capture *capture)
{
    pthread_mutex_lock(&capture->lock);
    uint64_t dropped = capture->dropped;
    pthread_mutex_unlock(&capture->lock);
    return dropped;
}
