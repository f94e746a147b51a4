/*
 * Load for a DNS server over UDP, from one thread.
 *   closed loop (default): -q queries are always outstanding; each reply is followed at once by a new query.
 *   open loop (-r QPS):    queries leave at times drawn beforehand (random, as those of many clients are), whether or
 *                          not replies came. Latency counts from the time a query was due, not from when it was sent,
 *                          so a stalled server cannot hide its stall (coordinated omission).
 * A reply is matched by socket and ID; late, unknown and repeated ones are counted apart. It ends after -t seconds or
 * -n queries or SIGTERM, whichever is first, and prints one line of JSON.
 */
#define _GNU_SOURCE
#include "message.h"
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* A query's ID is its slot in the low bits and random bits above: 4,096 slots a socket, 16 IDs a slot. */
enum { SLOTS = 4096, SOCKETS_MAX = 64, BATCH = 64, REPLY_MAX = 4096 };
/* Latency histogram: 64 linear steps an octave, so that a reading is within 1.6 % of the truth. */
enum { STEPS = 64, OCTAVES = 40 };
static const uint64_t LOST_AFTER_NS = 1000000000u, DRAIN_NS = 300000000u;

struct slot {
  uint64_t since;
  uint16_t id;
  uint8_t busy;
};
struct source {
  int fd, free_count;
  struct slot slots[SLOTS];
  uint16_t free[SLOTS];
};

static struct source *sources;
static int socket_count = 8, query_count, next_query, want_rcode = -1, want_answers;
static struct query *queries;
static uint64_t seed = 88172645463325252u, histogram[STEPS * OCTAVES], slowest, limit = UINT64_MAX;
static uint64_t sent, answered, lost, wrong, stray, refused, truncated, octets, answers;

static volatile sig_atomic_t stopped;

static void stop(int number) { (void)number, stopped = 1; }

static int bucket_of(uint64_t v) {
  if (v < STEPS) return (int)v;
  int shift = 63 - __builtin_clzll(v) - 6;
  int at = (shift + 1) * STEPS + (int)(v >> shift) - STEPS;
  return at < STEPS * OCTAVES ? at : STEPS * OCTAVES - 1;
}

/* Upper edge of the bucket that holds the p-th part of all readings, in microseconds. */
static double percentile(double p) {
  uint64_t seen = 0, rank = (uint64_t)ceil(p * (double)answered);
  for (int i = 0; i < STEPS * OCTAVES; i++) {
    seen += histogram[i];
    if (seen < rank || seen == 0) continue;
    if (i < STEPS) return i / 1e3;
    int shift = i / STEPS - 1;
    double edge = ldexp((double)(i % STEPS + STEPS + 1), shift);
    return (edge < (double)slowest ? edge : (double)slowest) / 1e3;
  }
  return 0;
}

/* Sends up to `want` queries (at most BATCH) that were due at `due[i]`; returns how many left. */
static int send_some(struct source *s, int want, const uint64_t *due) {
  static struct iovec parts[BATCH];
  static struct mmsghdr messages[BATCH];
  static uint8_t copies[BATCH][QUERY_MAX];
  uint16_t taken[BATCH];
  int n = 0;
  for (; n < want && n < BATCH && s->free_count > 0 && sent + (uint64_t)n < limit; n++) {
    struct query *q = &queries[next_query];
    if (++next_query == query_count) next_query = 0;
    uint16_t at = taken[n] = s->free[--s->free_count];
    uint16_t id = (uint16_t)(at | (random64(&seed) >> 52 << 12));
    s->slots[at] = (struct slot){due[n], id, 1};
    memcpy(copies[n], q->octets, q->length);
    put16(copies[n], id);
    parts[n] = (struct iovec){copies[n], q->length};
    messages[n].msg_hdr = (struct msghdr){.msg_iov = &parts[n], .msg_iovlen = 1};
  }
  if (n == 0) return 0;
  int left = sendmmsg(s->fd, messages, (unsigned)n, 0);
  if (left < 0) left = 0, refused += errno == ECONNREFUSED;
  for (int i = left; i < n; i++) {
    s->slots[taken[i]].busy = 0;
    s->free[s->free_count++] = taken[i];
  }
  sent += (uint64_t)left;
  return left;
}

