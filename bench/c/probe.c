/*
 * Asks one name again and again, one query at a time, and prints a line whenever the set of addresses in the answer
 * changes: the time (CLOCK_MONOTONIC, ns: the clock of Node's process.hrtime) and the sum of the addresses mod 2^32.
 * The order of an answer is a server's own affair, so a sum is what two answers with the same addresses share.
 * Over TCP (-T) a set that does not fit a datagram is seen whole; it is asked for with pauses, since asking for 16 KiB
 * without pause would be a load of its own, on the thread that takes in changes.
 *
 * Usage: probe [-T] -p PORT -t SECONDS NAME      Ends after so many seconds, or when its standard input closes.
 */
#define _GNU_SOURCE
#include "message.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STREAM_PAUSE_US = 300 };

static uint8_t reply[65536];

static int skip_name(int at, int length) {
  while (at < length && reply[at] != 0) {
    if (reply[at] >= 0xc0) return at + 2;
    at += reply[at] + 1;
  }
  return at + 1;
}

/* Adds up the A records of the answer; returns 0 for a reply that is cut, failed or broken. */
static int sum_addresses(int length, uint32_t *sum) {
  if (length < HEADER || reply[2] & 2 || reply[3] & 15) return 0;
  int at = question_end(reply, length), count = get16(reply + 6);
  for (*sum = 0; count > 0 && at > 0; count--) {
    at = skip_name(at, length);
    if (at + 10 > length) return 0;
    int type = get16(reply + at), size = get16(reply + at + 8);
    if (at + 10 + size > length) return 0;
    if (type == TYPE_A && size == 4)
      *sum += (uint32_t)get16(reply + at + 10) << 16 | get16(reply + at + 12);
    at += 10 + size;
  }
  return 1;
}

static int open_socket(int port, int stream) {
  struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  struct timeval wait = {0, 200000};
  int one = 1, fd = socket(AF_INET, stream ? SOCK_STREAM : SOCK_DGRAM, 0);
  server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
  if (stream) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  struct sockaddr_in own;
  socklen_t size = sizeof own;
  /* While nobody has the port, the kernel may give it to this socket, which would then talk to itself. */
  if (fd < 0 || connect(fd, (struct sockaddr *)&server, sizeof server) ||
      getsockname(fd, (struct sockaddr *)&own, &size) || own.sin_port == server.sin_port) {
    if (fd >= 0) close(fd);
    return -1;
  }
  return fd;
}

static int read_whole(int fd, uint8_t *into, int length) {
  for (int got = 0; got < length;) {
    ssize_t n = recv(fd, into + got, (size_t)(length - got), 0);
    if (n <= 0) return 0;
    got += (int)n;
  }
  return length;
}

int main(int argc, char **argv) {
  int port = 53, stream = 0, option, fd = -1;
  double seconds = 60;
  while ((option = getopt(argc, argv, "p:t:T")) != -1) switch (option) {
    case 'p': port = atoi(optarg); break;
    case 't': seconds = atof(optarg); break;
    case 'T': stream = 1; break;
    default: return 2;
    }
  uint8_t query[QUERY_MAX + 2];
  int length = optind < argc ? write_query(query + 2, argv[optind], TYPE_A, stream ? 0 : 1232) : 0;
  if (length == 0) return fprintf(stderr, "usage: probe [-T] -p PORT -t SECONDS NAME\n"), 2;
  put16(query, (unsigned)length);

  uint64_t end = now_ns() + (uint64_t)(seconds * 1e9), seed = now_ns() | 1;
  uint32_t last = 0, sum;
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (unsigned turn = 0; now_ns() < end; turn++) {
    struct pollfd control = {.fd = 0, .events = POLLIN};
    if (turn % 64 == 0 && poll(&control, 1, 0) > 0) break;
    if (fd < 0 && (fd = open_socket(port, stream)) < 0) {
      usleep(1000);
      continue;
    }
    unsigned id = (unsigned)(random64(&seed) >> 48);
    put16(query + 2, id);
    int size = 0;
    if (send(fd, query + (stream ? 0 : 2), (size_t)(length + (stream ? 2 : 0)), MSG_NOSIGNAL) < 0) size = -1;
    else if (!stream) size = (int)recv(fd, reply, sizeof reply, 0);
    else if (read_whole(fd, reply, 2)) size = read_whole(fd, reply, get16(reply));
    uint64_t at = now_ns();
    if (size <= 0 || get16(reply) != id) {
      close(fd), fd = -1;
      usleep(stream && size == 0 ? 0 : 500);
      continue;
    }
    if (!sum_addresses(size, &sum)) {
      usleep(500);
      continue;
    }
    if (sum != last) printf("%lu %u\n", at, sum);
    last = sum;
    if (stream) usleep(STREAM_PAUSE_US);
  }
  return 0;
}
