/* The ring that holds captured frames until they are read. */
#pragma once
#include "wire_api.h"

/* Records one frame; never blocks on the reader: a full ring drops and counts. */
void ql_capture_frame(ql_capture *capture, uint32_t wire, uint32_t side, const uint8_t *frame,
                      uint32_t length);