/* Takes what has arrived at one socket; returns the number of queries that it answers. */
static int receive_some(struct source *s) {
  static struct iovec parts[BATCH];
  static struct mmsghdr messages[BATCH];
  static uint8_t replies[BATCH][REPLY_MAX];
  for (int i = 0; i < BATCH; i++) {
    parts[i] = (struct iovec){replies[i], REPLY_MAX};
    messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
  }
  int got = recvmmsg(s->fd, messages, BATCH, MSG_DONTWAIT, NULL), matched = 0;
  uint64_t now = now_ns();
  for (int i = 0; i < got; i++) {
    const uint8_t *m = replies[i];
    struct slot *slot = &s->slots[get16(m) % SLOTS];
    if (messages[i].msg_len < HEADER || !slot->busy || slot->id != get16(m)) {
      stray++;
      continue;
    }
    uint64_t took = now - slot->since;
    slot->busy = 0;
    s->free[s->free_count++] = (uint16_t)(slot - s->slots);
    matched++, histogram[bucket_of(took)]++;
    if (took > slowest) slowest = took;
    int cut = m[2] >> 1 & 1;
    truncated += (uint64_t)cut, octets += messages[i].msg_len, answers += get16(m + 6);
    if (want_rcode >= 0 && ((m[3] & 15) != want_rcode || (!cut && get16(m + 6) < want_answers))) wrong++;
  }
  answered += (uint64_t)matched;
  return matched;
}

/* Frees the slots of queries that nothing answered; returns how many. */
static int expire(struct source *s, uint64_t now) {
  int gone = 0;
  for (int i = 0; i < SLOTS; i++) {
    if (!s->slots[i].busy || now - s->slots[i].since < LOST_AFTER_NS) continue;
    s->slots[i].busy = 0, s->free[s->free_count++] = (uint16_t)i, gone++;
  }
  lost += (uint64_t)gone;
  return gone;
}

static int outstanding(void) {
  int n = 0;
  for (int i = 0; i < socket_count; i++) n += SLOTS - sources[i].free_count;
  return n;
}

