/*
 * What the three programs of the bench share: time, query files, and the few octets of a DNS message they look at.
 *
 *    0        2        4        6        8        10       12
 *   ┌────────┬────────┬────────┬────────┬────────┬────────┬──────────┬─────────────┐
 *   │ ID     │ flags  │QDCOUNT │ANCOUNT │NSCOUNT │ARCOUNT │ question │ records     │
 *   └────────┴────────┴────────┴────────┴────────┴────────┴──────────┴─────────────┘
 */
#ifndef MESSAGE_H
#define MESSAGE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum { HEADER = 12, QUERY_MAX = 300, OPT_OCTETS = 11, TYPE_A = 1, TYPE_SRV = 33, TYPE_AAAA = 28, TYPE_PTR = 12 };

static inline void die(const char *what) {
  perror(what);
  exit(1);
}

static inline uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline uint16_t get16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }
static inline void put16(uint8_t *p, unsigned v) { p[0] = (uint8_t)(v >> 8), p[1] = (uint8_t)v; }

/* xorshift64*: order and identifiers only. */
static inline uint64_t random64(uint64_t *state) {
  *state ^= *state >> 12, *state ^= *state << 25, *state ^= *state >> 27;
  return *state * 2685821657736338717u;
}

/* The octet after the question, or 0 when the message ends before it. The question of a query is never compressed. */
static inline int question_end(const uint8_t *m, int length) {
  int at = HEADER;
  while (at < length && m[at] != 0) at += m[at] + 1;
  return at + 5 <= length ? at + 5 : 0;
}

static inline int type_number(const char *word) {
  if (!strcasecmp(word, "A")) return TYPE_A;
  if (!strcasecmp(word, "AAAA")) return TYPE_AAAA;
  if (!strcasecmp(word, "SRV")) return TYPE_SRV;
  if (!strcasecmp(word, "PTR")) return TYPE_PTR;
  return atoi(word);
}

/* Writes a query (ID 0, RD) for `name`; `edns` > 0 adds an OPT that offers so many octets. Returns its length, 0 for a bad name. */
static inline int write_query(uint8_t *m, const char *name, int type, int edns) {
  int at = HEADER;
  memset(m, 0, HEADER);
  m[2] = 1, m[5] = 1;
  while (*name) {
    size_t label = strcspn(name, ".");
    if (label == 0 || label > 63 || at + label > QUERY_MAX - 20) return 0;
    m[at++] = (uint8_t)label;
    memcpy(m + at, name, label);
    at += (int)label, name += label;
    if (*name == '.') name++;
  }
  m[at++] = 0;
  put16(m + at, (unsigned)type), put16(m + at + 2, 1), at += 4;
  if (edns > 0) {
    m[11] = 1;
    memset(m + at, 0, OPT_OCTETS);
    m[at + 2] = 41, put16(m + at + 3, (unsigned)edns), at += OPT_OCTETS;
  }
  return at;
}

struct query {
  uint16_t length;
  uint8_t octets[QUERY_MAX];
};

/* Reads lines of `name type`. Ends the program when the file holds none. */
static inline struct query *read_queries(const char *path, int edns, int *count) {
  FILE *file = fopen(path, "r");
  if (!file) die(path);
  int room = 1024, used = 0;
  struct query *all = malloc(sizeof *all * (size_t)room);
  char name[256], type[16];
  while (all && fscanf(file, "%255s %15s", name, type) == 2) {
    if (used == room) all = realloc(all, sizeof *all * (size_t)(room *= 2));
    if (!all) break;
    int length = write_query(all[used].octets, name, type_number(type), edns);
    if (length > 0) all[used++].length = (uint16_t)length;
  }
  fclose(file);
  if (!all || used == 0) fprintf(stderr, "%s: no queries\n", path), exit(1);
  *count = used;
  return all;
}

#endif
