/*
 * The limit of the socket API: recvmmsg, a constant answer, sendmmsg, and nothing else.
 * MSG_WAITFORONE blocks for the first message and takes what else is there; poll(2) before MSG_DONTWAIT costs the same.
 * It reads of a query what no server can leave out: where the question ends, and whether an OPT follows.
 *
 * Usage: loop PORT FLAGS ANCOUNT ARCOUNT HEX
 *   FLAGS is the reply's second word (QR, AA, TC, RCODE) as a number; RD is copied from the query.
 *   HEX is what follows the question: answer records and additional records, in wire form. An OPT is added if asked for.
 */
#define _GNU_SOURCE
#include "message.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

/* It ends by itself should whoever started it not be there to end it. */
enum { BATCH = 64, ROOM = 4096, LIFE_SECONDS = 7200 };

static uint8_t buffers[BATCH][ROOM];
static uint8_t records[ROOM];
static const uint8_t OPT[OPT_OCTETS] = {0, 0, 41, 0x04, 0xd0};

int main(int argc, char **argv) {
  if (argc < 6) return fprintf(stderr, "usage: loop PORT FLAGS ANCOUNT ARCOUNT HEX\n"), 2;
  unsigned flags = (unsigned)atoi(argv[2]), ancount = (unsigned)atoi(argv[3]), arcount = (unsigned)atoi(argv[4]);
  int size = (int)strlen(argv[5]) / 2;
  if (size > ROOM - QUERY_MAX) return fprintf(stderr, "HEX is too long\n"), 2;
  for (int i = 0; i < size; i++) sscanf(argv[5] + 2 * i, "%2hhx", &records[i]);

  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1]))};
  here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int receive = 4 << 20;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive, sizeof receive);
  if (fd < 0 || bind(fd, (struct sockaddr *)&here, sizeof here)) die("bind");

  alarm(LIFE_SECONDS);

  static struct sockaddr_in peers[BATCH];
  static struct iovec parts[BATCH];
  static struct mmsghdr messages[BATCH];
  for (int i = 0; i < BATCH; i++) {
    parts[i].iov_base = buffers[i];
    messages[i].msg_hdr = (struct msghdr){.msg_name = &peers[i], .msg_iov = &parts[i], .msg_iovlen = 1};
  }
  for (;;) {
    for (int i = 0; i < BATCH; i++) {
      messages[i].msg_hdr.msg_namelen = sizeof peers[i];
      parts[i].iov_len = ROOM;
    }
    int got = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);
    for (int i = 0; i < got; i++) {
      uint8_t *m = buffers[i];
      int end = question_end(m, (int)messages[i].msg_len);
      if (end == 0) end = HEADER;
      int edns = m[11] != 0;
      put16(m + 2, flags | (m[2] & 1u) << 8);
      put16(m + 6, ancount), put16(m + 10, arcount + (unsigned)edns);
      memcpy(m + end, records, (size_t)size);
      if (edns) memcpy(m + end + size, OPT, OPT_OCTETS);
      parts[i].iov_len = (size_t)(end + size + (edns ? OPT_OCTETS : 0));
    }
    for (int sent = 0; sent < got;) {
      int done = sendmmsg(fd, messages + sent, (unsigned)(got - sent), 0);
      sent += done > 0 ? done : 1;
    }
  }
}
