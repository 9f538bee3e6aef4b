#pragma once

/* A port: where a wire's frames come from and go to. Descriptors stay the caller's and must outlive it. */
typedef struct ql_port ql_port;

/* One Ethernet frame, without FCS, a call of read(2) and write(2); the descriptor does not block. All
   return NULL with errno set where memory is short. */
ql_port *ql_port_new_packet(int fd);
/* No wire may use the port any more. */
void ql_port_free(ql_port *port);