int main(int argc, char **argv) {
  const char *host = "127.0.0.1", *path = NULL;
  int port = 53, window = 64, edns = 0, sleeps = 0, option;
  double rate = 0, seconds = 10;
  while ((option = getopt(argc, argv, "s:p:d:q:r:n:t:S:e:R:A:y")) != -1) switch (option) {
    case 's': host = optarg; break;
    case 'p': port = atoi(optarg); break;
    case 'd': path = optarg; break;
    case 'q': window = atoi(optarg); break;
    case 'r': rate = atof(optarg); break;
    case 'n': limit = (uint64_t)atof(optarg); break;
    case 't': seconds = atof(optarg); break;
    case 'S': socket_count = atoi(optarg); break;
    case 'e': edns = atoi(optarg); break;
    case 'R': want_rcode = atoi(optarg); break;
    case 'A': want_answers = atoi(optarg); break;
    case 'y': sleeps = 1; break; /* open loop: sleep between queries rather than watch the clock */
    default: return 2;
    }
  if (!path || socket_count < 1 || socket_count > SOCKETS_MAX || seconds <= 0 || window < 1 || window > SLOTS) {
    fprintf(stderr, "usage: load -d FILE [-s HOST] [-p PORT] [-q OUTSTANDING | -r QPS [-y]] [-t SECONDS] [-n COUNT]\n"
                    "            [-S SOCKETS] [-e EDNS_OCTETS] [-R RCODE [-A MIN_ANSWERS]]\n");
    return 2;
  }
  if (window < socket_count) socket_count = window;
  queries = read_queries(path, edns, &query_count);
  sources = calloc((size_t)socket_count, sizeof *sources);
  seed ^= now_ns();

  struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  if (inet_pton(AF_INET, host, &server.sin_addr) != 1) return fprintf(stderr, "%s is no IPv4 address\n", host), 2;
  int epoll = epoll_create1(0);
  for (int i = 0; i < socket_count; i++) {
    struct source *s = &sources[i];
    int receive = 1 << 20;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
    s->fd = socket(AF_INET, SOCK_DGRAM, 0);
    setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &receive, sizeof receive);
    if (s->fd < 0 || connect(s->fd, (struct sockaddr *)&server, sizeof server)) die("connect");
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, s->fd, &event)) die("epoll_ctl");
    for (int j = 0; j < SLOTS; j++) s->free[s->free_count++] = (uint16_t)j;
  }
  prctl(PR_SET_TIMERSLACK, 1);
  signal(SIGTERM, stop);

  struct epoll_event ready[SOCKETS_MAX];
  uint64_t begin = now_ns(), end = begin + (uint64_t)(seconds * 1e9), checked = begin, due = begin, now = begin;
  uint64_t dues[BATCH];
  int turn = 0;
  if (rate <= 0) {
    for (int i = 0; i < BATCH; i++) dues[i] = begin;
    for (int left = window, i = 0; left > 0; i = (i + 1) % socket_count) {
      int share = left < 8 ? left : 8;
      left -= share;
      send_some(&sources[i], share, dues);
    }
  }
  while (!stopped && now < end && (sent < limit || outstanding() > 0)) {
    struct timespec wait = {0, 0};
    if (rate <= 0) wait.tv_nsec = 100000000;
    else if (sleeps && due > now) wait.tv_nsec = (long)(due - now < 100000000u ? due - now : 100000000u);
    int count = epoll_pwait2(epoll, ready, SOCKETS_MAX, &wait, NULL);
    for (int i = 0; i < count; i++) {
      struct source *s = ready[i].data.ptr;
      int matched = receive_some(s);
      if (rate > 0 || matched == 0) continue;
      now = now_ns();
      for (int j = 0; j < matched; j++) dues[j] = now;
      send_some(s, matched, dues);
    }
    now = now_ns();
    if (rate > 0)
      while (due <= now && due < end && sent < limit) {
        send_some(&sources[turn], 1, &due);
        turn = (turn + 1) % socket_count;
        due += (uint64_t)(-log(((double)(random64(&seed) >> 11) + 1) / 9007199254740993.0) * 1e9 / rate);
        now = now_ns();
      }
    if (now - checked < 200000000u) continue;
    checked = now;
    for (int i = 0; i < socket_count; i++) {
      int gone = expire(&sources[i], now);
      for (int j = 0; j < BATCH; j++) dues[j] = now;
      /* a server that refuses or drops everything must not leave the closed loop without a query to wait for */
      if (rate <= 0) send_some(&sources[i], gone, dues);
      if (rate <= 0 && sources[i].free_count == SLOTS) send_some(&sources[i], 1, dues);
    }
  }
  double took = (double)(now_ns() - begin) / 1e9;
  for (uint64_t last = now_ns() + DRAIN_NS; outstanding() > 0 && now_ns() < last;) {
    int count = epoll_wait(epoll, ready, SOCKETS_MAX, 20);
    for (int i = 0; i < count; i++) receive_some(ready[i].data.ptr);
  }
  lost += (uint64_t)outstanding();
  double replies = answered ? (double)answered : 1;
  printf("{\"seconds\":%.3f,\"sent\":%lu,\"answered\":%lu,\"lost\":%lu,\"wrong\":%lu,\"stray\":%lu,\"refused\":%lu,"
         "\"qps\":%.0f,\"truncated\":%lu,\"meanOctets\":%.1f,\"meanAnswers\":%.2f,"
         "\"p50Us\":%.1f,\"p99Us\":%.1f,\"p999Us\":%.1f,\"maxUs\":%.1f}\n",
         took, sent, answered, lost, wrong, stray, refused, (double)answered / took, truncated,
         (double)octets / replies, (double)answers / replies,
         percentile(0.5), percentile(0.99), percentile(0.999), (double)slowest / 1e3);
  return 0;
}
